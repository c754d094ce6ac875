"""A user, or a query, as a mixture over clusters of items, and a budget of candidates spent by it.

p(c|u) is the share of the user's items in cluster c. With neighbours N(u) it is smoothed,
p̃(c|u) = (1 - λ) p(c|u) + λ mean_{v ∈ N(u)} p(c|v), and the vector that asks for c is the mean of the user's and the
neighbours' items in c. With λ = 0 and one cluster that is the mean of the user's items: one vector, one search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.apportionment import largest_remainder, turns
from periti.errors import InputError
from periti.protocols import Vectors
from periti.retrievers.interests.clusters import Floats, nearest


@dataclass(frozen=True)
class Mixture:
    """What somebody is interested in.

    Attributes:
        clusters: int64 (f,), ascending.
        shares: float64 (f,), above 0, summing to 1.
        vectors: float32 (f, d), what asks for each.
    """

    clusters: NDArray[np.int64]
    shares: Floats
    vectors: Vectors


def mixture(items: Vectors, centroids: Floats, neighbours: Sequence[Vectors] = (), smoothing: float = 0.0) -> Mixture:
    """The mixture of a user.

    Args:
        items: float32 (h, d), h at least 1.
        centroids: float64 (c, d), of length one.
        neighbours: the items of each neighbour.
        smoothing: λ, 0..1. Without neighbours, or with λ = 0, nothing is smoothed.

    Raises:
        InputError: the user or a neighbour has no items, or λ is out of range.
    """
    if not 0 <= smoothing <= 1:
        raise InputError(f"smoothing is {smoothing}; it must be between 0 and 1")
    weights = [1.0]
    if neighbours and smoothing > 0:
        weights = [1 - smoothing, *[smoothing / len(neighbours)] * len(neighbours)]
    people = [own for own, weight in zip((items, *neighbours), weights, strict=False) if weight > 0]
    weights = [weight for weight in weights if weight > 0]
    if not all(len(own) for own in people):
        raise InputError("a user without items has no interests; give at least one item each")
    shares, sums, counts = np.zeros(len(centroids)), np.zeros(centroids.shape), np.zeros(len(centroids))
    for own, weight in zip(people, weights, strict=True):
        labels = nearest(own, centroids)
        held = np.bincount(labels, minlength=len(centroids))
        shares += weight * held / len(own)
        counts += held
        np.add.at(sums, labels, own.astype(np.float64))
    found = np.flatnonzero(shares)
    means = sums[found] / counts[found, None]
    return Mixture(found.astype(np.int64), shares[found] / shares.sum(), means.astype(np.float32))


def spend(ordinals: NDArray[np.int64], shares: Floats, budget: int) -> NDArray[np.int64]:
    """Candidates of several interests, each with its quota of the budget, without repetition.

    Quotas are by largest remainder. The interests take turns in proportion (`periti.apportionment.turns`), each adding
    its best that is not there yet; places of an interest that has no more are refilled by the others, in turn.

    Args:
        ordinals: int64 (f, n), the documents nearest to each interest, best first, -1 where there are no more; with
            n ≥ budget no quota falls short for want of sight.
        shares: float64 (f,).
        budget: candidates wanted.

    Returns:
        Row and column in `ordinals` of every candidate in order, int64 (c, 2), c ≤ budget.
    """
    order = turns(largest_remainder(shares, budget)).tolist()
    lists = ordinals.tolist()
    at, seen, places = [0] * len(lists), set[int](), list[tuple[int, int]]()

    def take(interest: int) -> bool:
        own = lists[interest]
        while at[interest] < len(own) and own[at[interest]] in seen:
            at[interest] += 1
        if at[interest] == len(own) or own[at[interest]] < 0:
            return False
        seen.add(own[at[interest]])
        places.append((interest, at[interest]))
        return True

    for interest in order:
        take(interest)
    refill, before = [*order, *set(range(len(lists))).difference(order)], -1
    while before < len(places) < budget:
        before = len(places)
        for interest in refill:
            if len(places) < budget:
                take(interest)
    return np.array(places, np.int64).reshape(len(places), 2)
