"""One list's scores to values that can be added to another list's, per query and expert.

Tools disagree about a list of one score (min-max: 0 in ranx, 1 in Anserini, .5 elsewhere). Here a constant list gives 1
to what it returned and 0 to what it did not, so that having been returned still counts; `none` leaves scores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.valued import Valued
from periti.registry import nearest

MISSING = ("zero", "list_min")
"""What a document gets from a list that has not returned it: 0, or what the smallest raw score of the list gets (the
default minimum of Ma et al.)."""


def scaled(ballots: Ballots, scaling: str, missing: str) -> Valued:
    """Every list's scores by one of SCALINGS, with one of the rules of MISSING.

    Raises:
        InputError: the scaling divides by a largest score that is negative or zero.
    """
    value, constant = SCALINGS[scaling](ballots)
    value = np.where(constant, 1.0, value)
    if missing == "zero":
        return Valued(ballots, value, np.zeros_like(value))
    # Scalings keep the order, so what the smallest raw score gets is the smallest value of the list.
    lowest = np.minimum.reduceat(value, ballots.starts) if len(value) else value
    return Valued(ballots, value, np.where(constant, 0.0, ballots.spread(lowest)))


def check(rule: str, scaling: str, missing: str) -> None:
    """Raise ConfigError for a scaling or a rule for missing documents that does not exist."""
    if scaling not in SCALINGS:
        raise ConfigError(f"{rule}: scaling is {scaling!r}; {nearest(scaling, SCALINGS)}")
    if missing not in MISSING:
        raise ConfigError(f"{rule}: missing is {missing!r}; {nearest(missing, MISSING)}")


def _extremes(ballots: Ballots) -> tuple[Values, Values, Values]:
    """Each row's score, and the least and the largest of its list."""
    score = ballots.column("score")
    if not len(score):
        return score, score, score
    low = ballots.spread(np.minimum.reduceat(score, ballots.starts))
    return score, low, ballots.spread(np.maximum.reduceat(score, ballots.starts))


def _none(ballots: Ballots) -> tuple[Values, Values]:
    score = ballots.column("score")
    return score, np.zeros(len(score), bool)


def _min_max(ballots: Ballots) -> tuple[Values, Values]:
    """(s - min) / (max - min)."""
    score, low, high = _extremes(ballots)
    constant = high == low
    return (score - low) / np.where(constant, 1.0, high - low), constant


def _max(ballots: Ballots) -> tuple[Values, Values]:
    """The score as a share of the largest."""
    score, low, high = _extremes(ballots)
    constant = high == low
    wrong = ~constant & (high <= 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        query = ballots.queries[int(ballots.frame["query"][row])]
        raise InputError(
            f"scaling by max divides by the largest score of a list, which is {high[row]:g} for query {query!r}; "
            "choose min-max for scores below zero"
        )
    return score / np.where(constant, 1.0, high), constant


def _sum(ballots: Ballots) -> tuple[Values, Values]:
    """(s - min) / Σ (s - min), as ranx: a plain sum breaks where scores are negative."""
    score, low, high = _extremes(ballots)
    constant = high == low
    above = score - low
    total = ballots.spread(np.add.reduceat(above, ballots.starts)) if len(score) else above
    return above / np.where(constant, 1.0, total), constant


def _z_score(ballots: Ballots) -> tuple[Values, Values]:
    """(s - mean) / standard deviation (of the list as a whole): zero mean, unit variance.

    With missing="zero" a missing document counts as an average one of the list; "list_min" is what is meant mostly.
    """
    score, low, high = _extremes(ballots)
    if not len(score):
        return score, score
    constant, n = high == low, ballots.lengths
    mean = ballots.spread(np.add.reduceat(score, ballots.starts) / n)
    variance = ballots.spread(np.add.reduceat((score - mean) ** 2, ballots.starts) / n)
    return (score - mean) / np.where(constant, 1.0, np.sqrt(variance)), constant


def _rank(ballots: Ballots) -> tuple[Values, Values]:
    """1 - (r - 1) / n: the scores are not looked at, so no list is constant."""
    n = ballots.spread(ballots.lengths.astype(np.float64))
    return 1 - (ballots.column("rank") - 1) / n, np.zeros(len(n), bool)


def candidates(ballots: Ballots) -> Values:
    """How many documents the lists of a row's query hold together, float64 (n,)."""
    pairs = ballots.frame.select("query", "doc").unique()
    count = np.bincount(pairs["query"].to_numpy(), minlength=len(ballots.queries))
    own: Values = count[ballots.frame["query"].to_numpy()].astype(np.float64)
    return own


def _borda(ballots: Ballots) -> tuple[Values, Values]:
    """1 - (r - 1) / c, c the documents that any list of the query has."""
    c = candidates(ballots)
    return 1 - (ballots.column("rank") - 1) / c, np.zeros(len(c), bool)


SCALINGS: Mapping[str, Callable[[Ballots], tuple[Values, Values]]] = MappingProxyType(
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
"""Name -> ballots to values float64 (n,), and bool (n,) whether the row's list is constant."""
