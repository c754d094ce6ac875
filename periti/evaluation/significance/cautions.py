"""Warnings in words: when a difference, or the lack of one, does not mean what it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from periti.evaluation.significance.design import Design
from periti.evaluation.significance.results import Caution, Comparison, Standing
from periti.evaluation.significance.runs import DEPTH, Evidence
from periti.evaluation.significance.scores import Scores

JUDGED_GAP = 0.1
"""A larger difference of judged@10 confounds a comparison (reference: Sakai; TREC practice)."""

SHARED = 0.8
"""A larger share of common documents makes two rankings near copies."""

FEW_TOPICS = 15
SHOWN = 3
"""Pairs named before the rest are counted."""


def of_pair(
    comparison: Comparison, topics: int, evidence: Evidence, standings: Sequence[Standing]
) -> tuple[Caution, ...]:
    """What a reader must know of one comparison."""
    a, b = comparison.a, comparison.b
    found = [*_of_scores(comparison, topics), *_of_documents(a, b, evidence)]
    lacking = [standing for standing in standings if standing.system in (a, b) and standing.absent]
    return (*found, *(Caution("missing", _lacks(standing), (a, b)) for standing in lacking))


def of_table(
    scores: Scores, comparisons: Sequence[Comparison], standings: Sequence[Standing], design: Design, evidence: Evidence
) -> tuple[Caution, ...]:
    """What a reader must know of a table: its own cautions, and those of its pairs gathered by kind."""
    found = [Caution("missing", _lacks(standing), (standing.system,)) for standing in standings if standing.absent]
    found += [*_of_topics(scores, evidence), *_of_design(design, len(comparisons))]
    # A pair that TOST calls equivalent has its evidence.
    unknown = [c for c in comparisons if not c.significant and not (c.equivalence and c.equivalence.equivalent)]
    weak = sum(0 < abs(c.difference) < c.detectable for c in unknown)
    if weak:
        found.append(
            Caution(
                "undetectable",
                f"{weak} of {len(comparisons)} differences are not significant and smaller than "
                f"{len(scores.query_ids)} topics can detect with 80 % power: no evidence of equality",
            )
        )
    for kind in ("confounded", "underpowered", "shared", "identical", "constant"):
        found += _gathered([c for comparison in comparisons for c in comparison.cautions if c.kind == kind])
    return (*found, *(Caution("note", note) for note in evidence.notes))


def _of_scores(comparison: Comparison, topics: int) -> Iterator[Caution]:
    """What the differences themselves say."""
    a, b, pair = comparison.a, comparison.b, (comparison.a, comparison.b)
    if comparison.ties == topics:
        yield Caution(
            "identical", f"{a} and {b} have equal scores on every topic: p = 1, and they stay in the family", pair
        )
    elif comparison.effect.d_z is None:
        yield Caution(
            "constant",
            f"{a} and {b} differ by the same {comparison.difference:.6g} on every topic: there is no variance, so the "
            "t-test, d_z and the intervals say nothing; read the randomisation test",
            pair,
        )
    elif comparison.significant and abs(comparison.difference) < comparison.detectable:
        yield Caution(
            "underpowered",
            f"{a} - {b} = {comparison.difference:.4f} is significant, yet {topics} topics find a difference below "
            f"{comparison.detectable:.4f} with less than 80 % power: its size is probably overestimated",
            pair,
        )


def _of_documents(a: str, b: str, evidence: Evidence) -> Iterator[Caution]:
    """What judgements and documents of the two runs say."""
    first, second = evidence.judged.get(a), evidence.judged.get(b)
    if first is not None and second is not None and abs(first - second) > JUDGED_GAP:
        less, least, most = (a, first, second) if first < second else (b, second, first)
        yield Caution(
            "confounded",
            f"judged@{DEPTH} is {first:.2f} for {a} and {second:.2f} for {b}: the difference is confounded with "
            f"missing judgements, {less} has {most - least:.2f} more unjudged documents counted as not relevant",
            (a, b),
        )
    share = evidence.shared.get((min(a, b), max(a, b)), 0.0)
    if share > SHARED:
        yield Caution(
            "shared",
            f"{a} and {b} share {100 * share:.0f} % of their first {DEPTH} documents: they are near copies, and their "
            "difference rests on the few others or on order",
            (a, b),
        )


def _of_topics(scores: Scores, evidence: Evidence) -> Iterator[Caution]:
    """What the topics and scores of a table say."""
    topics = len(scores.query_ids)
    if topics < FEW_TOPICS:
        yield Caution(
            "few-topics",
            f"{topics} topics are few: the t-test leans on normal differences, and only large effects show",
        )
    if np.ptp(scores.values) == 0:
        value = scores.values[0, 0]
        yield Caution("flat", f"every score of {scores.measure} is {value:g}: nothing can be told apart")
    if evidence.unanswered:
        zero = (
            "they count as 0 for every system" if scores.rules.get("missing", "")[:4] != "only" else "they are left out"
        )
        yield Caution("unanswered", f"{evidence.unanswered} judged queries are answered by no run; {zero}")


def _of_design(design: Design, comparisons: int) -> Iterator[Caution]:
    """What the plan itself makes a reader expect."""
    if design.simultaneous:
        more = ""
        if design.baseline is not None:
            more = "; with a baseline only they are conservative, since all pairs are paid for"
        elif design.family == "all":
            more = "; not across measures and collections, which are not corrected for"
        yield Caution(
            "simultaneous", f"p-values already hold for all pairs of a measure at once; correct them no further{more}"
        )
    elif design.correction == "none" and comparisons > 1:
        yield Caution(
            "uncorrected",
            f"{comparisons} comparisons are not corrected: if no system differed, about "
            f"{comparisons * design.alpha:.3g} would still come out significant",
        )


def _lacks(standing: Standing) -> str:
    """The sentence of a system without answers."""
    topics = "topic" if standing.absent == 1 else "topics"
    return f"{standing.system} has no answer to {standing.absent} {topics} of the others; see the rule for missing ones"


def _gathered(cautions: Sequence[Caution]) -> list[Caution]:
    """The first sentences of one kind, and how many pairs more it holds for."""
    if len(cautions) <= SHOWN:
        return list(cautions)
    kind, rest = cautions[0].kind, len(cautions) - SHOWN + 1
    more = Caution(kind, f"the same ({kind}) holds for {rest} more pairs; each is marked in the list of comparisons")
    return [*cautions[: SHOWN - 1], more]
