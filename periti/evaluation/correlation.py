"""How alike two orders of the same systems are; scores in, larger is better, no rounding before comparing.

Two scores tie when they are equal as float64. Give values that were not rounded: rounding makes ties.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.errors import InputError

Items = Sequence[str | Collection[str]]
"""Best first; a name stands alone at its rank, a collection of names is a group of ties."""


def kendall_tau_b(x: ArrayLike, y: ArrayLike) -> float:
    """Concordant minus discordant pairs over the geometric mean of the pairs that each side does not tie; -1 to 1.

    Source: Kendall, Biometrika 1945. NaN when a side ties everything, because then it has no order.

    Args:
        x: scores, (n,).
        y: scores of the same systems, (n,).

    Raises:
        InputError: fewer than two systems, other lengths, or a score that is not finite.
    """
    first, second = _pair(x, y)
    left, right = _signs(first), _signs(second)
    untied = float(np.abs(left).sum()), float(np.abs(right).sum())
    if not min(untied):
        return float("nan")
    return float((left * right).sum()) / float(np.sqrt(untied[0] * untied[1]))


def tau_ap(gold: ArrayLike, estimated: ArrayLike) -> float:
    """Rank correlation that weighs the top of the estimated ranking; -1 to 1, not symmetric.

    2 / (n - 1) * sum over i = 2..n of C(i) / (i - 1), minus 1, where C(i) of the i - 1 systems above the i-th of the
    estimated ranking are also above it in gold. Source: Yilmaz, Aslam and Robertson, SIGIR 2008. Ties: the expected
    value when both sides break theirs at random, independently.

    Args:
        gold: true scores, (n,).
        estimated: scores of the same systems, (n,).

    Raises:
        InputError: fewer than two systems, other lengths, or a score that is not finite.
    """
    truth, guess = _pair(gold, estimated)
    # right[e, f]: the chance that gold puts f above e.
    right = (1.0 - _signs(truth)) / 2.0
    total, above = 0.0, 0
    for score in np.unique(guess)[::-1]:
        group = guess == score
        size = int(group.sum())
        concordant = float(right[np.ix_(group, guess > score)].sum())
        for place in range(size):
            if above + place:
                # Each of the `place` ties above is one of the others at random, and right half the time.
                total += (concordant / size + place / 2.0) / (above + place)
        above += size
    return 2.0 / (len(truth) - 1) * total - 1.0


def rbo(
    ranking_a: Items, ranking_b: Items, p: float = 0.9, *, ties: Literal["random", "information"] = "random"
) -> float:
    """Rank-biased overlap, extrapolated beyond the end of both lists; 0 to 1.

    Source: Webber, Moffat and Zobel, TOIS 2010, equation 32; ties after Corsi and Urbano, SIGIR 2024. An item of a
    tied group that begins after s others and holds m is within depth d with chance c = min(1, (d - s) / m).
    "random" (their RBO^a) takes the overlap at depth d as the sum of c_a * c_b: the expected value when both sides
    break ties at random. "information" (their RBO^b) divides that sum by the norms of c_a and c_b, so that two equal
    rankings agree fully however many ties they hold.

    Args:
        ranking_a: items or groups of tied items, best first.
        ranking_b: the same; it may hold other items and, for "random", another number of them.
        p: persistence: the weight of depth d falls as p^d.
        ties: how ties count.

    Raises:
        InputError: a list is empty or repeats an item, p is not between 0 and 1, or "information" with lists of
            other lengths.
    """
    if not 0 < p < 1:
        raise InputError(f"rbo: p is {p}; it lies between 0 and 1")
    first, second = _spans(ranking_a, "first"), _spans(ranking_b, "second")
    short, long = sorted((len(first), len(second)))
    names = sorted({*first, *second})
    depth = np.arange(1, long + 1)
    chance_a, chance_b = _chances(first, names, depth), _chances(second, names, depth)
    overlap = (chance_a * chance_b).sum(axis=0)
    if ties == "information":
        if short != long:
            raise InputError(f"rbo: lists of {short} and {long} items; ties='information' needs equal lengths")
        norm = np.sqrt((chance_a**2).sum(axis=0) * (chance_b**2).sum(axis=0))
        agreement = overlap / norm
    else:
        # Beyond the end of the shorter list its agreement is taken to go on.
        beyond = np.clip(depth - short, 0, None)
        agreement = (overlap + overlap[short - 1] * beyond / short) / depth
    return float((1 - p) / p * (agreement * p**depth).sum() + agreement[-1] * p**long)


def significant_swaps(gold: ArrayLike, estimated: ArrayLike, significant: NDArray[np.bool_]) -> tuple[int, int]:
    """Of the pairs that gold tells apart significantly: how many the estimate orders the other way, and their number.

    A pair that the estimate ties is not swapped.

    Args:
        gold: true scores, (n,).
        estimated: scores of the same systems, (n,).
        significant: bool (n, n), symmetric: which pairs differ significantly in gold.

    Raises:
        InputError: the shapes do not fit.
    """
    truth, guess = _pair(gold, estimated)
    if significant.shape != (len(truth), len(truth)):
        raise InputError(f"significant_swaps: pairs have shape {significant.shape}; give ({len(truth)}, {len(truth)})")
    pairs = np.triu(significant | significant.T, 1)
    swapped = pairs & (_signs(truth) * _signs(guess) < 0)
    return int(swapped.sum()), int(pairs.sum())


def max_drop(gold: ArrayLike, estimated: ArrayLike) -> int:
    """The most places that any system falls from gold to the estimate, 0 if none falls.

    A system's place is 1 plus the number of systems that score higher, so ties share the better place.

    Raises:
        InputError: fewer than two systems, other lengths, or a score that is not finite.
    """
    truth, guess = _pair(gold, estimated)
    fall = (_signs(guess) < 0).sum(axis=1) - (_signs(truth) < 0).sum(axis=1)
    return max(0, int(fall.max()))


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both score vectors as float64 (n,), checked."""
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise InputError(f"scores of shapes {first.shape} and {second.shape}; give two vectors of the same 2+ systems")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("a system's score is not finite; leave the system out of both vectors")
    return first, second


def _signs(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 (n, n): 1 where the row's system scores higher than the column's, -1 lower, 0 tied."""
    return np.sign(scores[:, None] - scores[None, :])


def _spans(ranking: Items, which: str) -> dict[str, tuple[int, int]]:
    """Each item with the number of items above its group, and the size of its group."""
    spans: dict[str, tuple[int, int]] = {}
    for entry in ranking:
        group = [entry] if isinstance(entry, str) else list(entry)
        above = len(spans)
        for item in group:
            if item in spans:
                raise InputError(f"rbo: the {which} ranking holds {item!r} twice; keep one")
            spans[item] = (above, len(group))
    if not spans:
        raise InputError(f"rbo: the {which} ranking is empty; give at least one item")
    return spans


def _chances(spans: dict[str, tuple[int, int]], names: list[str], depth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Float64 (items, depths): the chance that each item is within each depth, 0 for items of the other list."""
    above = np.array([spans.get(name, (len(spans), 1))[0] for name in names])[:, None]
    size = np.array([spans.get(name, (len(spans), 1))[1] for name in names])[:, None]
    held = np.array([name in spans for name in names])[:, None]
    chance: NDArray[np.float64] = np.where(held, np.clip((depth - above) / size, 0.0, 1.0), 0.0)
    return chance
