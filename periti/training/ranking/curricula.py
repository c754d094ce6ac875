"""Curricula of answer re-ranking: what is easy weighs more at the start (MacAvaney et al., SIGIR 2020).

With a difficulty heuristic D (`difficulty`) a sample weighs w: a document D if it is relevant, 1 - D if not (+ 1e-8); a
pair (D(pos) - D(neg) + 1) / 2; a list the least of its pairs. In iteration t, a fixed number of steps, the weight is
w' = w (1 - t/m) + t/m, and 1 from m on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from periti.training.ranking.difficulty import Values
from periti.training.ranking.drawing import Lists, Pairs
from periti.training.ranking.settings import RankingOptions

LEAST = 1e-8
"""Added to the weights of single documents, so that none is nothing."""


def sample_weights(lists: Lists, other: Lists, pairs: Pairs, options: RankingOptions, step: int) -> Values | None:
    """What every sample of the loss weighs in a step; None where all weigh 1.

    Args:
        lists: the batch.
        other: another batch of the same distribution, whose difficulties the random control takes.
        pairs: the batch's pairs, the samples of pairwise losses.
        options: curriculum, loss, length of an iteration.
        step: 1, 2, ...

    Returns:
        float64, one for each document, pair or list, as the loss has samples.
    """
    t = iteration(step, options)
    if not options.difficulty or t >= options.curriculum_end:
        return None
    if options.curriculum == "random":
        lists = with_ease_of(lists, other)
    if options.loss == "bce":
        weights = pointwise(lists.ease, lists.gains > 0)
    else:
        weights = pairwise(lists.ease[pairs.better], lists.ease[pairs.worse])
    if options.loss == "listnet":
        weights = least_of_each(weights, lists.owner[pairs.better])
    if options.curriculum == "anti":
        weights = 1 - weights
    return scheduled(weights, t, options.curriculum_end)


def iteration(step: int, options: RankingOptions) -> int:
    """The iteration of a step: 0 up to the first evaluation on dev, then 1, ..."""
    return (step - 1) // options.evaluate_every


def scheduled(weights: Values, t: int, end: int) -> Values:
    """The weights in iteration t: w (1 - t/m) + t/m for t < m, and 1 afterwards."""
    if t >= end:
        return np.ones_like(weights)
    return weights * (1 - t / end) + t / end


def pointwise(ease: Values, relevant: NDArray[np.bool_]) -> Values:
    """D where relevant, 1 - D where not, + 1e-8; float64 (n,)."""
    return np.where(relevant, ease, 1 - ease) + LEAST


def pairwise(better: Values, worse: Values) -> Values:
    """(D(pos) - D(neg) + 1) / 2 of each pair, float64 (n,)."""
    return (better - worse + 1) / 2


def least_of_each(weights: Values, owner: NDArray[np.int64]) -> Values:
    """The least weight of each owner 0, 1, ..., all of which have one."""
    found = np.full(int(owner.max()) + 1, np.inf)
    np.minimum.at(found, owner, weights)
    return found


def with_ease_of(lists: Lists, other: Lists) -> Lists:
    """The lists with the difficulties of another batch: relevant for relevant, not for not; so weights say nothing."""
    ease = lists.ease.copy()
    for relevant in (True, False):
        own, foreign = (lists.gains > 0) == relevant, (other.gains > 0) == relevant
        ease[own] = np.resize(other.ease[foreign], int(own.sum()))
    return replace(lists, ease=ease)
