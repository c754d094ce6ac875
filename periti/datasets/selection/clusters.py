"""Spherical k-means over unit vectors, in blocks of rows (Dhillon, Modha 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError

Vectors = NDArray[np.float32]
Labels = NDArray[np.int32]
_CELLS = 1 << 22
"""Similarities held at once."""
_SEEDS_FROM = 64
"""Rows a cluster that starting points are drawn from."""


def assign(vectors: Vectors, centroids: Vectors) -> tuple[Labels, Vectors]:
    """The most similar centroid of each row (the first of equals), int32 (n,), and its cosine, float32 (n,)."""
    labels = np.empty(len(vectors), dtype=np.int32)
    cosines = np.empty(len(vectors), dtype=np.float32)
    step = max(1, _CELLS // len(centroids))
    for at in range(0, len(vectors), step):
        similar = vectors[at : at + step] @ centroids.T
        labels[at : at + step] = similar.argmax(axis=1)
        cosines[at : at + step] = similar.max(axis=1)
    return labels, cosines


def k_means(vectors: Vectors, count: int, *, seed: int, iterations: int = 20) -> tuple[Vectors, Labels]:
    """Groups rows by direction.

    Starting points are drawn as by greedy k-means++ (Arthur, Vassilvitskii 2007) from a sample of 64 rows a cluster; a
    cluster that loses its last row takes the row that is least like its centroid.

    Args:
        vectors: unit rows, float32 (n, d).
        count: clusters, 1 to n.
        seed: of the starting points.
        iterations: at most; it ends before when no row changes its cluster.

    Returns:
        Unit centroids (count, d), and the cluster of each row (n,).

    Raises:
        InputError: fewer rows than clusters, or no cluster.
    """
    if not 1 <= count <= len(vectors):
        raise InputError(f"{count} clusters of {len(vectors)} texts are asked for; ask for 1 to {len(vectors)}")
    rng = np.random.default_rng(seed)
    centroids = _starts(vectors, count, rng)
    labels, cosines = assign(vectors, centroids)
    for _ in range(iterations):
        sums = np.stack([np.bincount(labels, column, count) for column in vectors.T], axis=1)
        empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
        sums[empty] = vectors[np.argsort(cosines, kind="stable")[: len(empty)]]
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        # Rows that cancel each other out have no direction; their centroid stays where it was.
        centroids = np.where(lengths > 1e-9, sums / np.maximum(lengths, 1e-9), centroids).astype(np.float32)
        before = labels
        labels, cosines = assign(vectors, centroids)
        if np.array_equal(labels, before):
            break
    return centroids, labels


def _starts(vectors: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    size = min(len(vectors), _SEEDS_FROM * count)
    sample = vectors[np.sort(rng.choice(len(vectors), size, replace=False))]
    chosen = [int(rng.integers(size))]
    distance = np.maximum(1 - sample @ sample[chosen[0]], 0)
    trials = 2 + int(np.log(count))
    for _ in range(count - 1):
        total = float(distance.sum(dtype=np.float64))
        weights = distance.astype(np.float64) / total if total > 1e-9 else None  # all rows alike: any will do
        drawn = rng.choice(size, trials, p=weights / weights.sum() if weights is not None else None)
        left = np.minimum(distance[:, None], np.maximum(1 - sample @ sample[drawn].T, 0))
        best = int(left.sum(axis=0).argmin())
        chosen.append(int(drawn[best]))
        distance = left[:, best]
    starts: Vectors = sample[chosen]
    return starts
