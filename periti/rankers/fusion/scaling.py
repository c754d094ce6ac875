"""One list's scores to values that can be added to another list's, per query and expert.

Tools disagree about a list of one score (min-max: 0 in ranx, 1 in Anserini, .5 elsewhere). Here a constant list gives 1
to what it returned and 0 to what it did not, so that having been returned still counts; `none` leaves scores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.valued import Valued
from periti.registry import nearest

Scaled = tuple[Values, NDArray[np.bool_]]

MISSING = ("zero", "list_min")
"""What a document gets from a list that has not returned it: 0, or what the smallest raw score of the list gets (the
default minimum of Ma et al.)."""


def scaled(ballots: Ballots, scaling: str, missing: str) -> Valued:
    """Every list's scores by one of SCALINGS, with one of the rules of MISSING.

    Raises:
        InputError: the scaling divides by a largest score that is negative or zero.
    """
    value, constant = SCALINGS[scaling](ballots)
    if constant.any():
        value = np.where(ballots.spread(constant), 1.0, value)
    if missing == "zero":
        return Valued(ballots, value, np.zeros(len(constant)))
    # Scalings keep the order, so what the smallest raw score gets is the smallest value of the list.
    return Valued(ballots, value, np.where(constant, 0.0, _each(np.minimum, ballots, value)))


def check(rule: str, scaling: str, missing: str) -> None:
    """Raise ConfigError for a scaling or a rule for missing documents that does not exist."""
    if scaling not in SCALINGS:
        raise ConfigError(f"{rule}: scaling is {scaling!r}; {nearest(scaling, SCALINGS)}")
    if missing not in MISSING:
        raise ConfigError(f"{rule}: missing is {missing!r}; {nearest(missing, MISSING)}")


def _each(over: np.ufunc, ballots: Ballots, value: Values) -> Values:
    """The least, the largest or the sum of each list's values, float64 (n,): float64 (lists,)."""
    found: Values = over.reduceat(value, ballots.starts) if len(value) else value
    return found


def _extremes(ballots: Ballots) -> tuple[Values, Values]:
    """The least and the largest score of each list, float64 (lists,)."""
    return _each(np.minimum, ballots, ballots.score), _each(np.maximum, ballots, ballots.score)


def _none(ballots: Ballots) -> Scaled:
    return ballots.score, np.zeros(len(ballots.starts), bool)


def _min_max(ballots: Ballots) -> Scaled:
    """(s - min) / (max - min)."""
    low, high = _extremes(ballots)
    constant = high == low
    return (ballots.score - ballots.spread(low)) / ballots.spread(np.where(constant, 1.0, high - low)), constant


def _max(ballots: Ballots) -> Scaled:
    """The score as a share of the largest."""
    low, high = _extremes(ballots)
    constant = high == low
    wrong = np.flatnonzero(~constant & (high <= 0))
    if len(wrong):
        query = ballots.queries[int(ballots.query[wrong[0]])]
        raise InputError(
            f"scaling by max divides by the largest score of a list, which is {high[wrong[0]]:g} for query {query!r}; "
            "choose min-max for scores below zero"
        )
    return ballots.score / ballots.spread(np.where(constant, 1.0, high)), constant


def _sum(ballots: Ballots) -> Scaled:
    """(s - min) / Σ (s - min), as ranx: a plain sum breaks where scores are negative."""
    low, high = _extremes(ballots)
    constant = high == low
    above = ballots.score - ballots.spread(low)
    return above / ballots.spread(np.where(constant, 1.0, _each(np.add, ballots, above))), constant


def _z_score(ballots: Ballots) -> Scaled:
    """(s - mean) / standard deviation (of the list as a whole): zero mean, unit variance.

    With missing="zero" a missing document counts as an average one of the list; "list_min" is what is meant mostly.
    """
    low, high = _extremes(ballots)
    constant = high == low
    centred = ballots.score - ballots.spread(_each(np.add, ballots, ballots.score) / ballots.lengths)
    variance = _each(np.add, ballots, centred**2) / ballots.lengths
    return centred / ballots.spread(np.where(constant, 1.0, np.sqrt(variance))), constant


def _rank(ballots: Ballots) -> Scaled:
    """1 - (r - 1) / n: the scores are not looked at, so no list is constant."""
    n = ballots.spread(ballots.lengths.astype(np.float64))
    return 1 - (ballots.rank - 1) / n, np.zeros(len(ballots.starts), bool)


def _borda(ballots: Ballots) -> Scaled:
    """1 - (r - 1) / c, c the documents that any list of the query has."""
    c = ballots.spread(ballots.candidates.sizes[ballots.query].astype(np.float64))
    return 1 - (ballots.rank - 1) / c, np.zeros(len(ballots.starts), bool)


SCALINGS: Mapping[str, Callable[[Ballots], Scaled]] = MappingProxyType(
    {
        "none": _none,
        "min-max": _min_max,
        "max": _max,
        "sum": _sum,
        "z-score": _z_score,
        "rank": _rank,
        "borda": _borda,
    }
)
"""Name -> ballots to values float64 (n,), and bool (lists,) whether the list is constant."""
