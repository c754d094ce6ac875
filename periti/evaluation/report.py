"""Evaluations as text: a table for the terminal, Markdown, JSON. The only place that rounds, and JSON does not.

Every form carries what the numbers were computed over and the rules, because a number without them can not be
compared with another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from periti.errors import InputError
from periti.evaluation.summary import TIE_DEPTH, Evaluation

DECIMALS = 4

COUNT_NAMES = {
    "answered": "answered",
    "missing": "missing",
    "unjudged": "not judged",
    "retrieved": "documents",
    "tied_pairs": f"tied pairs in top {TIE_DEPTH}",
}


def text(evaluations: Sequence[Evaluation], decimals: int = DECIMALS, notes: Sequence[tuple[str, str]] = ()) -> str:
    """A table for the terminal, one row per run, with counts and rules below, and the caller's notes at the end."""
    lines = "\n".join(f"{name}: {sentence}" for name, sentence in [*_notes(evaluations), *notes])
    return "\n\n".join([*(_aligned(*table) for table in _tables(evaluations, decimals)), lines]) + "\n"


def markdown(evaluations: Sequence[Evaluation], decimals: int = DECIMALS, notes: Sequence[tuple[str, str]] = ()) -> str:
    """A Markdown table, one row per run, with counts and rules below, and the caller's notes at the end."""
    lines = "\n".join(f"- {name}: {sentence}" for name, sentence in [*_notes(evaluations), *notes])
    return "\n\n".join([*(_piped(*table) for table in _tables(evaluations, decimals)), lines]) + "\n"


def as_json(evaluations: Sequence[Evaluation], more: Mapping[str, Any] | None = None) -> str:
    """A JSON object with every value unrounded, null where no query is counted, and the caller's keys at the end."""
    first = _same_terms(evaluations)
    policy = first.policy
    return json.dumps(
        {
            "qrels": first.qrels,
            "measures": [measure.name for measure in first.measures],
            "policy": {
                "missing": policy.missing,
                "no_relevant": policy.no_relevant,
                "order": policy.order,
                "sampled": policy.sampled,
                "ties": policy.ties,
                "denominator": policy.denominator,
                "unjudged": policy.unjudged,
            },
            "grading": dict(first.grading),
            "queries": {"judged": first.counts.judged, "without_relevant": first.counts.without_relevant},
            "runs": [
                {
                    "run": evaluation.run,
                    "values": dict(evaluation.values),
                    "denominators": dict(evaluation.denominators),
                    "counts": {**asdict(evaluation.counts), "tie_depth": TIE_DEPTH},
                    **({} if evaluation.bounds is None else {"bounds": dict(evaluation.bounds)}),
                    "warnings": list(evaluation.warnings),
                }
                for evaluation in evaluations
            ],
            **(more or {}),
        },
        ensure_ascii=False,
        indent=2,
        allow_nan=False,
    )


def _same_terms(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The first evaluation, once it is sure that the others can stand beside it."""
    if not evaluations:
        raise InputError("there is no evaluation to report; evaluate at least one run")
    first = evaluations[0]
    terms = (first.qrels, first.measures, first.policy)
    for other in evaluations[1:]:
        if (other.qrels, other.measures, other.policy) != terms:
            raise InputError(
                f"runs {first.run!r} and {other.run!r} were measured with other judgements, measures or rules; "
                "report them apart"
            )
    return first


def _tables(evaluations: Sequence[Evaluation], decimals: int) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of each table: values, their bounds over tied orders where there are any, counts."""
    head, rows = _values(evaluations, decimals)
    tables = [(head, rows), _counts(evaluations)]
    if all(evaluation.bounds is not None for evaluation in evaluations):
        bounds = [
            [evaluation.run, *(_bounds(evaluation, measure.name, decimals) for measure in evaluation.measures)]
            for evaluation in evaluations
        ]
        tables.insert(1, (["bounds over tied orders", *head[1:]], bounds))
    return tables


def _bounds(evaluation: Evaluation, name: str, decimals: int) -> str:
    """The least and the greatest value of a measure."""
    low, high = (evaluation.bounds or {})[name]
    return "-" if low is None or high is None else f"[{low:.{decimals}f}, {high:.{decimals}f}]"


def _values(evaluations: Sequence[Evaluation], decimals: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the measures."""
    measures = _same_terms(evaluations).measures
    rows = []
    for evaluation in evaluations:
        row = [evaluation.run]
        for measure in measures:
            value = evaluation.values[measure.name]
            row.append("-" if value is None else f"{value:.{0 if measure.summed else decimals}f}")
        rows.append(row)
    return ["run", *(measure.name for measure in measures)], rows


def _counts(evaluations: Sequence[Evaluation]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what the runs have for the judged queries."""
    rows = [[e.run, *(str(getattr(e.counts, name)) for name in COUNT_NAMES)] for e in evaluations]
    return ["run", *COUNT_NAMES.values()], rows


def _notes(evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    """Name and sentence of everything a reader needs to compare the numbers with others."""
    first = evaluations[0]
    counts = first.counts
    over = {evaluation.run: sorted(set(evaluation.denominators.values())) for evaluation in evaluations}
    if all(found == [counts.judged] for found in over.values()):
        denominators = f"n = {counts.judged} for every measure and run"
    else:
        denominators = "; ".join(f"{e.run}: " + _denominators(e) for e in evaluations)
    return [
        (
            "judgements",
            f"{first.qrels}: {counts.judged} judged queries, {counts.without_relevant} without a relevant document",
        ),
        ("queries counted", denominators),
        ("denominator", first.policy.denominator),
        ("ties", first.policy.ties),
        ("unjudged", first.policy.unjudged),
        *first.grading.items(),
    ]


def _denominators(evaluation: Evaluation) -> str:
    """The number of queries counted for each measure, equal ones named once."""
    groups: dict[int, list[str]] = {}
    for name, queries in evaluation.denominators.items():
        groups.setdefault(queries, []).append(name)
    if len(groups) == 1:
        return f"n = {next(iter(groups))}"
    return ", ".join(f"n = {queries} for {' '.join(names)}" for queries, names in groups.items())


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    """Columns padded to their widest cell: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        first, *others = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _piped(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers to the right; a pipe in a name is escaped."""
    ruler = ["---", *("---:" for _ in head[1:])]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [cells[0], ruler, *cells[1:]])
