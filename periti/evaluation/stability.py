"""Would other topics rank the systems alike? Split-half and bootstrap stability of a ranking, reproducible by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.errors import InputError
from periti.evaluation.correlation import kendall_tau_b

Correlation = Callable[[ArrayLike, ArrayLike], float]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Stability:
    """How alike the rankings of many draws of topics are.

    Args:
        correlations: float64 (draws,), one for each draw; NaN where a side of it tied all systems.
        mean: of the draws that are numbers; NaN if none is.
        interval: 2.5 and 97.5 percentiles of the same: how the draws spread, not how sure the mean is.
    """

    correlations: Scores
    mean: float
    interval: tuple[float, float]

    @property
    def undefined(self) -> int:
        """Draws without a correlation, left out of mean and interval."""
        return int(np.isnan(self.correlations).sum())


@dataclass(frozen=True)
class Bootstrap(Stability):
    """Stability under topics drawn with replacement, and what it says of each system and pair.

    Args:
        places: float64 (systems, 3): the 2.5, 50 and 97.5 percentiles of each system's place, ties sharing the better.
        wins: float64 (systems, systems): the share of draws in which the row's mean is above the column's.
    """

    places: Scores
    wins: Scores


def split_half(
    scores: Scores, rng: np.random.Generator, *, draws: int = 1000, correlation: Correlation = kendall_tau_b
) -> Stability:
    """Correlation between the rankings by two random halves of the topics, over many splits.

    The halves share no topic; of an odd number one topic is left out of each split. A half is a smaller topic set than
    the whole, so the whole's ranking is more stable than this says.

    Args:
        scores: float64 (topics, systems), larger is better.
        rng: the source of the splits; a fixed seed gives the same splits.
        draws: number of splits.
        correlation: of two vectors of mean scores, the first as the gold one.

    Raises:
        InputError: fewer than 4 topics or 2 systems, or a score that is not finite.
    """
    _require(scores, draws)
    half = len(scores) // 2
    values = np.empty(draws)
    for draw in range(draws):
        order = rng.permutation(len(scores))
        values[draw] = correlation(scores[order[:half]].mean(axis=0), scores[order[half : 2 * half]].mean(axis=0))
    return Stability(values, *_summary(values))


def bootstrap(
    scores: Scores, rng: np.random.Generator, *, draws: int = 1000, correlation: Correlation = kendall_tau_b
) -> Bootstrap:
    """Correlation between the ranking by all topics and by as many drawn with replacement, over many draws.

    Args:
        scores: float64 (topics, systems), larger is better.
        rng: the source of the draws; a fixed seed gives the same draws.
        draws: number of draws.
        correlation: of the mean scores over all topics, taken for gold, and over the drawn ones.

    Raises:
        InputError: fewer than 4 topics or 2 systems, or a score that is not finite.
    """
    _require(scores, draws)
    gold = scores.mean(axis=0)
    values, places = np.empty(draws), np.empty((draws, scores.shape[1]))
    wins = np.zeros((scores.shape[1], scores.shape[1]))
    for draw in range(draws):
        drawn = scores[rng.integers(0, len(scores), len(scores))].mean(axis=0)
        values[draw] = correlation(gold, drawn)
        above = drawn[:, None] > drawn[None, :]
        wins += above
        places[draw] = 1 + above.sum(axis=0)
    shares = np.percentile(places, [2.5, 50, 97.5], axis=0).T
    return Bootstrap(values, *_summary(values), places=shares, wins=wins / draws)


def _summary(values: Scores) -> tuple[float, tuple[float, float]]:
    """Mean and the middle 95 % of the draws that are numbers."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), (float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return float(known.mean()), (float(low), float(high))


def _require(scores: Scores, draws: int) -> None:
    """Refuse what has no stability."""
    if scores.ndim != 2 or scores.shape[0] < 4 or scores.shape[1] < 2:
        raise InputError(f"scores of shape {scores.shape}; stability needs 4 topics and 2 systems or more")
    if not np.isfinite(scores).all():
        raise InputError("a score is not finite; leave the topic or the system out")
    if draws < 1:
        raise InputError(f"{draws} draws; give 1 or more")
