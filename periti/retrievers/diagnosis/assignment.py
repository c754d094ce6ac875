"""Domains to fewer experts: greedy start, local search by moves and swaps, restarts (after COMET's permutations)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, Ints, matrix

_EPSILON = 1e-12
"""A gain below this is rounding; counting it could move in circles."""


@dataclass(frozen=True)
class Assignment:
    """Which expert serves each domain.

    Args:
        experts: int64 (D,), the expert number of each domain.
        value: what it is worth (`worth`).
        greedy: what the greedy start alone was worth.
        restarts: how many random starts were searched besides.
    """

    experts: Ints
    value: float
    greedy: float
    restarts: int


def assign(
    utilities: ArrayLike, affinity: ArrayLike | None = None, most: int | None = None, *, restarts: int = 20, seed: int
) -> Assignment:
    """Give each of D domains one of E experts, so that held-out utility is largest (COMET).

    COMET learns a permutation under its tree by a relaxed local search; on a table of utilities the search is exact
    arithmetic: start greedily, take the best move of a domain or swap of two until none gains, then again from random
    starts. Without `affinity` and `most` the greedy start is already the optimum.

    Args:
        utilities: (D, E), held-out utility of expert e for domain d.
        affinity: (D, D), what two domains gain (or lose, below 0) by sharing an expert; symmetric, diagonal ignored.
        most: domains an expert may serve; None for any number.
        restarts: random starts besides the greedy one.
        seed: of the random starts.

    Raises:
        InputError: shapes that do not fit, values that are not finite, an affinity that is not symmetric, or `most`
            times E below D.
    """
    table = matrix(utilities, "utilities")
    domains, experts = table.shape
    room = domains if most is None else most
    if room * experts < domains:
        raise InputError(f"{experts} experts with room for {room} can not serve {domains} domains; raise `most`")
    if restarts < 0:
        raise InputError(f"restarts is {restarts}; give 0 or more")
    bonds = _bonds(affinity, domains)
    rng = np.random.default_rng(seed)
    start = _greedy(table, bonds, room)
    best = _searched(start, table, bonds, room)
    for _ in range(restarts):
        found = _searched(random_start(domains, experts, room, rng), table, bonds, room)
        if worth(found, table, bonds) > worth(best, table, bonds) + _EPSILON:
            best = found
    return Assignment(best, worth(best, table, bonds), worth(start, table, bonds), restarts)


def worth(experts: Ints, utilities: Floats, affinity: Floats | None = None) -> float:
    """Σ_d utilities[d, e(d)], and Σ affinity over the pairs of domains that share an expert."""
    value = float(utilities[np.arange(len(experts)), experts].sum())
    if affinity is not None:
        together = np.triu(experts[:, None] == experts[None, :], 1)
        value += float(affinity[together].sum())
    return value


def random_start(domains: int, experts: int, room: int, rng: np.random.Generator) -> Ints:
    """A random assignment int64 (domains,) that gives no expert more than `room`."""
    places = np.repeat(np.arange(experts), min(room, domains))
    return rng.permutation(places)[:domains].astype(np.int64)


def _bonds(affinity: ArrayLike | None, domains: int) -> Floats:
    if affinity is None:
        return np.zeros((domains, domains))
    bonds = matrix(affinity, "affinity", domains, domains)
    if not np.allclose(bonds, bonds.T, rtol=0, atol=1e-9):
        raise InputError("affinity: it is not symmetric; give each pair of domains one value")
    np.fill_diagonal(bonds, 0)
    return bonds


def _greedy(utilities: Floats, bonds: Floats, room: int) -> Ints:
    """Place the (domain, expert) of the largest value, given what is placed, until every domain has its expert."""
    domains = len(utilities)
    placed = np.full(domains, -1, np.int64)
    value = utilities.copy()
    for _ in range(domains):
        domain, expert = (int(index) for index in np.unravel_index(value.argmax(), value.shape))
        placed[domain] = expert
        value[:, expert] += bonds[:, domain]
        value[domain] = -math.inf
        if (placed == expert).sum() == room:
            value[:, expert] = -math.inf
    return placed


def _searched(start: Ints, utilities: Floats, bonds: Floats, room: int) -> Ints:
    """Take the best move or swap until none gains; ends, since the value rises with each."""
    domains, experts = utilities.shape
    at, every = start.copy(), np.arange(domains)
    while True:
        member = np.eye(experts)[at]
        value = utilities + bonds @ member  # (D, E): of each domain with each expert, all others staying
        current = value[every, at]
        moves = value - current[:, None]
        moves[:, member.sum(axis=0) >= room] = -math.inf
        moves[every, at] = 0
        crossed = value[:, at]  # [d, d']: domain d in the place of d'
        # Each of the two counts the other's company at its new place, where the other no longer is.
        swaps = crossed + crossed.T - current[:, None] - current[None, :] - 2 * bonds
        swaps[at[:, None] == at[None, :]] = 0
        if max(moves.max(), swaps.max()) <= _EPSILON:
            return at
        if moves.max() >= swaps.max():
            domain, expert = np.unravel_index(moves.argmax(), moves.shape)
            at[domain] = expert
        else:
            one, two = np.unravel_index(swaps.argmax(), swaps.shape)
            at[[one, two]] = at[[two, one]]
