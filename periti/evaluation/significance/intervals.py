"""Intervals of mean differences: Student's t and the BCa bootstrap over topics.

Each holds for its own comparison; a family of them holds at once only if `level` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periti.evaluation.significance.distributions import normal_cdf, normal_quantile, t_quantile
from periti.evaluation.significance.grid import Ints, Values, whole

PAIRS = 64
"""Pairs bootstrapped at once, for memory."""


@dataclass(frozen=True)
class Interval:
    """From low to high at a level, e.g. .95, and how it was made: "t" or "bca"."""

    low: float
    high: float
    level: float
    method: str


def t_intervals(differences: Values, level: float) -> tuple[Values, Values]:
    """Student's t interval of every mean, float64 (m,) low and high; no width where all differences are equal."""
    topics = len(differences)
    mean = differences.mean(axis=0)
    half = t_quantile((1.0 + level) / 2.0, topics - 1) * differences.std(axis=0, ddof=1) / np.sqrt(topics)
    return mean - half, mean + half


def resamples(topics: int, count: int, seed: int) -> Ints:
    """Which topics each bootstrap sample holds, int64 (count, n)."""
    return np.random.default_rng(seed).integers(0, topics, (count, topics))


def bca_intervals(differences: Values, drawn: Ints, level: float) -> tuple[Values, Values]:
    """Bias-corrected and accelerated bootstrap interval of every mean, float64 (m,) low and high.

    Source: Efron, JASA 1987, with the jackknife's acceleration. The share of samples below the mean, which is the bias,
    counts equal ones half, as SciPy does. No width where all differences are equal.

    Args:
        differences: float64 (n, m), topics in canonical order.
        drawn: from `resamples`.
        level: e.g. .95.
    """
    topics, pairs = differences.shape
    units, unit = whole(differences)
    times = np.stack([np.bincount(sample, minlength=topics) for sample in drawn], axis=1).astype(np.float64)
    low, high = np.empty(pairs), np.empty(pairs)
    for start in range(0, pairs, PAIRS):
        part = slice(start, start + PAIRS)
        own = np.ascontiguousarray(units.T[part])
        sums = own @ times
        sums.sort(axis=1)
        first, last = _tails(sums, own, level)
        scale = unit[part] / topics
        low[part], high[part] = _quantiles(sums, first) * scale, _quantiles(sums, last) * scale
    return low, high


def _tails(sums: Values, units: Values, level: float) -> tuple[Values, Values]:
    """The shares of the sorted bootstrap sums (m, B) to cut off below and above, corrected for bias and acceleration.

    Args:
        sums: of every pair, ascending.
        units: the differences (m, n) they are sums of.
        level: e.g. .95.
    """
    observed, count = units.sum(axis=1)[:, None], sums.shape[1]
    # Never 0 or 1, which would put the bias at infinity.
    share = ((sums < observed).sum(axis=1) + (sums <= observed).sum(axis=1)) / (2.0 * count)
    bias = normal_quantile(np.clip(share, 0.5 / count, 1.0 - 0.5 / count))
    influence = units - units.mean(axis=1)[:, None]
    spread = (influence**2).sum(axis=1)
    third = (influence**3).sum(axis=1)
    # The jackknife of a mean moves by influence / (n - 1); the factor cancels.
    acceleration = np.divide(third, 6.0 * spread**1.5, out=np.zeros_like(third), where=spread > 0)
    edges = []
    for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        shifted = bias + float(normal_quantile(np.array(tail)))
        edges.append(normal_cdf(bias + shifted / (1.0 - acceleration * shifted)))
    return edges[0], edges[1]


def _quantiles(ascending: Values, share: Values) -> Values:
    """One quantile of every sorted row (m, B), linear between neighbours."""
    place = share * (ascending.shape[1] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, ascending.shape[1] - 1)
    rows = np.arange(len(ascending))
    lower, upper = ascending[rows, below], ascending[rows, above]
    quantile: Values = lower + (place - below) * (upper - lower)
    return quantile
