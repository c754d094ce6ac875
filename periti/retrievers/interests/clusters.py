"""Spherical k-means: items grouped by direction (Dhillon, Modha 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.indexers.dense import normalised
from periti.protocols import Vectors

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_ROUNDS = 50
_BLOCK = 8192


def spherical_centroids(vectors: Vectors, k: int, rng: np.random.Generator) -> Floats:
    """Centroids of length one, from k distinct members drawn by chance; Lloyd's rounds until nothing moves, at most 50.

    Args:
        vectors: float32 (n, d), n at least 1; their lengths do not count.
        k: clusters at most; those that run empty, and copies of one member, are dropped.
        rng: draws the first centroids.

    Returns:
        float64 (c, d), 1 ≤ c ≤ k.

    Raises:
        InputError: there are no vectors, or k is below 1.
    """
    if not len(vectors) or k < 1:
        raise InputError(f"{len(vectors)} vectors can not be grouped into {k} clusters; give at least one of both")
    points = normalised(vectors)
    drawn = points[np.sort(rng.choice(len(points), min(k, len(points)), replace=False))]
    found = np.unique(drawn, axis=0).astype(np.float64)
    labels = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        moved = nearest(points, found)
        if (moved == labels).all():
            break
        used, labels = np.unique(moved, return_inverse=True)
        sums = np.zeros((len(used), points.shape[1]))
        np.add.at(sums, labels, points)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        # Members that cancel out leave no direction: the centroid stays where it was.
        found = np.where(lengths > 1e-9, sums / np.where(lengths > 1e-9, lengths, 1.0), found[used])
    return found


def nearest(vectors: Vectors, centroids: Floats) -> Labels:
    """The centroid of largest cosine with each of vectors float32 (n, d), int64 (n,); the first of equals.

    Computed row by row in float64, so that a vector's cluster does not depend on its company.
    """
    labels = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK].astype(np.float64)
        labels[start : start + _BLOCK] = np.round(part @ centroids.T, 9).argmax(axis=1)
    return labels
