"""Distributions of n-grams from counts: how a few examples become a distribution, and how two differ.

Sources: Xie et al. (2023), "Data Selection for Language Models via Importance Resampling" (the ratio, KL reduction);
Zhai and Lafferty (2004) for Jelinek-Mercer and Laplace smoothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Ints
from periti.errors import ConfigError, InputError

Floats = NDArray[np.float64]

_FLOOR = 1e-8
"""Added to every probability, as the data-selection package does."""


@dataclass(frozen=True)
class Smoothing:
    """How the distribution of a target's examples is made whole.

    Attributes:
        kind: "none", "laplace" or "jm" (Jelinek-Mercer).
        amount: laplace: what is added to each count; jm: the share of the pool's own distribution, None for the one
            that predicts left-out examples best (`interpolation.left_out_share`).
    """

    kind: str
    amount: float | None = 0.0

    @classmethod
    def parse(cls, text: str) -> Smoothing:
        """Read "none", "laplace:1", "jm:0.5" or "jm:auto".

        Raises:
            ConfigError: it is none of these, or the amount is out of range.
        """
        kind, _, amount = text.partition(":")
        try:
            value = float(amount) if amount else math.nan
        except ValueError:
            value = math.nan
        if text in ("none", "jm:auto"):
            return cls(kind, None if kind == "jm" else 0.0)
        if (kind == "laplace" and 0 <= value < math.inf) or (kind == "jm" and 0 <= value < 1):
            return cls(kind, value)
        raise ConfigError(
            f"smoothing {text!r} is not known; write none, laplace:COUNT (0 or more), jm:SHARE (0 to below 1) or "
            f"jm:auto"
        )

    def log_ratio(self, target: Ints, raw: Ints) -> Floats:
        """Log p(target) - log p(pool) of each bucket, float64 (buckets,), from counts of the same shape.

        Raises:
            InputError: either counts nothing.
            ConfigError: the amount is None.
        """
        if self.amount is None:
            raise ConfigError("jm:auto names no share; find it by left_out_share first")
        wanted, given = _shares(target), _shares(raw)
        if self.kind == "laplace":
            wanted = (target + self.amount) / (target + self.amount).sum()
        elif self.kind == "jm":
            wanted = (1 - self.amount) * wanted + self.amount * given
        ratio: Floats = np.log(wanted + _FLOOR) - np.log(given + _FLOOR)
        return ratio


def kl_reduction(target: Ints, raw: Ints, selected: Ints, backoff: float = 0.1) -> float:
    """By how many nats a selection is nearer to a target than its pool is: KL(target, pool) - KL(target, selected).

    The selection's distribution is mixed with its pool's, since it lacks n-grams by chance alone: the sum over buckets
    of p(target) log(backoff + (1 - backoff) p(selected) / p(pool)). N-grams that the pool lacks count for nothing, as
    no selection could have them. Compare it with that of a random selection of the same size: sparseness costs both.

    Args:
        target: counts, (buckets,).
        raw: of the whole pool.
        selected: of what was chosen from it.
        backoff: the pool's share in the mixture, above 0 and below 1.

    Raises:
        InputError: one of them counts nothing.
        ConfigError: backoff is out of range.
    """
    if not 0 < backoff < 1:
        raise ConfigError(f"backoff is {backoff}; it must lie between 0 and 1")
    wanted, given, chosen = _shares(target), _shares(raw), _shares(selected)
    there = given > 0
    return float((wanted[there] * np.log(backoff + (1 - backoff) * chosen[there] / given[there])).sum())


def _shares(counts: Ints) -> Floats:
    total = counts.sum()
    if total == 0:
        raise InputError("there is not one word to count n-grams of; give texts that are not blank")
    shares: Floats = counts / total
    return shares
