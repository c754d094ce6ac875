"""Which n experts to keep, from the utilities of a few labelled queries (Rocket's K-shot selection)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, between, distinct, matrix, vector

CONFIDENCE = 0.9
"""Share of bootstrap means that have to beat the base."""
_RESAMPLES = 2000
FIRST = "the highest mean utility of all that beat the base, {gain:.3f}"
LATER = "adds {gain:.3f} to the mean best utility for a penalty of {penalty:.3f}, the most of all left"


@dataclass(frozen=True)
class Candidates:
    """Experts on offer.

    Args:
        experts: names of the E experts.
        utilities: (K, E), utility of each expert for each labelled query, from train or dev.
        base: (K,), utility of the model that answers if no expert is kept.
        overlap: (E, E), how alike two experts' results are, in [0, 1] (`vitals.overlap`); None for no penalty.
        groups: (K,), the collection of each query, where a router will tell collections apart; empty if none will.
    """

    experts: Sequence[str]
    utilities: ArrayLike
    base: ArrayLike
    overlap: ArrayLike | None = None
    groups: Sequence[str] = ()


@dataclass(frozen=True)
class Pick:
    """One step of the choice: `gain` in mean best utility, `penalty` for likeness, both at the time of choosing."""

    expert: str
    gain: float
    penalty: float
    reason: str


@dataclass(frozen=True)
class Rejection:
    """An expert not kept; `confidence` is the share of bootstrap means in which it beats the base."""

    expert: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Portfolio:
    """The choice, best first, why the others stay out, and the mean over queries of the best chosen utility."""

    picks: tuple[Pick, ...]
    rejections: tuple[Rejection, ...]
    utility: float

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the chosen experts, in the order of choosing."""
        return tuple(pick.expert for pick in self.picks)


def choose(candidates: Candidates, n: int, gamma: float, seed: int) -> Portfolio:
    """At most n experts that beat the base and complement each other (Rocket).

    First the floor: an expert stays only if its mean beats the base's in at least 90 % of bootstrap resamples of the
    queries; a blind guesser with a few lucky hits would otherwise be welcome to a maximum. Then greedy choice of the
    expert that adds most to mean_q max_{e in S} u(q, e), less gamma times its largest overlap with the chosen. Without
    the penalty the objective is monotone and submodular, so greedy is within 1 - 1/e of the best. It ends early where
    nothing is worth its penalty. Ties go to the expert named first.

    With groups, an expert stays if it passes the floor in any of the G groups, where 1 - 0.1 / G of the resamples are
    asked (Bonferroni): a specialist that harms what it is never asked is welcome. The best utility then counts the
    base too, which answers where no chosen expert helps.

    Raises:
        InputError: shapes that do not fit, values that are not finite, n below 1, gamma below 0, or an overlap
            outside [0, 1].
    """
    names = distinct(candidates.experts, "experts")
    utilities = matrix(candidates.utilities, "utilities", columns=len(names))
    base = vector(candidates.base, "utilities of the base", len(utilities))
    overlap = _overlap(candidates.overlap, len(names))
    if n < 1:
        raise InputError(f"n is {n}; ask for at least 1 expert")
    between(gamma, 0, np.inf, "gamma")
    floors = _floors(utilities, base, candidates.groups, seed)
    asked = 1 - (1 - CONFIDENCE) / len(floors)
    confidence = np.max([floor.confidence for floor in floors], axis=0)
    open_to = [e for e in range(len(names)) if confidence[e] >= asked]
    rejections = [
        Rejection(names[e], float(confidence[e]), _below(e, utilities, base, floors, asked))
        for e in range(len(names))
        if e not in open_to
    ]
    picks: list[Pick] = []
    chosen: list[int] = []
    covered = base.copy() if candidates.groups else np.full(len(base), -np.inf)
    while open_to and len(chosen) < n:
        gains, penalties = _offers(utilities[:, open_to], covered, gamma * overlap[np.ix_(open_to, chosen)])
        offer = int((gains - penalties).argmax())
        if (chosen or candidates.groups) and gains[offer] <= penalties[offer]:
            break
        chosen.append(open_to.pop(offer))
        covered = np.maximum(covered, utilities[:, chosen[-1]])
        reason = FIRST if len(chosen) == 1 and not candidates.groups else LATER
        gain, penalty = float(gains[offer]), float(penalties[offer])
        picks.append(Pick(names[chosen[-1]], gain, penalty, reason.format(gain=gain, penalty=penalty)))
    if open_to:
        gains, penalties = _offers(utilities[:, open_to], covered, gamma * overlap[np.ix_(open_to, chosen)])
        full = f"the {n} places are taken; it would " if len(chosen) == n else "it would only "
        rejections += [
            Rejection(
                names[e],
                float(confidence[e]),
                f"{full}add {gain:.3f} for a penalty of {penalty:.3f}",
            )
            for e, gain, penalty in zip(open_to, gains, penalties, strict=True)
        ]
    return Portfolio(tuple(picks), tuple(rejections), float((covered if chosen else base).mean()))


