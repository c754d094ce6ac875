"""When is enough found? One rule that believes the classifier, and one that draws a sample and errs as it says.

*expected* believes the classifier: recall is found / (found + Σ p), with the deviation of Σ p; its lower end at the
level is compared with the target. Nothing is guaranteed (Yang, Lewis and Frieder, Heuristic stopping rules for
technology-assisted review, DocEng 2021, "Quant" and "QuantCI").

*sampled* reads on until the point estimate of *expected* reaches the target, then draws the rest at random, without
replacement, until a bound on the included documents that are left proves the target. The bound holds at every moment at
once, so that looking after each document costs nothing: the chance that recall is below the target at the stop is at
most alpha, whatever the classifier believes and whenever the drawing began. With N documents left at the beginning, of
which M are included, and k found in t draws, all M are kept with

    hypergeometric(k; N, M, t) > alpha * betabinomial(k; t, 1, b).

Source: Waudby-Smith and Ramdas, Confidence sequences for sampling without replacement, NeurIPS 2020, theorem 2.1
(prior-posterior ratio). b says that about 1 / (1 + b) of the rest is expected to be included: another b changes how
much is read, never the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import lgamma
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.screening.feedback import Screening, State
from periti.screening.topics import Flags, Floats

RARE = 19.0
"""b: a twentieth of what is left is expected to be included."""


@dataclass(frozen=True)
class Target:
    """What a reviewer wants.

    Attributes:
        recall: share of the included documents, above 0 to 1.
        alpha: the chance of stopping below it that is accepted, above 0 and below 1.
    """

    recall: float = 0.95
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 < self.recall <= 1.0 or not 0.0 < self.alpha < 1.0:
            raise InputError(
                f"the target recall is {self.recall} with error {self.alpha}; give shares above 0, the error below 1"
            )


@dataclass(frozen=True)
class Stop:
    """Where a rule stopped.

    Attributes:
        read: documents judged until then.
        recall: share of the included ones among them; 1 where there are none.
    """

    read: int
    recall: float


def estimated(state: State, deviations: float = 0.0) -> float:
    """Recall as the classifier believes it, with so many deviations more left; 1 where nothing is found or expected."""
    left = state.expected + deviations * state.variance**0.5
    return state.found / (state.found + left) if state.found + left > 0 else 1.0


@lru_cache(maxsize=1 << 18)
def most_left(drawn: int, found: int, total: int, alpha: float, rare: float = RARE) -> int:
    """The largest number of included documents among `total` that the draws leave possible, those found included.

    Args:
        drawn: t, documents drawn at random without replacement, 0 to total.
        found: k, included ones among them.
        total: N.
        alpha: the error, over all moments at once.
        rare: b.
    """
    possible = np.arange(found, total - drawn + found + 1)
    kept = _hypergeometric(found, total, possible, drawn) > np.log(alpha) + _betabinomial(found, drawn, rare)
    return int(possible[kept].max())


def expected(screening: Screening, relevant: Flags, target: Target, rng: np.random.Generator) -> Stop:  # noqa: ARG001
    """Stop after the first batch whose believed recall, less 1 - alpha of its doubt, reaches the target."""
    deviations = NormalDist().inv_cdf(1.0 - target.alpha)
    for state in screening.states:
        if state.found and estimated(state, deviations) >= target.recall:
            return _stop(screening, relevant, state.read)
    return _stop(screening, relevant, len(relevant))


def sampled(screening: Screening, relevant: Flags, target: Target, rng: np.random.Generator) -> Stop:
    """Stop where random draws from what is left prove the target."""
    begun = next((s for s in screening.states if s.found and estimated(s) >= target.recall), screening.states[-1])
    tail = rng.permutation(screening.order[begun.read :])
    found = 0
    for drawn in range(len(tail) + 1):
        found += bool(drawn) and bool(relevant[tail[drawn - 1]])
        most = most_left(drawn, found, len(tail), target.alpha)
        if begun.found + found >= target.recall * (begun.found + most):
            break
    total = int(relevant.sum())
    return Stop(begun.read + drawn, (begun.found + found) / total if total else 1.0)


Rule = Callable[[Screening, Flags, Target, np.random.Generator], Stop]
RULES: Mapping[str, Rule] = MappingProxyType({"expected": expected, "sampled": sampled})
"""Name to rule."""


def _stop(screening: Screening, relevant: Flags, read: int) -> Stop:
    total = int(relevant.sum())
    return Stop(read, float(relevant[screening.order[:read]].sum()) / total if total else 1.0)


def _choose(above: NDArray[np.int64] | int, below: NDArray[np.int64] | int) -> Floats:
    """Logarithm of the binomial coefficient of each pair."""
    upper, lower = np.asarray(above), np.asarray(below)
    table = _factorials(int(upper.max()))
    chosen: Floats = table[upper] - table[lower] - table[upper - lower]
    return chosen


def _factorials(largest: int) -> Floats:
    """Logarithm of n! for n from 0 to at least the largest; float64."""
    return _table(1 << max(10, largest.bit_length()))


@cache
def _table(size: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size)))])


def _hypergeometric(found: int, total: int, included: NDArray[np.int64], drawn: int) -> Floats:
    """Log-chance of `found` in `drawn`, for each number of included ones."""
    return _choose(included, found) + _choose(total - included, drawn - found) - _choose(total, drawn)


def _betabinomial(found: int, drawn: int, rare: float) -> float:
    """Log-chance of `found` in `drawn` under a beta-binomial prior with a = 1 and b = `rare`."""
    chosen = lgamma(drawn + 1.0) - lgamma(found + 1.0) - lgamma(drawn - found + 1.0)
    after = lgamma(1.0 + found) + lgamma(rare + drawn - found) - lgamma(1.0 + rare + drawn)
    return chosen + after - (lgamma(rare) - lgamma(1.0 + rare))
