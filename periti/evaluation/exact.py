"""Exact definitions of measures, vectorised over queries; no engine, no tie rule, no rounding.

Each function takes a `Ranking` and returns float64 (q,), one value per judged query; 0 where the measure divides by
the number of relevant documents and there are none (`Policy.no_relevant` decides whether that 0 counts). Keyword
names and defaults are those of ir-measures, so that a parsed measure calls its definition directly. Notation: R is
the number of documents judged `rel` or above, N the number judged below it, k the cutoff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import InputError
from periti.evaluation.ranking import Ints, Ranking, Values, running_count

GDEVAL_MAX_GRADE = 4
"""The highest grade gdeval's ERR knows; it divides by 2 to this power."""

INFAP_EPSILON = 1e-5
"""trec_eval's smoothing of infAP."""


def precision(ranking: Ranking, *, cutoff: int, rel: int = 1) -> Values:
    """Relevant documents among the first k, divided by k even if fewer were retrieved (trec_eval P)."""
    return ranking.count((ranking.grade >= rel) & ranking.within(cutoff)) / cutoff


def recall(ranking: Ranking, *, cutoff: int, rel: int = 1) -> Values:
    """Relevant documents among the first k, divided by R (trec_eval recall)."""
    return _ratio(ranking.count((ranking.grade >= rel) & ranking.within(cutoff)), ranking.relevant(rel))


def success(ranking: Ranking, *, cutoff: int, rel: int = 1) -> Values:
    """1 if a relevant document is among the first k, else 0 (trec_eval success)."""
    return (ranking.count((ranking.grade >= rel) & ranking.within(cutoff)) > 0).astype(np.float64)


def r_precision(ranking: Ranking, *, rel: int = 1) -> Values:
    """Relevant documents among the first R, divided by R (trec_eval Rprec)."""
    wanted = ranking.relevant(rel)
    return _ratio(ranking.count((ranking.grade >= rel) & (ranking.rank <= wanted[ranking.query])), wanted)


def average_precision(ranking: Ranking, *, cutoff: int | None = None, rel: int = 1) -> Values:
    """Precision at each relevant document of the first k, summed and divided by R (trec_eval map, map_cut)."""
    found = ranking.grade >= rel
    counted = found & ranking.within(cutoff)
    precisions = np.where(counted, running_count(ranking.query, found) / ranking.rank, 0.0)
    return _ratio(ranking.total(precisions), ranking.relevant(rel))


def reciprocal_rank(ranking: Ranking, *, cutoff: int | None = None, rel: int = 1) -> Values:
    """1 / rank of the first relevant document, 0 if none is among the first k (trec_eval recip_rank)."""
    found = ranking.grade >= rel
    first = found & (running_count(ranking.query, found) == 1) & ranking.within(cutoff)
    return ranking.total(np.where(first, 1.0 / ranking.rank, 0.0))


def ndcg(
    ranking: Ranking, *, cutoff: int | None = None, dcg: str = "log2", gains: Mapping[int, int] | None = None
) -> Values:
    """Discounted gain of the first k, divided by that of the best order of all judged documents.

    Args:
        ranking: the judged run.
        cutoff: k.
        dcg: "log2" takes the grade as the gain (trec_eval ndcg, ndcg_cut), "exp-log2" 2^grade - 1 (gdeval);
            the discount is log2(1 + rank).
        gains: grades to replace before; others stay. A negative gain counts as 0.
    """
    found = ranking.total(_discounted(gains_of(ranking.grade, dcg, gains), ranking.rank, cutoff))
    return _ratio(found, ideal_dcg(ranking, cutoff, dcg, gains))


def ideal_dcg(
    ranking: Ranking, cutoff: int | None = None, dcg: str = "log2", gains: Mapping[int, int] | None = None
) -> Values:
    """The discounted gain of the best order of all judged documents, what `ndcg` divides by."""
    everything = np.ones(len(ranking.judged_query), dtype=np.bool_)
    amounts = gains_of(ranking.judged_grade, dcg, gains)
    if gains:
        # Another order of gains is another ideal order.
        amounts = amounts[np.lexsort((-amounts, ranking.judged_query))]
    place = running_count(ranking.judged_query, everything)
    amounts = _discounted(amounts, place, cutoff)
    return np.bincount(ranking.judged_query, weights=amounts, minlength=len(ranking.query_ids)).astype(np.float64)


