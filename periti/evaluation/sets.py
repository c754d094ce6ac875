"""Exact definitions of measures that look at what was retrieved as a set, and of other single numbers of trec_eval.

The conventions are those of `periti.evaluation.exact`: a `Ranking` in, float64 (q,) out, 0 where a divisor is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.evaluation.exact import average_precision, bpref, interpolated_precision
from periti.evaluation.ranking import Ints, Ranking, Values

GEOMETRIC_FLOOR = 1e-5
"""trec_eval's least value of a query before a geometric mean."""


def set_precision(ranking: Ranking, *, rel: int = 1, relative: bool = False) -> Values:
    """Relevant documents retrieved, divided by the retrieved (trec_eval set_P).

    Args:
        ranking: the judged run.
        rel: the lowest relevant grade.
        relative: divide by R instead where R is less, so that 1 can be reached (trec_eval set_relative_P).
    """
    retrieved = ranking.retrieved
    if relative:
        retrieved = np.minimum(retrieved, ranking.relevant(rel))
    return _ratio(_found(ranking, rel), retrieved)


def set_recall(ranking: Ranking, *, rel: int = 1) -> Values:
    """Relevant documents retrieved, divided by R (trec_eval set_recall)."""
    return _ratio(_found(ranking, rel), ranking.relevant(rel))


def set_f(ranking: Ranking, *, rel: int = 1, beta: float = 1.0) -> Values:
    """(1 + beta^2) P R / (beta^2 P + R) of the retrieved set, where recall counts beta times as much as precision.

    trec_eval's set_F takes beta^2 as its parameter; both agree at 1.
    """
    precision, recall = set_precision(ranking, rel=rel), set_recall(ranking, rel=rel)
    weight = float(beta) * float(beta)
    return _ratio((1.0 + weight) * precision * recall, weight * precision + recall)


def set_ap(ranking: Ranking, *, rel: int = 1) -> Values:
    """Precision times recall of the retrieved set (trec_eval set_map)."""
    return set_precision(ranking, rel=rel) * set_recall(ranking, rel=rel)


def relative_precision(ranking: Ranking, *, cutoff: int, rel: int = 1) -> Values:
    """Relevant documents among the first k, divided by k or by R where that is less (trec_eval relative_P)."""
    found = ranking.count((ranking.grade >= rel) & ranking.within(cutoff))
    return _ratio(found, np.minimum(ranking.relevant(rel), cutoff))


def r_precision_multiple(ranking: Ranking, *, multiple: float, rel: int = 1) -> Values:
    """Precision after floor(multiple * R + .9) documents (trec_eval Rprec_mult)."""
    cutoff = np.floor(multiple * ranking.relevant(rel) + 0.9).astype(np.int64)
    return _ratio(ranking.count((ranking.grade >= rel) & (ranking.rank <= cutoff[ranking.query])), cutoff)


def mean_interpolated_precision(ranking: Ranking, *, rel: int = 1) -> Values:
    """Interpolated precision averaged over recall 0, .1, ..., 1 (trec_eval 11pt_avg)."""
    points = [interpolated_precision(ranking, recall=tenth / 10, rel=rel) for tenth in range(11)]
    mean: Values = np.stack(points).mean(axis=0)
    return mean


def utility(ranking: Ranking, *, found: float = 1.0, wrong: float = -1.0, missed: float = 0.0, rel: int = 1) -> Values:
    """Sum of found * relevant retrieved, wrong * others retrieved, missed * relevant missed (trec_eval utility)."""
    right = _found(ranking, rel)
    others, lost = ranking.retrieved - right, ranking.relevant(rel) - right
    total: Values = found * right + wrong * others + missed * lost
    return total


def nonrelevant_retrieved(ranking: Ranking, *, rel: int = 1) -> Values:
    """Documents retrieved that are judged below `rel` (trec_eval num_nonrel_judged_ret)."""
    return ranking.count((ranking.grade >= 0) & (ranking.grade < rel)).astype(np.float64)


def floored_average_precision(ranking: Ranking, *, cutoff: int | None = None, rel: int = 1) -> Values:
    """AP, at least 1e-5: what the geometric mean is taken of (trec_eval gm_map)."""
    return np.maximum(average_precision(ranking, cutoff=cutoff, rel=rel), GEOMETRIC_FLOOR)


def floored_bpref(ranking: Ranking, *, rel: int = 1) -> Values:
    """Bpref, at least 1e-5: what the geometric mean is taken of (trec_eval gm_bpref)."""
    return np.maximum(bpref(ranking, rel=rel), GEOMETRIC_FLOOR)


DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        "SetP": set_precision,
        "SetR": set_recall,
        "SetF": set_f,
        "SetAP": set_ap,
        "RelP": relative_precision,
        "RprecMult": r_precision_multiple,
        "IPrec11": mean_interpolated_precision,
        "Utility": utility,
        "NumNonrelRet": nonrelevant_retrieved,
        "GMAP": floored_average_precision,
        "GMBpref": floored_bpref,
    }
)
"""Measure families by name."""


def _found(ranking: Ranking, rel: int) -> Ints:
    """int64 (q,): relevant documents retrieved."""
    return ranking.count(ranking.grade >= rel)


def _ratio(above: Values | Ints, below: Values | Ints) -> Values:
    """Quotient above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros(len(above)), where=np.asarray(below) != 0)
