"""A screening study as text, Markdown or JSON. Orders with feedback are marked; only JSON is not rounded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from periti.screening.methods import LEARNED, METHODS, Orderer, uses_feedback
from periti.screening.study import Mean, Measured, Stopped

Stops = Mapping[str, Sequence[Stopped]]
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def text(measured: Measured, orderer: Orderer, stops: Stops) -> str:
    """For the terminal."""
    return _written(measured, orderer, stops, _aligned)


def markdown(measured: Measured, orderer: Orderer, stops: Stops) -> str:
    """As Markdown."""
    return _written(measured, orderer, stops, _piped)


def summary(measured: Measured) -> str:
    """Means and differences as Markdown, without the topics."""
    return "\n\n".join(_compared(measured, _piped)) + "\n"


def as_json(measured: Measured, orderer: Orderer, stops: Stops) -> str:
    """Every number; orders as document ids."""
    told = {
        "methods": {name: {"is": METHODS[name], "feedback": uses_feedback(name)} for name in measured.methods},
        "topics": {
            topic.name: {
                "query": topic.query,
                "candidates": len(topic),
                "included": int(topic.relevant(orderer.rel).sum()),
                "textless": int(topic.textless.sum()),
                "orders": {
                    name: [topic.documents[place].doc_id for place in measured.orders[topic.name, name].order.tolist()]
                    for name in measured.methods
                },
            }
            for topic in measured.topics
        },
        **figures(measured, orderer, stops),
    }
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def figures(measured: Measured, orderer: Orderer, stops: Stops) -> dict[str, Any]:
    """Values by topic, means, comparisons, stops; without the orders."""
    return {
        "included_from_grade": orderer.rel,
        "values": {
            table.measure: {
                name: dict(zip(table.query_ids, table.values[:, table.column(name)].tolist(), strict=True))
                for name in measured.methods
            }
            for table in measured.scores
        },
        "means": {
            table.measure: {name: asdict(measured.means[name, table.measure]) for name in measured.methods}
            for table in measured.scores
        },
        "against": {
            baseline: [
                {
                    "measure": c.measure,
                    "method": c.a,
                    "difference": c.difference,
                    "p": c.p,
                    "adjusted": c.adjusted,
                    "low": c.intervals[-1].low,
                    "high": c.intervals[-1].high,
                    "significant": c.significant,
                }
                for table in found.tables
                for c in table.comparisons
            ]
            for baseline, found in measured.against.items()
        },
        "learned": _learned(measured, orderer),
        "stops": {
            method: [
                {
                    "rule": s.rule,
                    **asdict(s.target),
                    "reached": s.reached,
                    "mean_recall": s.recall,
                    "least_recall": s.least,
                    "read": s.read,
                }
                for s in own
            ]
            for method, own in stops.items()
        },
    }


def _written(measured: Measured, orderer: Orderer, stops: Stops, printer: Callable[[Table], str]) -> str:
    parts = []
    for topic in measured.topics:
        included, textless = int(topic.relevant(orderer.rel).sum()), int(topic.textless.sum())
        parts.append(
            f"{topic.name}: {len(topic):,} candidates, {included:,} included, {textless:,} without title and abstract"
        )
        parts.append(printer(_values(measured, topic.name)))
    parts += _compared(measured, printer)
    if stops:
        parts.append(printer(_stops(stops)))
    if any(uses_feedback(name) for name in measured.methods):
        parts.append("+ reads judgements of the topic while it is screened: not to be compared as a one-shot ranking.")
    for name, facts in _learned(measured, orderer).items():
        parts.append(
            f"criteria for {name}: C = {facts['strength']:g}, chosen on the other topics; {facts['left_out']:,} "
            "documents of theirs not learned from, since they are candidates here too"
        )
    return "\n\n".join(parts) + "\n"


def _compared(measured: Measured, printer: Callable[[Table], str]) -> list[str]:
    parts = []
    if len(measured.topics) > 1:
        parts.append(f"Mean over {len(measured.topics)} topics, with 95 % BCa bootstrap intervals over topics")
        parts.append(printer(_means(measured)))
    for baseline in measured.against:
        parts.append(f"Difference to {baseline} (sign flips of topics, Holm over the methods of a measure; * p < .05)")
        parts.append(printer(_differences(measured, baseline)))
    return parts


def _learned(measured: Measured, orderer: Orderer) -> dict[str, dict[str, float]]:
    """What was chosen for each topic, where something was learned."""
    if not any(LEARNED in name for name in measured.methods):
        return {}
    criteria = orderer.criteria
    return {
        topic.name: {"strength": criteria.chosen[topic.name], "left_out": criteria.left_out[topic.name]}
        for topic in measured.topics
    }


def _head(measured: Measured) -> list[str]:
    return ["method", *(_short(table.measure) for table in measured.scores)]


def _short(measure: str) -> str:
    """The measure as the field writes it."""
    family, _, at = measure.partition("@")
    name = family.partition("(")[0]
    return {"R_percent": f"R@{at} %", "WSS": f"WSS@{float(at or 0) * 100:.0f}", "last_rel": "last rel"}.get(name, name)


def _number(measure: str, value: float) -> str:
    return f"{value:.0f}" if measure.startswith("last_rel") else f"{value:.3f}"


def _label(method: str) -> str:
    return f"{method} +" if uses_feedback(method) else method


def _values(measured: Measured, topic: str) -> Table:
    rows = [
        [
            _label(method),
            *(
                _number(table.measure, table.values[table.query_ids.index(topic), table.column(method)])
                for table in measured.scores
            ),
        ]
        for method in measured.methods
    ]
    return _head(measured), rows


def _means(measured: Measured) -> Table:
    rows = []
    for method in measured.methods:
        means = [(table.measure, measured.means[method, table.measure]) for table in measured.scores]
        rows.append([_label(method), *(_spanned(measure, mean) for measure, mean in means)])
    return _head(measured), rows


def _spanned(measure: str, mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return _number(measure, mean.value)
    return f"{_number(measure, mean.value)} [{_number(measure, mean.low)}, {_number(measure, mean.high)}]"


def _differences(measured: Measured, baseline: str) -> Table:
    rows = []
    for method in measured.methods:
        if method == baseline:
            continue
        row = [_label(method)]
        for table in measured.against[baseline].tables:
            pair = table.between(method, baseline)
            if pair is not None:
                sign = 1.0 if pair.a == method else -1.0
                mark = "*" if pair.significant else ""
                shown = f"{sign * pair.difference:+.0f}" if table.measure.startswith("last_rel") else ""
                row.append(f"{shown or f'{sign * pair.difference:+.3f}'} (p {pair.adjusted:.3f}){mark}")
        rows.append(row)
    return _head(measured), rows


def _stops(stops: Stops) -> Table:
    head = ["stopping rule", "after", "target reached", "mean recall", "least recall", "read"]
    rows = [
        [
            f"{one.rule} (recall {one.target.recall:g}, error {one.target.alpha:g})",
            method,
            f"{one.reached:.1%}",
            f"{one.recall:.3f}",
            f"{one.least:.3f}",
            f"{one.read:.1%}",
        ]
        for method, own in stops.items()
        for one in own
    ]
    return head, rows


def _aligned(table: Table) -> str:
    head, rows = table
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = []
    for first, *others in [head, *rows]:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _piped(table: Table) -> str:
    head, rows = table
    ruler = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ruler, *rows])
