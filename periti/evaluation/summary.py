"""One run against judgements: the numbers, what they were computed over, and what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import polars as pl

from periti.errors import CollectionMismatch
from periti.evaluation.measures import Measure, bounds_of, values_of
from periti.evaluation.policy import Policy
from periti.evaluation.ranking import Ranking, judge
from periti.evaluation.sampled import Strata
from periti.types import Qrels, Run

TIE_DEPTH = 10
"""Ties are counted among the documents a reader sees first."""

DEEPEST = np.iinfo(np.int32).max - 1
"""Beyond every rank that a run can hold."""


@dataclass(frozen=True)
class Counts:
    """What an evaluation was computed over.

    Args:
        judged: queries with at least one judgement.
        answered: judged queries that the run has documents for.
        missing: judged queries that it has none for.
        unjudged: queries of the run that nobody judged; they count nowhere.
        without_relevant: judged queries without a document of grade 1 or above.
        retrieved: documents the run has for judged queries.
        tied_pairs: pairs of documents with equal scores in the run, the first of them within `TIE_DEPTH`; their
            order comes from the tie rule, not from the system.
    """

    judged: int
    answered: int
    missing: int
    unjudged: int
    without_relevant: int
    retrieved: int
    tied_pairs: int


@dataclass(frozen=True)
class Evaluation:
    """One run, measured.

    Args:
        run: the run's name.
        qrels: the judgements' name.
        measures: in the order asked.
        per_query: query_id, measure, value; null where the policy leaves the query out.
        values: measure name to its value over all queries, unrounded: the mean, or the sum for counts; None when no
            query is counted.
        denominators: measure name to the number of queries counted.
        counts: what it was computed over.
        policy: the rules.
        warnings: sentences that belong beside the numbers.
        relevant: measure name to the number of (query, document) pairs that its queries have at its lowest relevant
            grade.
        ties: whether any two documents of a query have equal scores.
        deepest: documents retrieved for the judged query that got most.
        highest: the highest grade of the judgements.
        negative: judgements with a negative grade, which count as not judged.
        bounds: measure name to its least and greatest value over all orders of tied documents; None unless the
            policy's order is "expected".
    """

    run: str
    qrels: str
    measures: tuple[Measure, ...]
    per_query: pl.DataFrame
    values: Mapping[str, float | None]
    denominators: Mapping[str, int]
    counts: Counts
    policy: Policy
    warnings: tuple[str, ...]
    relevant: Mapping[str, int] = field(default_factory=dict)
    ties: bool = True
    deepest: int = 0
    highest: int = 1
    negative: int = 0
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None

    @property
    def grading(self) -> Mapping[str, str]:
        """Name to sentence of what became of grades: where binary measures meet graded judgements, and negative ones.

        Empty where judgements are 0 and 1.
        """
        said = {}
        levels: dict[int, list[str]] = {}
        for measure in self.measures:
            if measure.binary:
                levels.setdefault(measure.rel, []).append(measure.name)
        if levels and self.highest > 1:
            found = "; ".join(f"grade {level} or above in {', '.join(names)}" for level, names in levels.items())
            said["relevant"] = f"{found}; judgements have grades up to {self.highest}"
        if self.negative:
            said["negative grades"] = f"{self.negative} judgements; their documents count as not judged"
        return said


def evaluate(  # noqa: PLR0913 - six parameters, four of them by name only
    run: Run,
    qrels: Qrels,
    measures: Sequence[Measure],
    *,
    policy: Policy | None = None,
    same_collection: bool = False,
    strata: Strata | None = None,
) -> Evaluation:
    """Measure a run.

    Args:
        run: the ranking to judge.
        qrels: the judgements.
        measures: from `periti.evaluation.measures.parse`.
        policy: rules other than trec_eval -c's.
        same_collection: the caller vouches that run and judgements speak of one collection; without it a run that
            shares no query, or no document, with the judgements is refused.
        strata: how the judgements were sampled; the policy has to say that they were.

    Raises:
        CollectionMismatch: run and judgements share no query, or no document at all.
        InputError: a measure does not fit the judgements.
    """
    policy = policy or Policy()
    ranking = judge(run, qrels, strata)
    if not same_collection:
        _require_overlap(run, qrels, ranking)
    per_query = values_of(ranking, (run, qrels), measures, policy)
    counts = _counts(run, ranking)
    values, denominators = _overall(per_query, measures, ranking)
    bounds = None
    if policy.order == "expected":
        least, greatest = (
            _overall(part, measures, ranking)[0] for part in bounds_of(ranking, (run, qrels), measures, policy)
        )
        bounds = MappingProxyType({name: (least[name], greatest[name]) for name in values})
    return Evaluation(
        run=run.name,
        qrels=qrels.name,
        measures=tuple(measures),
        per_query=per_query,
        values=values,
        denominators=denominators,
        counts=counts,
        policy=policy,
        warnings=_warnings(run, counts, policy),
        relevant=MappingProxyType({m.name: int(ranking.relevant(m.rel).sum()) for m in measures}),
        ties=tied_pairs(run, DEEPEST) > 0,
        deepest=int(ranking.retrieved.max()),
        highest=int(ranking.judged_grade.max(initial=0)),
        negative=int((ranking.judged_grade < 0).sum()),
        bounds=bounds,
    )


def tied_pairs(run: Run, depth: int) -> int:
    """Pairs of documents of one query with equal scores, the first of them among the top `depth`."""
    rank, score = run.frame["rank"].to_numpy(), run.frame["score"].to_numpy()
    # A run is in order, so that equal scores of a query follow each other and rank 1 begins a query.
    begins = np.flatnonzero((rank == 1) | (np.diff(score, prepend=score[:1]) != 0))
    size = np.diff(np.append(begins, len(rank)))
    seen = np.clip(depth + 1 - rank[begins], 0, size)
    # The i-th of the seen documents (from 1) is tied with size - i documents below it.
    return int((seen * size - seen * (seen + 1) // 2).sum())


def _overall(
    per_query: pl.DataFrame, measures: Sequence[Measure], ranking: Ranking
) -> tuple[Mapping[str, float | None], Mapping[str, int]]:
    """Value over all queries, and number of queries counted, of each measure."""
    parts = {str(name): part["value"] for (name,), part in per_query.group_by("measure", maintain_order=True)}
    values = {measure.name: _over_queries(parts[measure.name], measure, ranking) for measure in measures}
    denominators = {name: part.len() - part.null_count() for name, part in parts.items()}
    return MappingProxyType(values), MappingProxyType(denominators)


def _over_queries(values: pl.Series, measure: Measure, ranking: Ranking) -> float | None:
    """One number for all queries that count; None if none does."""
    counted = values.drop_nulls()
    if not counted.len():
        return None
    if measure.average == "geometric":
        return float(np.exp(np.log(counted.to_numpy()).mean()))
    if measure.average == "micro":
        # Of all documents shown, not of those of a mean query.
        shown = np.minimum(ranking.retrieved, measure.cutoff or np.iinfo(np.int64).max)[values.is_not_null().to_numpy()]
        return float((counted.to_numpy() * shown).sum() / shown.sum()) if shown.sum() else 0.0
    total = float(counted.sum())
    return total if measure.summed else total / counted.len()


def _counts(run: Run, ranking: Ranking) -> Counts:
    """What the run has for the judged queries."""
    answered = int(ranking.answered.sum())
    judged = len(ranking.query_ids)
    return Counts(
        judged=judged,
        answered=answered,
        missing=judged - answered,
        unjudged=run.frame["query_id"].n_unique() - answered,
        without_relevant=int((ranking.relevant(1) == 0).sum()),
        retrieved=int(ranking.retrieved.sum()),
        tied_pairs=tied_pairs(run, TIE_DEPTH),
    )


def _require_overlap(run: Run, qrels: Qrels, ranking: Ranking) -> None:
    """Refuse a run that shares no query, or no document, with the judgements; an empty run is merely bad."""
    if not run.frame.height:
        return
    if not ranking.answered.any():
        raise CollectionMismatch(
            f"run {run.name!r} and judgements {qrels.name!r} share no query: the run has e.g. "
            f"{run.frame['query_id'][0]!r}, the judgements {ranking.query_ids[0]!r}; give those of one collection"
        )
    if not len(ranking.rank) and not run.frame.join(qrels.frame, on="doc_id", how="semi").height:
        raise CollectionMismatch(
            f"run {run.name!r} and judgements {qrels.name!r} share no document: the run has e.g. "
            f"{run.frame['doc_id'][0]!r}, the judgements {qrels.frame['doc_id'][0]!r}; give those of one collection, "
            "or say that it is the same one"
        )


def _warnings(run: Run, counts: Counts, policy: Policy) -> tuple[str, ...]:
    """What a reader must know before trusting the numbers."""
    found = []
    if counts.missing:
        what = "count as 0" if policy.missing == "zero" else "are left out"
        found.append(
            f"run {run.name!r} has no documents for {counts.missing} of {counts.judged} judged queries; they {what}"
        )
    if counts.unjudged:
        found.append(
            f"{counts.unjudged} of {counts.unjudged + counts.answered} queries of run {run.name!r} are not judged; "
            "they count nowhere"
        )
    if counts.without_relevant:
        what = "count as 0" if policy.no_relevant == "zero" else "are left out of measures of relevance"
        found.append(
            f"{counts.without_relevant} of {counts.judged} judged queries have no relevant document; they {what}"
        )
    return tuple(found)
