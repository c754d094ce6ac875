"""A simulation in writing: one table a test and budget, the rules beneath."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from periti.evaluation.adjudication.left_out import LeftOut
from periti.evaluation.adjudication.orders import Budget
from periti.evaluation.adjudication.summary import Row, Spread, Summary

HEADER = (
    "method", "relevant", "τ", "τ_AP", "RBO", "RMSE", "AA", "AA 95 %", "AA − depth 95 %", "recall", "precision",
    "spurious", "AD", "MCC", "bal. acc.", "PAA 95 %",
)  # fmt: skip


def as_json(summary: Summary, more: dict[str, Any] | None = None) -> str:
    """Everything, unrounded; numbers that are not defined are null."""
    data = {**summary.facts, **(more or {}), "rows": [row.as_data() for row in summary.rows]}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)


def text(summary: Summary) -> str:
    """For a terminal."""
    parts = [f"{title}\n{_aligned(rows)}" for title, rows in tables(summary)]
    return "\n".join([*parts, *(f"{line}" for line in notes(summary)), ""])


def markdown(summary: Summary, *, heading: str = "###") -> str:
    """For a page."""
    parts = []
    for title, rows in tables(summary):
        rule = ["---", *["---:"] * (len(rows[0]) - 1)]
        lines = "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))
        parts.append(f"{heading} {title}\n\n{lines}\n")
    return "\n".join([*parts, *(f"* {line}" for line in notes(summary)), ""])


def notes(summary: Summary) -> list[str]:
    """What the numbers mean."""
    facts = summary.facts
    found = "; ".join(f"{test}: {count}" for test, count in facts["gold_significant"].items())
    about = (
        f"{facts['measure']}; {facts['runs']} runs, {facts['queries']} queries, pool of depth {facts['depth']}: "
        f"{facts['pool']} documents, {facts['relevant']} relevant; {facts['pairs']} pairs, significant in gold at "
        f"{facts['alpha']:g}: {found}."
    )
    columns = (
        f"Means over seeds {', '.join(map(str, facts['seeds']))} (± standard deviation). AA: pairs significant under "
        "both, same direction; spurious: significant under low only; AD: significant under both, opposite; recall and "
        "precision: AA over gold's and over low's significant pairs; PAA: 2 AA / (2 AA + MA). "
        "Not judged counts as not relevant; active estimates."
    )
    lines = [about, *(f"{test}: {title}, the same on both sides." for test, title in facts["tests"].items()), columns]
    if facts["replicates"]:
        lines.append(
            f"Intervals: {100 * facts['level']:g} % percentile bootstrap, {facts['replicates']} draws of queries and "
            f"seed (seed {facts['bootstrap_seed']}), the same draws for every method; resampled queries repeat, so "
            "tests reject more often in a draw and intervals may lie above the mean."
        )
    return lines


def best(rows: Sequence[Row], name: str) -> tuple[str, ...]:
    """The methods with the largest mean of a number."""
    highest = max(row.values[name].mean for row in rows)
    return tuple(row.method for row in rows if row.values[name].mean == highest)


def tables(summary: Summary) -> list[tuple[str, list[list[str]]]]:
    """A title and rows of cells, the header first, for every test and budget."""
    cells: dict[tuple[str, Budget], list[Row]] = {}
    for row in summary.rows:
        cells.setdefault((row.test, row.budget), []).append(row)
    found = []
    for (test, budget), rows in cells.items():
        gold = summary.facts["gold_significant"][test]
        title = f"{budget} judged ({rows[0].judged:.0f} documents), {test}, {gold} significant pairs in gold"
        found.append((title, [list(HEADER), *(_cells(row) for row in rows)]))
    return found


def left_out_rows(left_out: Sequence[LeftOut]) -> list[list[str]]:
    """Cells of what runs lose that are not pooled, the header first."""
    head = ["method", "budget", "mean change", "largest loss", "deepest fall in places"]
    rows = [
        [one.method, str(one.budget), f"{one.mean_change:+.4f}", f"{one.worst_change:+.4f}", str(one.most_places)]
        for one in left_out
    ]
    return [head, *rows]


def left_out_text(left_out: Sequence[LeftOut], *, markdown: bool = False) -> str:
    """The same as a table for a terminal or a page; empty if nothing was left out."""
    if not left_out:
        return ""
    title = "every run in turn outside the pool: its score then, less its score when it helps to choose"
    rows = left_out_rows(left_out)
    if not markdown:
        return f"{title}\n{_aligned(rows)}\n"
    rule = ["---", "---:", "---:", "---:", "---:"]
    return f"### {title}\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:])) + "\n\n"


def left_out_data(left_out: Sequence[LeftOut], systems: Sequence[str]) -> list[dict[str, Any]]:
    """The same for JSON, unrounded, with every run's change."""
    return [
        {
            "method": one.method,
            "budget": one.budget.amount,
            "mean_change": one.mean_change,
            "worst_change": one.worst_change,
            "most_places": one.most_places,
            "change": dict(zip(systems, one.change.tolist(), strict=True)),
            "places": dict(zip(systems, one.places.tolist(), strict=True)),
        }
        for one in left_out
    ]


def _cells(row: Row) -> list[str]:
    """One method's cells."""
    values = row.values
    return [
        row.method,
        f"{values['relevant'].mean:.0f}",
        _mean(values["tau"], 3),
        _mean(values["tau_ap"], 3),
        _mean(values["rbo"], 3),
        _mean(values["rmse"], 3),
        f"{values['aa'].mean:.1f} ± {values['aa'].deviation:.1f}",
        _interval(values["aa"], 0),
        "" if row.beyond is None else _interval(row.beyond, 0),
        _mean(values["recall"], 2),
        _mean(values["precision"], 2),
        f"{values['spurious'].mean:.1f}",
        f"{values['ad'].mean:.1f}",
        _mean(values["mcc"], 2),
        _mean(values["balanced_accuracy"], 2),
        _interval(values["active_agreement"], 2),
    ]


def _mean(spread: Spread, digits: int) -> str:
    """The mean, or a dash where there is none."""
    return "–" if np.isnan(spread.mean) else f"{spread.mean:.{digits}f}"


def _interval(spread: Spread, digits: int) -> str:
    """Low and high, or a dash."""
    if np.isnan(spread.low):
        return "–"
    # Adding 0 turns the -0.0 that rounding leaves into 0.
    low, high = round(spread.low, digits) + 0.0, round(spread.high, digits) + 0.0
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _aligned(rows: list[list[str]]) -> str:
    """Columns of even width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines) + "\n"
