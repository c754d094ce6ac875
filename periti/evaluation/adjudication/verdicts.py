"""Which pairs of runs differ significantly: decisions only, fast enough to repeat thousands of times.

The decisions are those of `significance.paired.t_test` with Holm's or Benjamini-Hochberg's correction and of
`significance.blocks.hsd` over all pairs of runs. Critical values are reckoned once, and no p-value at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.evaluation.ranking import Mask, Values
from periti.evaluation.significance.distributions import studentized_range_critical, t_quantile
from periti.registry import nearest

NOISE = 1e-12
"""Differences of means and variances this small, relative to the scores, are rounding."""
Signs = NDArray[np.int8]


@dataclass(frozen=True)
class Verdict:
    """All pairs a < b of k runs, in the order of `numpy.triu_indices(k, 1)`.

    Args:
        direction: int8 (m,), 1 if the first run has the larger mean, -1 if the second, 0 if they are equal.
        significant: bool (m,).
    """

    direction: Signs
    significant: Mask


def verdict(scores: Values, test: str, alpha: float = 0.05) -> Verdict:
    """Direction and significance of every pair.

    Args:
        scores: float64 (n, k), topics × runs, two or more of each.
        test: a name of `TESTS`.
        alpha: the level, of the family of all pairs.

    Raises:
        InputError: another test, or fewer than two topics or runs.
    """
    if test not in TESTS:
        raise InputError(f"no test of pairs named {test!r}; {nearest(test, TESTS)}")
    topics, systems = scores.shape
    if topics < 2 or systems < 2:
        raise InputError(f"{topics} queries and {systems} runs; significance needs two or more of each")
    mean = scores.mean(axis=0)
    first, second = pairs(systems)
    difference = mean[first] - mean[second]
    size = np.abs(difference) > NOISE * max(1e-300, float(np.abs(mean).max()))
    direction = np.where(size, np.sign(difference), 0.0).astype(np.int8)
    return Verdict(direction, TESTS[test](scores, np.where(size, difference, 0.0), alpha))


@lru_cache(maxsize=8)
def pairs(systems: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and second run of every pair."""
    first, second = np.triu_indices(systems, 1)
    return first, second


def _t_sizes(scores: Values, difference: Values) -> Values:
    """|t| of every pair, float64 (m,); infinite where a difference other than 0 is constant."""
    topics, systems = scores.shape
    centred = scores - scores.mean(axis=0)
    products = centred.T @ centred
    own = np.diagonal(products)
    first, second = pairs(systems)
    squares = own[first] + own[second] - 2.0 * products[first, second]
    varies = squares > NOISE * (own[first] + own[second])
    error = np.sqrt(np.where(varies, squares, 1.0) / (topics * (topics - 1.0)))
    size = np.abs(difference) / error
    return np.where(varies, size, np.where(difference != 0.0, np.inf, 0.0))


def _t_holm(scores: Values, difference: Values, alpha: float) -> Mask:
    """Holm: the largest |t| against alpha / m, the next against alpha / (m - 1), until one fails."""
    size = _t_sizes(scores, difference)
    order = np.argsort(-size, kind="stable")
    passes = size[order] >= _step_down(len(size), len(scores) - 1, alpha)
    significant = np.zeros(len(size), dtype=np.bool_)
    significant[order[np.logical_and.accumulate(passes)]] = True
    return significant


def _t_bh(scores: Values, difference: Values, alpha: float) -> Mask:
    """Benjamini-Hochberg: all up to the last of the i largest |t| that passes alpha i / m."""
    size = _t_sizes(scores, difference)
    order = np.argsort(-size, kind="stable")
    passing = np.flatnonzero(size[order] >= _step_up(len(size), len(scores) - 1, alpha))
    significant = np.zeros(len(size), dtype=np.bool_)
    significant[order[: passing[-1] + 1 if len(passing) else 0]] = True
    return significant


def _hsd(scores: Values, difference: Values, alpha: float) -> Mask:
    """Tukey's HSD for randomised blocks: one critical difference for all pairs."""
    topics, systems = scores.shape
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1)[:, None] + scores.mean()
    error = (topics - 1) * (systems - 1)
    squares = np.where(np.abs(residual) <= NOISE * np.abs(scores).max(), 0.0, residual) ** 2
    critical = studentized_range_critical(alpha, systems, float(error)) * np.sqrt(squares.sum() / error / topics)
    significant: Mask = (np.abs(difference) >= critical) & (difference != 0.0)
    return significant


@lru_cache(maxsize=32)
def _step_down(count: int, df: int, alpha: float) -> Values:
    """Critical |t| of each step of Holm, float64 (m,)."""
    return np.array([t_quantile(1.0 - alpha / (count - step) / 2.0, df) for step in range(count)])


@lru_cache(maxsize=32)
def _step_up(count: int, df: int, alpha: float) -> Values:
    """Critical |t| of each step of Benjamini and Hochberg, float64 (m,)."""
    return np.array([t_quantile(1.0 - alpha * (step + 1) / count / 2.0, df) for step in range(count)])


TESTS: Mapping[str, Callable[[Values, Values, float], Mask]] = MappingProxyType(
    {"t+holm": _t_holm, "t+bh": _t_bh, "hsd": _hsd}
)
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "t+holm": "paired t, two-sided, Holm over all pairs",
        "t+bh": "paired t, two-sided, Benjamini-Hochberg over all pairs",
        "hsd": "Tukey's HSD for randomised blocks",
    }
)