def interpolated_precision(ranking: Ranking, *, recall: float, rel: int = 1) -> Values:
    """Highest precision at or after the rank where that share of R is found, 0 if it never is (trec_eval 10).

    The share of R is rounded to the nearest number of documents, as trec_eval does since version 10; version 9, and
    with it pytrec_eval, rounds up from .1 on and gives other values.
    """
    found = ranking.grade >= rel
    count = running_count(ranking.query, found)
    needed = np.floor(recall * ranking.relevant(rel) + 0.5)
    values = np.zeros(len(ranking.query_ids))
    reached = found & (count >= needed[ranking.query])
    np.maximum.at(values, ranking.query[reached], (count / ranking.rank)[reached])
    return values


def bpref(ranking: Ranking, *, rel: int = 1) -> Values:
    """Share of judged non-relevant documents below each relevant one, averaged over R (trec_eval bpref).

    A relevant document with n judged non-relevant ones above adds 1 - min(n, R) / min(N, R), and 1 if n is 0, so it
    is defined when nothing was judged non-relevant.
    """
    found = ranking.grade >= rel
    rejected = (ranking.grade >= 0) & ~found
    wanted, unwanted = ranking.relevant(rel), ranking.relevant(0) - ranking.relevant(rel)
    above = np.minimum(running_count(ranking.query, rejected), wanted[ranking.query])
    loss = _ratio(above, np.minimum(unwanted, wanted)[ranking.query])
    return _ratio(ranking.total(np.where(found, 1.0 - loss, 0.0)), wanted)


def inferred_ap(ranking: Ranking, *, rel: int = 1) -> Values:
    """AP where pooled but unjudged documents (negative grade) are relevant as often as judged ones (trec_eval infAP).

    Source: Yilmaz and Aslam, CIKM 2006. A relevant document at rank k adds
    1/k + pooled_above / k * (relevant_above + e) / (judged_above + 2e).
    """
    found = ranking.grade >= rel
    judged_above = running_count(ranking.query, ranking.grade >= 0) - 1
    pooled_above = running_count(ranking.query, np.ones(len(found), dtype=np.bool_)) - 1
    relevant_above = running_count(ranking.query, found) - 1
    share = (relevant_above + INFAP_EPSILON) / (judged_above + 2 * INFAP_EPSILON)
    expected = 1.0 / ranking.rank + pooled_above / ranking.rank * share
    return _ratio(ranking.total(np.where(found, expected, 0.0)), ranking.relevant(rel))


def judged_share(ranking: Ranking, *, cutoff: int | None = None) -> Values:
    """Judged documents among the first k, divided by k or by the number retrieved if that is less; macro per query.

    A document that is pooled but not judged (negative grade) is not counted as judged.
    """
    shown = ranking.retrieved if cutoff is None else np.minimum(ranking.retrieved, cutoff)
    return _ratio(ranking.count((ranking.grade >= 0) & ranking.within(cutoff)), shown)


def rank_biased_precision(
    ranking: Ranking, *, p: float = 0.8, rel: int | None = None, cutoff: int | None = None
) -> Values:
    """(1 - p) * sum of p^(rank - 1) * gain over the first k: the base of rank-biased precision.

    Source: Moffat and Zobel, TOIS 2008. The gain is 1 from grade `rel` on; without `rel` it is the grade divided by
    the highest grade in the judgements.
    """
    weight = np.where(ranking.within(cutoff), (1.0 - p) * np.power(p, ranking.rank - 1.0), 0.0)
    return ranking.total(weight * rbp_gains(ranking, rel))


def rbp_gains(ranking: Ranking, rel: int | None) -> Values:
    """float64 (h,): the gain of each hit in rank-biased precision."""
    if rel is not None:
        return (ranking.grade >= rel).astype(np.float64)
    highest = max(1, int(ranking.judged_grade.max(initial=0)))
    return np.maximum(ranking.grade, 0) / highest


