"""A study as text: a table for the terminal, Markdown, JSON. The only place that rounds, and JSON does not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from periti.evaluation.significance.design import Design
from periti.evaluation.significance.effects import MOST_TOPICS
from periti.evaluation.significance.friedman import OverCollections
from periti.evaluation.significance.intervals import Interval
from periti.evaluation.significance.results import Comparison, ComparisonTable, Standing, Study
from periti.evaluation.significance.superscripts import legend, superscripts

DECIMALS = 4
LEAST_P = 1e-4
"""A smaller p-value is printed as below this; JSON has it in full."""

Table = tuple[list[str], list[list[str]]]
Printer = Callable[[list[str], list[list[str]]], str]


def text(study: Study, decimals: int = DECIMALS) -> str:
    """Tables for the terminal: systems, comparisons, then warnings and everything that was decided."""
    parts = []
    for table in study.tables:
        parts.append(f"{table.measure} on {table.collection}: {table.topics} topics, {len(table.standings)} systems")
        parts += _tables(table, study, _aligned, decimals)
        if table.cautions:
            parts.append("\n".join(f"warning: {caution.sentence}" for caution in table.cautions))
    for over in study.over_collections:
        parts += [_over(over, study), _aligned(*_ranks(over)), _aligned(*_nemenyi(over))]
    parts.append("\n".join(f"{name}: {sentence}" for name, sentence in notes(study).items()))
    return "\n\n".join(parts) + "\n"


def markdown(study: Study, decimals: int = DECIMALS, more: Mapping[str, str] | None = None) -> str:
    """The same as Markdown, with superscripts beside the means.

    Args:
        study: what was compared.
        decimals: of scores and differences.
        more: name to sentence of what the study does not know: digests of inputs, versions, the command.
    """
    parts = []
    for table in study.tables:
        parts.append(f"## {table.measure} on {table.collection}: {table.topics} topics, {len(table.standings)} systems")
        parts += _tables(table, study, _piped, decimals)
        parts.insert(-1, legend(table))
        if table.cautions:
            parts.append("\n".join(f"- warning: {caution.sentence}" for caution in table.cautions))
    for over in study.over_collections:
        parts += [f"## {_over(over, study)}", _piped(*_ranks(over)), _piped(*_nemenyi(over))]
    said = {**notes(study), **(more or {})}
    parts.append("\n".join(f"- {name}: {sentence}" for name, sentence in said.items()))
    return "\n\n".join(parts) + "\n"


def as_json(study: Study, more: Mapping[str, Any] | None = None) -> str:
    """A JSON object with every number unrounded and the score of every topic; null for what is not defined.

    Args:
        study: what was compared.
        more: further members of the object, e.g. digests and versions.
    """
    told = {
        "design": study.design.as_json(),
        "decided": dict(study.sentences),
        "family_size": study.family_size,
        "tables": [_json_table(table) for table in study.tables],
        "over_collections": [_json_over(over) for over in study.over_collections],
        **(more or {}),
    }
    return json.dumps(_finite(told), ensure_ascii=False, indent=2, allow_nan=False)


def notes(study: Study) -> dict[str, str]:
    """Name to sentence of everything a reader needs under the tables; what differs by table names the table."""
    said = dict(study.sentences)
    for name in dict.fromkeys(name for table in study.tables for name in table.rules if name != "n"):
        said[name] = "; ".join(dict.fromkeys(table.rules[name] for table in study.tables if name in table.rules))
    for table in study.tables:
        label = f" of {table.measure} on {table.collection}" if len(study.tables) > 1 else ""
        omega = table.anova.omega_squared
        said[f"effect of system{label}"] = (
            f"omega squared {omega['system']:.3f}, of topic {omega['topic']:.3f}; MSE {table.anova.mse:.6g}, "
            f"HSD critical difference {table.critical_difference:.{DECIMALS}f}"
        )
        said[f"power{label}"] = (
            f"with {table.topics} topics, differences below {table.detectable_d_z:.3f} standard deviations (d_z) "
            f"are found with less than 80 % power at alpha {study.design.alpha:g}, before any correction"
        )
        said[f"scores{label}"] = f"sha256 {table.scores.digest[:16]}"
    if study.design.baseline is None:
        said["groups"] = "systems that share a letter are not set apart; place is the range of ranks the tests allow"
    return said


def p_text(p: float) -> str:
    """A p-value with four decimals; never 0."""
    return f"<{LEAST_P:.4f}" if p < LEAST_P else f"{p:.4f}"


def topics_text(topics: int) -> str:
    """Topics needed; - where none would do."""
    if topics == 0:
        return "-"
    return f"{topics:,}+" if topics >= MOST_TOPICS else f"{topics:,}"


def _tables(table: ComparisonTable, study: Study, printer: Printer, decimals: int) -> list[str]:
    """The table of systems and the table of comparisons."""
    head, rows = _standings(table.standings, decimals)
    if printer is _piped:
        head, rows = _numbered(table, head, rows)
    return [
        printer(head, rows),
        printer(*_comparisons(table.comparisons, study.design, decimals)),
    ]


def _standings(standings: Sequence[Standing], decimals: int) -> Table:
    """Header and rows of the systems; columns that say nothing are left out."""
    head = ["system", "mean", "sd"]
    places = standings[0].best is not None
    judged = any(standing.judged is not None for standing in standings)
    seeds = any(standing.seeds for standing in standings)
    absent = any(standing.absent for standing in standings)
    head += ["place", "groups"] * places + ["judged@10"] * judged + ["seeds"] * seeds + ["missing"] * absent
    rows = []
    for standing in standings:
        row = [standing.system, f"{standing.mean:.{decimals}f}", f"{standing.deviation:.{decimals}f}"]
        row += [standing.place, standing.groups] * places
        row += ["-" if standing.judged is None else f"{standing.judged:.3f}"] * judged
        row += [str(max(1, len(standing.seeds)))] * seeds + [str(standing.absent)] * absent
        rows.append(row)
    return head, rows


def _numbered(table: ComparisonTable, head: list[str], rows: list[list[str]]) -> Table:
    """The table of systems with their numbers, and beside each mean those of the systems it is better than."""
    beside = superscripts(table)
    numbered = []
    for number, (system, mean, *others) in enumerate(rows, 1):
        above = f" <sup>{beside[system]}</sup>" if beside[system] else ""
        numbered.append([f"{number}. {system}", mean + above, *others])
    return head, numbered


def _comparisons(comparisons: Sequence[Comparison], design: Design, decimals: int) -> Table:
    """Header and rows of the comparisons."""
    level = f"{100 * (1 - design.alpha):g} %"
    head = ["comparison", "difference", f"t {level}"] + [f"BCa {level}"] * bool(design.bootstrap)
    head += ["p"] if design.simultaneous else ["p", "p adjusted"]
    head += ["", "d_z", "g", "win/tie/loss", "detectable", "topics for 80 %"]
    head += ["TOST p"] * (design.margin is not None)
    others = list(comparisons[0].other_p) if comparisons else []
    rows = []
    for one in comparisons:
        row = [f"{one.a} - {one.b}", f"{one.difference:+.{decimals}f}", _span(one.interval("t"), decimals)]
        row += [_span(one.interval("bca"), decimals)] * bool(design.bootstrap)
        row += [p_text(one.p)] if design.simultaneous else [p_text(one.p), p_text(one.adjusted)]
        row += [_mark(one), _number(one.effect.d_z), _number(one.effect.hedges), f"{one.wins}/{one.ties}/{one.losses}"]
        row += [f"{one.detectable:.{decimals}f}", topics_text(one.topics_needed)]
        if one.equivalence is not None:
            row.append(p_text(one.equivalence.adjusted) + (" =" if one.equivalence.equivalent else ""))
        rows.append(row + [p_text(p) for p in one.other_p.values()])
    return head + [f"p {other}" for other in others], rows


def _mark(comparison: Comparison) -> str:
    """* if significant, ! if there is something to know."""
    return "*" * comparison.significant + "!" * bool(comparison.cautions)


def _span(interval: Interval | None, decimals: int) -> str:
    return "-" if interval is None else f"[{interval.low:+.{decimals}f}, {interval.high:+.{decimals}f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _over(over: OverCollections, study: Study) -> str:
    """The sentence above the table over collections."""
    return (
        f"{over.measure} over {len(over.collections)} collections (each is one observation): Friedman chi-square "
        f"{over.chi_square:.3f}, p {p_text(over.p)}; Iman-Davenport F {over.f:.3f}, p {p_text(over.f_p)}; Nemenyi "
        f"critical difference of mean ranks {over.critical_difference:.3f} at alpha {study.design.alpha:g}"
    )


def _ranks(over: OverCollections) -> Table:
    """Header and rows of mean ranks."""
    rows = [[system, f"{rank:.3f}"] for system, rank in zip(over.systems, over.mean_ranks, strict=True)]
    return ["system", "mean rank"], rows


def _nemenyi(over: OverCollections) -> Table:
    """Header and rows of Nemenyi's comparisons."""
    rows = [[f"{a} - {b}", p_text(p), "*" * (p <= over.alpha)] for (a, b), p in over.pairs.items()]
    return ["comparison", "Nemenyi p", ""], rows


