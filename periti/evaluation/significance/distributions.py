"""The probability distributions that tests need: the only import of SciPy, inside functions so that importing is quick.

A p-value is never 0 here: one that float64 can not hold is `SMALLEST`, one below what the integration of the
studentised range resolves is `RANGE_ACCURACY`.
"""

# SciPy publishes no types; every result is stated at this border.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from functools import lru_cache

import numpy as np

from periti.evaluation.significance.grid import Values

SMALLEST = float(np.finfo(np.float64).tiny)
"""The p-value that stands for all smaller ones, 2.2e-308."""

RANGE_ACCURACY = 1e-12
"""Upper tails of the studentised range are not resolved below this."""


def t_two_sided(statistic: Values, df: int) -> Values:
    """P(|T| >= |statistic|) of Student's t, float64 as given; 1 at 0, `SMALLEST` at infinity."""
    from scipy.special import stdtr

    p: Values = np.clip(2.0 * stdtr(df, -np.abs(statistic)), SMALLEST, 1.0)
    return p


def t_upper(statistic: Values, df: int) -> Values:
    """P(T >= statistic) of Student's t."""
    from scipy.special import stdtr

    p: Values = np.clip(stdtr(df, -np.asarray(statistic)), SMALLEST, 1.0)
    return p


def t_quantile(probability: float, df: int) -> float:
    """The value below which Student's t falls with that probability."""
    from scipy.special import stdtrit

    return float(stdtrit(df, probability))


def t_power(shift: Values, topics: Values, alpha: float) -> Values:
    """Power of the two-sided one-sample t-test at standardised shifts; both tails count.

    Args:
        shift: float64, mean over standard deviation, 0 or more.
        topics: float64, 2 or more, broadcast against shift.
        alpha: level of the test.
    """
    from scipy.special import nctdtr, stdtrit

    df = topics - 1.0
    critical = stdtrit(df, 1.0 - alpha / 2.0)
    away = shift * np.sqrt(topics)
    # The far tail is nothing beside the near one and nctdtr is inaccurate there, so reflect it.
    far = 1.0 - nctdtr(df, -away, critical)
    power: Values = 1.0 - nctdtr(df, away, critical) + np.where(away > 4.0, 0.0, far)
    return power


def normal_cdf(value: Values) -> Values:
    """P(Z <= value) of the standard normal."""
    from scipy.special import ndtr

    p: Values = ndtr(value)
    return p


def normal_quantile(probability: Values) -> Values:
    """The value below which the standard normal falls with that probability."""
    from scipy.special import ndtri

    value: Values = ndtri(probability)
    return value


def chi_square_upper(statistic: float, df: int) -> float:
    """P(X >= statistic) of chi-square."""
    from scipy.special import chdtrc

    return max(float(chdtrc(df, statistic)), SMALLEST)


def f_upper(statistic: float, df: tuple[int, int]) -> float:
    """P(F >= statistic) of Fisher's F with two degrees of freedom."""
    from scipy.special import fdtrc

    return max(float(fdtrc(*df, statistic)), SMALLEST)


def studentized_range_upper(statistic: Values, groups: int, df: float) -> Values:
    """P(Q >= statistic) of the studentised range of `groups` normal means, float64 as given.

    The integral over the range's standard deviation s of the chance that k standard normals span more than
    statistic * s, both by the trapezoid rule on smooth integrands that vanish at the ends; absolute error below
    `RANGE_ACCURACY`. SciPy's own takes 10 ms a value.

    Args:
        statistic: float64 (m,), 0 or more; infinity is allowed.
        groups: k, 2 or more.
        df: degrees of freedom of s; infinity if it is known.
    """
    spread, weight = _spread_nodes(df)
    distinct, place = np.unique(statistic, return_inverse=True)
    # Where the range is that large nothing is left that could be resolved.
    width = np.minimum(distinct, _WIDEST)
    p = np.array([_wider(value * spread, groups) @ weight for value in width])
    p = np.where(distinct < _WIDEST, np.where(distinct > 0, p, 1.0), 0.0)
    upper: Values = np.clip(p, RANGE_ACCURACY, 1.0)[place]
    return upper


@lru_cache(maxsize=64)
def studentized_range_critical(alpha: float, groups: int, df: float) -> float:
    """The studentised range that is reached with probability alpha."""
    low, high = 0.0, _WIDEST
    for _ in range(60):
        middle = (low + high) / 2.0
        above = studentized_range_upper(np.array([middle]), groups, df)[0] > alpha
        low, high = (middle, high) if above else (low, middle)
    return high


_WIDEST = 1e4
_STEP = 0.15
_POINTS = np.arange(-8.0, 14.0, _STEP)


@lru_cache(maxsize=64)
def _spread_nodes(df: float) -> tuple[Values, Values]:
    """Nodes and weights over the distribution of sqrt(chi-square / df), on a logarithmic scale."""
    from scipy.special import chdtri, gammaln

    if np.isinf(df):
        return np.ones(1), np.ones(1)
    low, high = (0.5 * np.log(chdtri(df, tail) / df) for tail in (1.0 - 1e-16, 1e-18))
    low = min(low, -np.log(10.0) * 16.0 / df) if df < 30 else low - 1.0 / np.sqrt(df)
    step = min(0.2, 0.25 / np.sqrt(2.0 * df))
    node = np.arange(low, high + step, step)
    density = df * node - df / 2.0 * np.exp(2.0 * node) + np.log(2.0) + df / 2.0 * np.log(df / 2.0) - gammaln(df / 2.0)
    return np.exp(node), step * np.exp(density)


def _wider(width: Values, groups: int) -> Values:
    """P(k standard normals span more than each width): k * integral of phi * (Phi^(k-1) - (Phi - Phi(z - w))^(k-1))."""
    from scipy.special import log_ndtr, ndtr

    below = ndtr(_POINTS)
    largest = groups * _STEP / np.sqrt(2.0 * np.pi) * np.exp(-(_POINTS**2) / 2.0 + (groups - 1) * log_ndtr(_POINTS))
    share = ndtr(_POINTS - width[:, None]) / below
    # A width of 0 is exceeded for sure: log 0 and then 1 is what is meant.
    with np.errstate(divide="ignore"):
        missing: Values = -np.expm1((groups - 1) * np.log1p(-share)) @ largest
    return missing
