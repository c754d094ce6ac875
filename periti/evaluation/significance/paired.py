"""Two systems on the same topics, one column of differences a pair: the t-test and Wilcoxon's signed ranks.

Each function takes differences float64 (n, m), topics × pairs, and answers for all pairs at once. They test different
hypotheses: t that the mean is 0, Wilcoxon that the distribution is symmetric about 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from periti.evaluation.significance.distributions import SMALLEST, normal_cdf, t_two_sided
from periti.evaluation.significance.grid import Values

Zeros = Literal["wilcox", "pratt"]
Null = Literal["auto", "exact", "table", "normal"]
Mask = NDArray[np.bool_]

NOISE = 1e-12
"""Differences this small against the scores they come from are rounding, not effect."""

TABLE_TOPICS = 50
CONDITIONAL_TOPICS = 13
"""Up to so many non-zero differences `auto` uses an exact null distribution: without ties, and with them."""


@dataclass(frozen=True)
class TestResult:
    """Statistic and two-sided p-value of every pair, float64 (m,) each."""

    statistic: Values
    p: Values


def without_noise(differences: Values, scores: Values | float = 1.0) -> Values:
    """The differences with those of rounding size set to 0, float64 (n, m).

    Args:
        differences: float64 (n, m).
        scores: size of the scores they were taken from; for measures from 0 to 1 the default.
    """
    cleaned: Values = np.where(np.abs(differences) <= NOISE * scores, 0.0, differences)
    return cleaned


def constant(differences: Values) -> Mask:
    """Which pairs have the same difference on every topic, bool (m,); rounding aside."""
    largest = np.abs(differences).max(axis=0)
    same: Mask = np.ptp(differences, axis=0) <= NOISE * largest
    return same


def t_test(differences: Values) -> TestResult:
    """The paired t-test, n - 1 degrees of freedom.

    Without variance there is no t: identical runs have statistic 0 and p = 1, a constant difference other than 0 an
    infinite statistic and p = `SMALLEST`.
    """
    topics = len(differences)
    mean = differences.mean(axis=0)
    flat = constant(differences)
    error = differences.std(axis=0, ddof=1) / np.sqrt(topics)
    infinite = np.where(np.abs(differences).max(axis=0) > 0.0, np.copysign(np.inf, mean), 0.0)
    statistic = np.where(flat, infinite, np.divide(mean, error, out=np.zeros_like(mean), where=~flat))
    return TestResult(statistic, t_two_sided(statistic, topics - 1))


def wilcoxon(
    differences: Values, *, zeros: Zeros = "wilcox", null: Null = "auto", ties_within: float = 0.0
) -> TestResult:
    """Wilcoxon's signed-rank test; the statistic is the rank sum of the positive differences.

    Args:
        differences: float64 (n, m), zeros exact (see `without_noise`).
        zeros: "wilcox" drops zero differences before ranking, "pratt" ranks them and drops their ranks.
        null: "exact" is the distribution given the tied ranks; "table" the textbook's, which ignores ties and zeros;
            "normal" the approximation corrected for ties, without continuity correction; "auto" is SciPy's choice:
            exact without ties and zeros up to 50 differences, exact given the ties up to 13, else normal.
        ties_within: absolute differences whose gap is at most this share of the largest are tied; 0 ranks the
            float64 numbers as they are, as SciPy and R do.
    """
    ranks, fresh = _midranks(np.abs(differences), ties_within)
    nonzero = differences != 0.0
    dropped = (~nonzero).sum(axis=0)
    if zeros == "wilcox":
        ranks = ranks - dropped
    ranks = np.where(nonzero, ranks, 0.0)
    positive = np.where(differences > 0.0, ranks, 0.0).sum(axis=0)
    counts = nonzero.sum(axis=0)
    tied = fresh.sum(axis=0) < counts
    exact = _uses_exact(null, counts, tied=tied, dropped=dropped)
    p = np.ones(differences.shape[1])
    approximate = ~exact & (counts > 0)
    p[approximate] = _normal_p(ranks[:, approximate], positive[approximate])
    for column in np.flatnonzero(exact & (counts > 0)):
        own = ranks[nonzero[:, column], column]
        p[column] = _exact_p(own, positive[column], ignore_ties=null == "table")
    return TestResult(positive, np.clip(p, SMALLEST, 1.0))


def wins_ties_losses(differences: Values) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """On how many topics the first system is better, equal, worse, int64 (m,) each."""
    return (differences > 0).sum(axis=0), (differences == 0).sum(axis=0), (differences < 0).sum(axis=0)


def _uses_exact(null: Null, counts: NDArray[np.int64], *, tied: Mask, dropped: NDArray[np.int64]) -> Mask:
    """Which pairs get an exact null distribution, bool (m,)."""
    if null == "normal":
        return np.zeros(len(counts), dtype=np.bool_)
    if null in ("exact", "table"):
        return np.ones(len(counts), dtype=np.bool_)
    plain = ~tied & (dropped == 0) & (counts <= TABLE_TOPICS)
    chosen: Mask = plain | (counts + dropped <= CONDITIONAL_TOPICS)
    return chosen


def _midranks(sizes: Values, ties_within: float) -> tuple[Values, Mask]:
    """Ranks from 1, ties averaged, float64 (n, m), and where in ascending order a new size begins, bool (n, m)."""
    order = np.argsort(sizes, axis=0, kind="stable")
    ascending = np.take_along_axis(sizes, order, axis=0)
    gap = np.diff(ascending, axis=0, prepend=-1.0)
    fresh = gap > ties_within * ascending[-1]
    fresh[0] = True
    place = np.arange(len(sizes))[:, None]
    first = np.maximum.accumulate(np.where(fresh, place, 0), axis=0)
    closes = np.vstack([fresh[1:], np.ones((1, sizes.shape[1]), dtype=np.bool_)])
    last = np.minimum.accumulate(np.where(closes, place, len(sizes))[::-1], axis=0)[::-1]
    ranks = np.empty(sizes.shape)
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=0)
    return ranks, fresh & (ascending > 0.0)


def _normal_p(ranks: Values, positive: Values) -> Values:
    """Two-sided p by the normal approximation: the signs are fair coins, so mean and variance follow from the ranks."""
    # The variance given the ranks, sum r^2 / 4, is the textbook's with its corrections for ties and zeros.
    centre, spread = ranks.sum(axis=0) / 2.0, np.sqrt((ranks**2).sum(axis=0)) / 2.0
    p: Values = 2.0 * normal_cdf(-np.abs((positive - centre) / spread))
    return p


def _exact_p(ranks: Values, positive: float, *, ignore_ties: bool) -> float:
    """Two-sided p by counting all 2^n choices of signs of these ranks."""
    if ignore_ties:
        ranks, positive = np.arange(1.0, len(ranks) + 1.0), float(np.floor(min(positive, ranks.sum() - positive)))
    doubled = np.sort(np.rint(2.0 * ranks)).astype(np.int64)
    below = _cumulative(tuple(doubled.tolist()))
    low = min(round(2.0 * positive), int(doubled.sum()) - round(2.0 * positive))
    return min(1.0, 2.0 * float(below[low]))


@lru_cache(maxsize=256)
def _cumulative(doubled: tuple[int, ...]) -> Values:
    """P(sum of a random half of the doubled ranks <= s) for s = 0, 1, ..."""
    chance = np.zeros(sum(doubled) + 1)
    chance[0] = 1.0
    for rank in doubled:
        # Both choices of this sign; halving keeps the numbers probabilities, whatever n.
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance /= 2.0
    return np.cumsum(chance)
