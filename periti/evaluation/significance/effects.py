"""How large, how sure, how many topics: standardised effects, power of the paired t-test, equivalence by TOST."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from periti.errors import InputError
from periti.evaluation.significance.distributions import SMALLEST, normal_quantile, t_power, t_upper
from periti.evaluation.significance.grid import Ints, Values
from periti.evaluation.significance.paired import constant

POWER = 0.8
"""The power that detectable differences and needed topics refer to."""

MOST_TOPICS = 1_000_000
"""A need beyond this is reported as this many."""


def d_z(differences: Values) -> Values:
    """Mean difference over its standard deviation, float64 (m,): 0 for identical systems, NaN without variance."""
    flat = constant(differences)
    spread = np.where(flat, 1.0, differences.std(axis=0, ddof=1))
    standardised = differences.mean(axis=0) / spread
    return np.where(flat, np.where(np.abs(differences).max(axis=0) > 0, np.nan, 0.0), standardised)


def hedges(topics: int) -> float:
    """Hedges' J = 1 - 3 / (4 (n - 1) - 1), which takes the small-sample bias off d_z, for two topics or more."""
    return 1.0 - 3.0 / (4.0 * (topics - 1) - 1.0)


@lru_cache(maxsize=256)
def detectable_d_z(topics: int, alpha: float, power: float = POWER) -> float:
    """The least d_z that a two-sided paired t-test on n topics finds with that power."""
    low, high = 0.0, 1.0
    while t_power(np.array(high), np.array(float(topics)), alpha) < power:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        weak = t_power(np.array(middle), np.array(float(topics)), alpha) < power
        low, high = (middle, high) if weak else (low, middle)
    return high


def topics_needed(effect: Values, alpha: float, power: float = POWER) -> Ints:
    """The fewest topics on which a two-sided paired t-test finds these d_z with that power, int64 (m,).

    0 where no number would do (d_z of 0 or undefined), `MOST_TOPICS` where more are needed than that.

    Args:
        effect: float64 (m,), d_z as observed; a small observed effect makes a very uncertain answer.
        alpha: level of the test.
        power: chance to find it.
    """
    size = np.abs(effect)
    defined = np.isfinite(size) & (size > 0)
    needed = np.zeros(len(size), dtype=np.int64)
    tails = normal_quantile(np.array([1.0 - alpha / 2.0, power]))
    with np.errstate(divide="ignore", over="ignore"):
        # Guenther's approximation is off by one at most; the noncentral t decides.
        guess = (tails.sum() / size[defined]) ** 2 + tails[0] ** 2 / 2.0
    start = np.minimum(np.ceil(guess), MOST_TOPICS)
    found = np.maximum(start + 3.0, 2.0)
    for step in range(2, -8, -1):
        candidate = np.maximum(start + step, 2.0)
        enough = t_power(size[defined], candidate, alpha) >= power
        found = np.where(enough, np.minimum(found, candidate), found)
    needed[defined] = np.minimum(np.where(start >= MOST_TOPICS, MOST_TOPICS, found), MOST_TOPICS)
    return needed


def equivalence_p(differences: Values, margin: float) -> Values:
    """P of "the mean difference is -margin or beyond, or margin or beyond", float64 (m,): TOST by two t-tests.

    Raises:
        InputError: a margin that is not positive.
    """
    if not margin > 0 or not np.isfinite(margin):
        raise InputError(f"the margin of equivalence is {margin}; declare a difference above 0 that would not matter")
    topics = len(differences)
    mean = differences.mean(axis=0)
    flat = constant(differences)
    error = np.where(flat, 1.0, differences.std(axis=0, ddof=1) / np.sqrt(topics))
    nearest = np.minimum(margin - mean, margin + mean)
    p = t_upper(nearest / error, topics - 1)
    return np.where(flat, np.where(nearest > 0, SMALLEST, 1.0), p)
