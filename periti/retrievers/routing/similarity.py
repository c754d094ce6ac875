"""Similarities of vectors that are the same, bit for bit, whatever else is in the batch.

A matrix product of a whole batch rounds differently from the product of one row, so a query on a tie would change its
expert with its neighbours. Here every row is computed by the same operations alone and in a batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.protocols import Vectors

Floats = NDArray[np.float64]
_BLOCK = 256
_MARGIN = 1e-4
"""More than single precision can be wrong about a dot product of two vectors of length one and 4,096 dimensions."""


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows float64 (n, d) of length one; a row of zeros stays zero."""
    rows = np.ascontiguousarray(rows, np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return rows / np.where(lengths > 0, lengths, 1.0)


def dots(queries: NDArray[np.floating], vectors: NDArray[np.floating]) -> Floats:
    """Inner products float64 (q, n) of queries (q, d) and vectors (n, d), by one matrix-vector product a query."""
    left = np.ascontiguousarray(vectors, np.float64)
    right = np.ascontiguousarray(queries, np.float64)
    return np.ascontiguousarray(np.matmul(left[None], right[:, :, None])[:, :, 0])


def nearest(queries: Vectors, vectors: Vectors, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """The k most similar vectors of every query.

    A matrix product in single precision finds the candidates, with a margin for its rounding; they are then compared
    in double precision one by one.

    Args:
        queries: float32 (q, d), of length one.
        vectors: float32 (n, d), of length one.
        k: how many; all if there are fewer.

    Returns:
        Similarities float64 (q, k) and row numbers int64 (q, k), best first, ties by row number.
    """
    k = min(k, len(vectors))
    similarities = np.empty((len(queries), k))
    rows = np.empty((len(queries), k), np.int64)
    queries = np.ascontiguousarray(queries, np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        rough = block @ vectors.T
        cut = np.partition(rough, len(vectors) - k, axis=1)[:, len(vectors) - k] - _MARGIN
        for i, query in enumerate(block):
            near = np.flatnonzero(rough[i] >= cut[i])
            exact = (vectors[near].astype(np.float64) * query.astype(np.float64)).sum(axis=1)
            first = np.lexsort((near, -exact))[:k]
            similarities[start + i], rows[start + i] = exact[first], near[first]
    return similarities, rows
