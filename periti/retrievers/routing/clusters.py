"""Centres of groups of vectors: the mean, or k-means."""

from __future__ import annotations

import numpy as np

from periti.protocols import Vectors
from periti.retrievers.routing.similarity import Floats

_ROUNDS = 50


def centres(vectors: Vectors, k: int, rng: np.random.Generator) -> tuple[Floats, list[int]]:
    """Centres of a group of vectors, by Lloyd's algorithm from k members drawn by chance.

    Args:
        vectors: float32 (n, d), n at least 1.
        k: how many centres; fewer if there are fewer vectors or a cluster runs empty.
        rng: draws the first centres.

    Returns:
        Centres float64 (c, d), and how many vectors each stands for.
    """
    points = vectors.astype(np.float64)
    if min(k, len(points)) == 1:
        return points.mean(axis=0, keepdims=True), [len(points)]
    found = points[np.sort(rng.choice(len(points), min(k, len(points)), replace=False))]
    nearest = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        distances = (found**2).sum(axis=1) - 2 * points @ found.T
        moved = distances.argmin(axis=1)
        if (moved == nearest).all():
            break
        nearest = moved
        found = np.stack([points[nearest == i].mean(axis=0) for i in np.unique(nearest)])
        nearest = np.searchsorted(np.unique(nearest), nearest)
    return found, np.bincount(nearest, minlength=len(found)).tolist()