def _json_table(table: ComparisonTable) -> dict[str, Any]:
    """One table with plain values."""
    scores = table.scores
    return {
        "measure": table.measure,
        "collection": table.collection,
        "topics": table.topics,
        "rules": dict(table.rules),
        "scores_sha256": scores.digest,
        "systems": [{**asdict(standing), "place": standing.place} for standing in table.standings],
        "comparisons": [asdict(comparison) for comparison in table.comparisons],
        "anova": {
            **asdict(table.anova),
            "error_df": table.anova.error_df,
            "mse": table.anova.mse,
            "system_f": table.anova.system_f,
            "system_p": table.anova.system_p,
            "shares": table.anova.shares,
            "omega_squared": table.anova.omega_squared,
        },
        "critical_difference": table.critical_difference,
        "detectable_d_z": table.detectable_d_z,
        "cautions": [asdict(caution) for caution in table.cautions],
        "query_ids": list(scores.query_ids),
        "scores": {name: scores.values[:, place].tolist() for place, name in enumerate(scores.systems)},
    }


def _json_over(over: OverCollections) -> dict[str, Any]:
    """Friedman and Nemenyi with plain values."""
    pairs = [{"a": a, "b": b, "p": p, "significant": p <= over.alpha} for (a, b), p in over.pairs.items()]
    return {**{name: getattr(over, name) for name in over.__dataclass_fields__ if name != "pairs"}, "pairs": pairs}


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    """Columns padded to their widest cell: the first to the left, others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for first, *others in [head, *rows]:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _piped(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers to the right; a pipe in a name is escaped."""
    ruler = ["---", *("---:" for _ in head[1:])]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [cells[0], ruler, *cells[1:]])