def rbp_residual(ranking: Ranking, *, p: float = 0.8, cutoff: int | None = None) -> Values:
    """How much rank-biased precision could grow if everything unjudged, and all below the list, were relevant.

    Source: Moffat and Zobel, TOIS 2008: 1 minus the weight of the judged documents among the first k. 1 for a
    query without results.
    """
    known = (ranking.grade >= 0) & ranking.within(cutoff)
    return 1.0 - ranking.total(np.where(known, (1.0 - p) * np.power(p, ranking.rank - 1.0), 0.0))


def expected_reciprocal_rank(ranking: Ranking, *, cutoff: int | None = None) -> Values:
    """Expected 1 / rank at which a reader stops, who stops at grade g with probability (2^g - 1) / 16 (gdeval ERR).

    Source: Chapelle et al., CIKM 2009, with gdeval's highest grade of 4.

    Raises:
        InputError: a grade above 4, for which the probability would not be one.
    """
    highest = int(ranking.judged_grade.max(initial=0))
    if highest > GDEVAL_MAX_GRADE:
        raise InputError(
            f"ERR: the judgements have grade {highest}, gdeval knows 0 to {GDEVAL_MAX_GRADE}; map the grades"
        )
    shown = ranking.within(cutoff)
    stop = np.where(shown, (np.exp2(np.maximum(ranking.grade, 0)) - 1.0) / 2.0**GDEVAL_MAX_GRADE, 0.0)
    arrive = np.ones(len(stop))
    for start, end in _slices(ranking):
        arrive[start + 1 : end] = np.cumprod(1.0 - stop[start : end - 1])
    return ranking.total(arrive * stop / ranking.rank)


def retrieved_count(ranking: Ranking, *, rel: int | None = None) -> Values:
    """Documents retrieved, or those of them at grade `rel` or above (trec_eval num_ret, num_rel_ret)."""
    counted = ranking.retrieved if rel is None else ranking.count(ranking.grade >= rel)
    return counted.astype(np.float64)


def relevant_count(ranking: Ranking, *, rel: int = 1) -> Values:
    """R, whatever was retrieved (trec_eval num_rel)."""
    return ranking.relevant(rel).astype(np.float64)


def query_count(ranking: Ranking) -> Values:
    """1 for every judged query (trec_eval -c num_q)."""
    return np.ones(len(ranking.query_ids))


DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        "P": precision,
        "R": recall,
        "Success": success,
        "Rprec": r_precision,
        "AP": average_precision,
        "RR": reciprocal_rank,
        "nDCG": ndcg,
        "IPrec": interpolated_precision,
        "Bpref": bpref,
        "infAP": inferred_ap,
        "judged": judged_share,
        "RBP": rank_biased_precision,
        "RBP_residual": rbp_residual,
        "ERR": expected_reciprocal_rank,
        "NumRet": retrieved_count,
        "NumRel": relevant_count,
        "NumQ": query_count,
    }
)
"""Measure families by name. A family that is absent here is computed by an engine of ir-measures."""


def _ratio(above: Values | Ints, below: Values | Ints) -> Values:
    """Quotient above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros(len(above)), where=np.asarray(below) != 0)


def gains_of(grades: Ints, dcg: str, replaced: Mapping[int, int] | None) -> Values:
    """float64, the gain of each grade: the grade or its replacement, at least 0, and 2^that - 1 for "exp-log2"."""
    gain = grades.astype(np.float64)
    for grade, value in (replaced or {}).items():
        gain[grades == grade] = value
    gain = np.maximum(gain, 0.0)
    return np.exp2(gain) - 1.0 if dcg == "exp-log2" else gain


def _discounted(gain: Values, rank: Ints, cutoff: int | None) -> Values:
    """Gain / log2(1 + rank) of each row, 0 beyond the cutoff."""
    amounts = gain / np.log2(rank + 1.0)
    return amounts if cutoff is None else np.where(rank <= cutoff, amounts, 0.0)


def _slices(ranking: Ranking) -> list[tuple[int, int]]:
    """Start and end of each query's hits, queries without hits left out."""
    starts = np.unique(ranking.query, return_index=True)[1].tolist()
    return list(zip(starts, [*starts[1:], len(ranking.query)], strict=True)) if starts else []
