"""Evaluations set against published numbers: ours, theirs, the difference, or the reasons why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from periti.errors import InputError
from periti.evaluation.measures import Measure
from periti.evaluation.published import (
    ANY,
    GRADED,
    Comparable,
    Differs,
    Ours,
    Published,
    Terms,
    benchmark_records,
    compare,
    split_name,
)
from periti.evaluation.summary import Evaluation

TIES = {"score": "docid_desc", "file": "file_order", "expected": "expected"}
AVERAGING = {"mean": "macro", "micro": "micro", "geometric": "geometric", "sum": "sum"}


@dataclass(frozen=True)
class Comparison:
    """One number of ours beside one of theirs."""

    run: str
    measure: str
    ours: Ours
    theirs: Published
    verdict: Comparable | Differs


def against(evaluations: Sequence[Evaluation], benchmark: str, declared: Mapping[str, Any]) -> tuple[Comparison, ...]:
    """Every published number of a benchmark whose measure, with its cutoff, was evaluated.

    Args:
        evaluations: ours.
        benchmark: the benchmark that they are of.
        declared: what neither run nor judgements tell, as `periti.evaluation.published.declared` reads it.

    Raises:
        UnknownName: nothing is published about the benchmark here.
        InputError: none of its measures was evaluated.
    """
    records = benchmark_records(benchmark)
    found = []
    for evaluation in evaluations:
        for measure in evaluation.measures:
            ours = terms_of(evaluation, measure, {"benchmark": benchmark, **declared})
            found += [
                Comparison(evaluation.run, measure.name, ours, record, compare(ours, record))
                for record in records
                if ours and (record.terms.measure, record.terms.cutoff) == split_name(measure.name)
            ]
    if not found:
        known = sorted({_spelled(record.terms) for record in records})
        raise InputError(f"nothing of {benchmark} is published for these measures; ask for one of {', '.join(known)}")
    return tuple(found)


def terms_of(evaluation: Evaluation, measure: Measure, declared: Mapping[str, Any]) -> Ours | None:
    """A number of an evaluation with everything that is known about it; None if no query counts."""
    value = evaluation.values[measure.name]
    if value is None:
        return None
    family, cutoff = split_name(measure.name)
    if measure.cutoff and evaluation.deepest < min(measure.cutoff, declared.get("corpus_size", measure.cutoff)):
        # A list that ends before the cutoff is another measurement, even if the number has the same name.
        cutoff = float(evaluation.deepest)
    counts, policy = evaluation.counts, evaluation.policy
    graded = family in GRADED
    dcg = measure.parameters.get("dcg", "log2")
    terms = Terms(
        n_queries=evaluation.denominators[measure.name],
        judged_rel=None if graded else evaluation.relevant[measure.name],
        measure=family,
        cutoff=cutoff,
        min_rel=None if graded else measure.rel,
        gain={"log2": "linear", "exp-log2": "exponential"}[dcg] if family == "nDCG" else None,
        averaging=AVERAGING[measure.average],
        # Where every query is answered, or no scores tie, no rule of theirs could give another value.
        missing=policy.missing if counts.missing or counts.unjudged else ANY,
        ties=TIES[policy.order] if evaluation.ties or policy.order == "file" else ANY,
        **declared,
    )
    return Ours(terms, value)


def as_text(comparisons: Sequence[Comparison]) -> str:
    """Lines of what can be compared, then one line for each set of reasons why the rest can not."""
    rows: list[tuple[str, ...]] = [
        ("run", "measure", "ours", "theirs", "difference", "half unit", "", "system (kind, split)")
    ]
    unstated: dict[str, None] = {}
    for item in comparisons:
        if isinstance(item.verdict, Comparable):
            rows.append(_row(item, item.verdict))
            unstated.update(dict.fromkeys(item.verdict.unstated))
    if len(rows) == 1:
        lines = ["published numbers: none can be compared"]
    else:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["published numbers", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]
    if unstated:
        lines.append(f"not stated by the source and not checked: {', '.join(unstated)}")
    return "\n".join([*lines, *_refusals(comparisons)]) + "\n"


def _refusals(comparisons: Sequence[Comparison]) -> list[str]:
    """One line for each run, measure and set of reasons."""
    refused: dict[tuple[str, str, str], list[str]] = {}
    for item in comparisons:
        if isinstance(item.verdict, Differs):
            reasons = "; ".join(map(str, item.verdict.fields))
            refused.setdefault((item.run, item.measure, reasons), []).append(item.theirs.system)
    return [
        f"refused: {run} {measure} with {', '.join(systems)}: {reasons}"
        for (run, measure, reasons), systems in refused.items()
    ]


def as_data(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The same for JSON, unrounded."""
    return [
        {
            "run": item.run,
            "measure": item.measure,
            "system": item.theirs.system,
            "kind": item.theirs.kind,
            "url": item.theirs.url,
            "ours": item.ours.value,
            "theirs": item.theirs.value,
            "comparable": isinstance(item.verdict, Comparable),
            **(
                {**asdict(item.verdict), "same": item.verdict.same}
                if isinstance(item.verdict, Comparable)
                else {"differs": [asdict(field) for field in item.verdict.fields]}
            ),
        }
        for item in comparisons
    ]


def _row(item: Comparison, verdict: Comparable) -> tuple[str, ...]:
    """The cells of one comparison."""
    decimals = item.theirs.decimals
    return (
        item.run,
        item.measure,
        f"{item.ours.value:.{decimals}f}",
        f"{item.theirs.value:.{decimals}f}",
        f"{verdict.delta:+.{decimals + 1}f}",
        f"{verdict.half_unit:.{decimals + 1}f}",
        "within rounding" if verdict.same else "beyond rounding",
        f"{item.theirs.system} ({item.theirs.kind}, {item.theirs.terms.split or 'split not stated'})",
    )


def _spelled(terms: Terms) -> str:
    """A measure as it is asked for."""
    return f"{terms.measure}" if terms.cutoff is None else f"{terms.measure}@{terms.cutoff:g}"
