"""Scores of every run on every query, from whatever part of the pool is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.methods.active import weighted_ap
from periti.evaluation.adjudication.orders import Order, inclusion
from periti.evaluation.adjudication.pool import Pool
from periti.evaluation.measures import Measure
from periti.evaluation.own import DEFINITIONS
from periti.evaluation.ranking import Ints, Ranking, Values


@dataclass(frozen=True)
class Scorer:
    """One measure over one pool: all runs and queries in one pass of the measure's own definition.

    A run is seen through pooled documents at any rank; a document that is not judged is not relevant, a query that a
    run does not answer and a query without a relevant document count 0.

    Raises:
        InputError: the measure has no definition of periti's own, or needs more than judgements.
    """

    pool: Pool
    measure: Measure

    def __post_init__(self) -> None:
        known = self.measure.family in DEFINITIONS and self.measure.of_relevance
        if not known or self.measure.average != "mean":
            raise InputError(
                f"{self.measure.name} can not be followed through partial judgements here; take AP, nDCG, P, R or RR"
            )

    def scores(self, grades: Ints) -> Values:
        """float64 (q, k), queries × runs.

        Args:
            grades: int64 (N,), the grade of every pooled document, negative where it is not judged.
        """
        pool, keep = self.pool, grades[self.pool.doc] >= 0
        judged_query, judged_grade = self._judgements(grades)
        cells = len(pool.topics) * len(pool.systems)
        ranking = Ranking(
            query_ids=[""] * cells,
            query=self._cell[keep],
            rank=pool.rank[keep],
            grade=grades[pool.doc[keep]],
            retrieved=pool.retrieved.ravel(),
            judged_query=judged_query,
            judged_grade=judged_grade,
        )
        keywords = {key: value for key, value in self.measure.parameters.items() if key != "judged_only"}
        if self.measure.parameters.get("judged_only"):
            ranking = ranking.condensed()
        values = DEFINITIONS[self.measure.family](ranking, **keywords)
        return values.reshape(len(pool.systems), len(pool.topics)).T.copy()

    @cached_property
    def _cell(self) -> Ints:
        """int64 (h,): the number of run and query of every hit."""
        return self.pool.system * len(self.pool.topics) + self.pool.topic

    def _judgements(self, grades: Ints) -> tuple[Ints, Ints]:
        """Query and grade of every judgement, once for each run, as `Ranking` wants them."""
        known = np.flatnonzero(grades >= 0)
        topic, grade = self.pool.topic_of[known], grades[known]
        order = np.lexsort((-grade, topic))
        copies = np.arange(len(self.pool.systems))[:, None] * len(self.pool.topics)
        return (topic[order] + copies).ravel(), np.tile(grade[order], len(copies))


Sample = tuple[Ints, Ints, Values]
"""Ranks (k, m), grades (m,) and chances (m, m) of the relevant documents of a sample."""


def estimated_scores(scorer: Scorer, orders: Sequence[Order], lengths: Ints) -> Values:
    """Horvitz-Thompson estimates from active samples, float64 (q, k): each judged document stands for 1 / chance.

    AP as Li and Kanoulas; P, R and DCG are sums over documents, and the ideal DCG is that of the estimated numbers of
    documents at each grade.

    Raises:
        InputError: no estimate is known for the measure.
    """
    measure, pool = scorer.measure, scorer.pool
    estimate = _ESTIMATES.get(measure.family)
    if estimate is None or measure.parameters.get("judged_only") or measure.parameters.get("gains"):
        raise InputError(
            f"method active has no estimate of {measure.name}; leave the method out, or take AP, nDCG, P or R"
        )
    scores = np.zeros((len(pool.topics), len(pool.systems)))
    for number, (order, length) in enumerate(zip(orders, lengths.tolist(), strict=True)):
        begin = int(pool.offsets[number])
        judged = order.docs[:length]
        grades = pool.topics[number].grades[judged]
        wanted = judged[grades >= measure.rel]
        if len(wanted):
            sample = pool.full_ranks[:, wanted + begin], grades[grades >= measure.rel], inclusion(order, length, wanted)
            scores[number] = estimate(sample, measure)
    return scores


def _estimated_ap(sample: Sample, measure: Measure) -> Values:
    """See `weighted_ap`."""
    return weighted_ap(sample[0], sample[2], measure.cutoff)


def _estimated_precision(sample: Sample, measure: Measure) -> Values:
    """Estimated relevant documents within the cutoff, over the cutoff."""
    return _within(sample, measure) / (measure.cutoff or 1)


def _estimated_recall(sample: Sample, measure: Measure) -> Values:
    """Estimated relevant documents within the cutoff, over the estimate of all."""
    return _within(sample, measure) / float((1.0 / np.diagonal(sample[2])).sum())


def _estimated_ndcg(sample: Sample, measure: Measure) -> Values:
    """Estimated DCG over the ideal of the estimated numbers of documents at each grade."""
    ranks, grades, joint = sample
    gains = grades.astype(np.float64) if measure.parameters.get("dcg", "log2") == "log2" else 2.0**grades - 1.0
    weights = 1.0 / np.diagonal(joint)
    cutoff = measure.cutoff
    reached = ranks > 0 if cutoff is None else (ranks > 0) & (ranks <= cutoff)
    discount = np.divide(1.0, np.log2(1.0 + ranks), out=np.zeros(ranks.shape), where=reached)
    levels = np.unique(gains)[::-1]
    ends = np.cumsum([weights[gains == level].sum() for level in levels])
    places = np.arange(1, (cutoff or int(np.ceil(ends[-1]))) + 1)
    filled = np.clip(ends[:, None] - (places - 1.0), 0.0, 1.0)
    ideal = (np.diff(filled, axis=0, prepend=0.0) * levels[:, None] / np.log2(1.0 + places)).sum()
    scores: Values = discount @ (gains * weights) / ideal
    return scores


def _within(sample: Sample, measure: Measure) -> Values:
    """Estimated number of relevant documents within the cutoff, float64 (k,)."""
    ranks, _, joint = sample
    reached = (ranks > 0) & (ranks <= measure.cutoff) if measure.cutoff else ranks > 0
    count: Values = reached @ (1.0 / np.diagonal(joint))
    return count


_ESTIMATES: Mapping[str, Callable[[Sample, Measure], Values]] = MappingProxyType(
    {"AP": _estimated_ap, "P": _estimated_precision, "R": _estimated_recall, "nDCG": _estimated_ndcg}
)
