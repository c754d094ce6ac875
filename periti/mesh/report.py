"""An assessment as a table, and as data."""

from __future__ import annotations

from typing import Any

from periti.mesh.cases import Cases
from periti.mesh.evaluate import Assessment

TESTED = "R@10"
"""The measure whose differences are tested; chosen before looking."""


def as_json(cases: Cases, assessment: Assessment) -> dict[str, Any]:
    """Means with their intervals, sizes, and every tested difference."""
    means = {
        measure: dict(zip(assessment.methods, map(vars, assessment.figures(measure)), strict=True))
        for measure in assessment.values
    }
    tested = [
        {"a": pair.a, "b": pair.b, "difference": pair.difference, "p": pair.p, "holm": pair.adjusted,
         "wins": pair.wins, "ties": pair.ties, "losses": pair.losses,
         "interval": [pair.intervals[-1].low, pair.intervals[-1].high]}
        for pair in _pairs(assessment)
    ]  # fmt: skip
    return {
        "cases": len(cases.cases),
        "topics": len(assessment.topics),
        "gold": sum(len(case.gold) for case in cases.cases),
        "left_out": dict(cases.left_out),
        "unreadable": dict(cases.unreadable),
        "depth": assessment.depth,
        "means": means,
        "suggested": dict(zip(assessment.methods, assessment.sizes, strict=True)),
        "tested": {"measure": TESTED, "pairs": tested},
    }


def text(cases: Cases, assessment: Assessment) -> str:
    """Markdown: what was counted, a table of means with 95 % intervals, and the tested differences."""
    gold = sum(len(case.gold) for case in cases.cases)
    measures = list(assessment.values)
    lines = [
        f"{len(cases.cases)} clauses of {len(assessment.topics)} topics, {gold} headings to find.",
        "Means over topics with 95 % bootstrap intervals (BCa, 10,000 samples of topics).",
        *(f"Left out: {count} {what}." for what, count in cases.left_out if count),
        *(f"Not read: {topic} ({why})." for topic, why in cases.unreadable),
        "",
        f"| method | {' | '.join(measures)} | suggested |",
        f"|---|{'---|' * (len(measures) + 1)}",
    ]
    figures = {measure: assessment.figures(measure) for measure in measures}
    for column, method in enumerate(assessment.methods):
        cells = [f"{f.mean:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in (figures[m][column] for m in measures)]
        lines.append(f"| {method} | {' | '.join(cells)} | {assessment.sizes[column]:.1f} |")
    pairs = _pairs(assessment)
    if pairs:
        lines += [
            "",
            f"Differences in {TESTED}, paired randomisation over topics (10,000 permutations), Holm over all pairs:",
            "",
            "| a | b | a - b | 95 % interval | wins / ties / losses | p (Holm) | |",
            "|---|---|---|---|---|---|---|",
        ]
    for pair in pairs:
        interval = pair.intervals[-1]
        lines.append(
            f"| {pair.a} | {pair.b} | {pair.difference:+.3f} | [{interval.low:+.3f}, {interval.high:+.3f}] | "
            f"{pair.wins} / {pair.ties} / {pair.losses} | {pair.adjusted:.4f} | {'*' if pair.significant else ''} |"
        )
    return "\n".join(lines)


def _pairs(assessment: Assessment) -> list[Any]:
    """Every pair of methods; none if there is one method, or one topic, of which no difference can be tested."""
    if len(assessment.methods) < 2 or len(assessment.topics) < 2:
        return []
    return list(assessment.study(TESTED).tables[0].comparisons)