def beats(utilities: Floats, base: Floats, seed: int) -> Floats:
    """Share of 2,000 bootstrap resamples of the queries in which each expert's mean is above the base's.

    Args:
        utilities: (K, E).
        base: (K,).
        seed: of the resampling; all experts share the resamples.

    Returns:
        float64 (E,).
    """
    queries = len(base)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(queries, np.full(queries, 1 / queries), size=_RESAMPLES)
    # Rounding must not let a copy of the base win or lose by chance.
    above = weights @ (utilities - base[:, None]) > 1e-9 * queries
    share: Floats = above.mean(axis=0)
    return share


@dataclass(frozen=True)
class _Floor:
    """The confidence (E,) of the experts on some of the queries, bool (K,)."""

    queries: NDArray[np.bool_]
    where: str
    confidence: Floats


def _floors(utilities: Floats, base: Floats, groups: Sequence[str], seed: int) -> list[_Floor]:
    """One floor over all queries, or one for each group.

    Raises:
        InputError: the groups are not one for each query.
    """
    if groups and len(groups) != len(base):
        raise InputError(f"groups: there are {len(groups)} for {len(base)} queries; give one for each")
    names = np.array(groups or [""] * len(base))
    found = []
    for name in sorted(set(names.tolist())):
        own = names == name
        found.append(_Floor(own, f" on {name}" if name else "", beats(utilities[own], base[own], seed)))
    return found


def _below(expert: int, utilities: Floats, base: Floats, floors: Sequence[_Floor], asked: float) -> str:
    """Why an expert does not pass, where it comes nearest to passing."""
    nearest = max(floors, key=lambda floor: float(floor.confidence[expert]))
    own = nearest.queries
    return (
        f"its mean utility{nearest.where} {utilities[own, expert].mean():.3f} beats the base's {base[own].mean():.3f} "
        f"in {nearest.confidence[expert]:.0%} of resamples of {own.sum()} queries, {asked:.0%} are asked"
    )


def _overlap(values: ArrayLike | None, experts: int) -> Floats:
    if values is None:
        return np.zeros((experts, experts))
    overlap = matrix(values, "overlap", experts, experts)
    if overlap.min() < 0 or overlap.max() > 1:
        raise InputError(f"overlap: values from {overlap.min():g} to {overlap.max():g}; give shares from 0 to 1")
    return np.maximum(overlap, overlap.T)


def _offers(utilities: Floats, covered: Floats, weighted: Floats) -> tuple[Floats, Floats]:
    """Gain and penalty (m,) of m open experts: utilities (K, m), best so far (K,), weighted likeness (m, chosen)."""
    first = np.isneginf(covered).all()  # no base to fall back to either
    gains = utilities.mean(axis=0) if first else np.maximum(utilities - covered[:, None], 0).mean(axis=0)
    return gains, weighted.max(axis=1, initial=0.0)
