"""Intervals for a share of successes: Wilson's, and Clopper and Pearson's exact one."""

from __future__ import annotations

import math
from collections.abc import Callable

from periti.errors import InputError

_Z = 1.959963984540054
"""The normal quantile of 97.5 %."""
_HALVINGS = 60


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval, 95 % (Wilson 1927).

    Raises:
        InputError: no trial, or more successes than trials.
    """
    _check(successes, trials)
    share, square = successes / trials, _Z * _Z / trials
    centre = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    # Rounding would leave a hair above 0 and below 1 where the bounds are these.
    return (max(0.0, centre - half) if successes else 0.0), (min(1.0, centre + half) if successes < trials else 1.0)


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """The exact interval, 95 % at least (Clopper and Pearson 1934).

    Raises:
        InputError: no trial, or more successes than trials.
    """
    _check(successes, trials)
    low = 0.0 if successes == 0 else _root(lambda p: 1 - _cumulative(successes - 1, trials, p) - 0.025)
    high = 1.0 if successes == trials else _root(lambda p: 0.025 - _cumulative(successes, trials, p))
    return low, high


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise InputError(f"{successes} successes of {trials} trials have no interval; give one trial at least")


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0..1 is 0."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _cumulative(successes: int, trials: int, p: float) -> float:
    """The chance of so many successes or fewer."""
    if p <= 0 or p >= 1:
        return float(p <= 0 or successes >= trials)
    log_p, log_q = math.log(p), math.log1p(-p)
    logs = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q
        for k in range(successes + 1)
    )
    return math.fsum(math.exp(one) for one in logs)
