"""Token vectors in few bits: the nearest of k centroids, and the rest of each dimension in one of 2^n buckets.

Residual compression of ColBERTv2 (Santhanam et al., NAACL 2022, §3.3) as PLAID's index has it (CIKM 2022): buckets are
quantiles of the residuals' values, and stand for the median of what falls into them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.protocols import Vectors

NBITS = (1, 2, 4)
PER_CENTROID = 8
"""Tokens that a centroid stands for at least, on average; it keeps the codebook of a small collection small."""
_BLOCK = 4096


def centroids_for(tokens: int) -> int:
    """How many centroids: 2^⌊log2(16 √tokens)⌋ as PLAID, but no more than a power of two that leaves 8 tokens each."""
    wanted = math.floor(math.log2(16 * math.sqrt(max(tokens, 1))))
    return int(2 ** max(0, min(wanted, math.floor(math.log2(max(tokens / PER_CENTROID, 1))))))


def nearest_centroids(vectors: Vectors, centroids: Vectors) -> NDArray[np.int64]:
    """The centroid with the largest inner product, int64 (t,), for vectors (t, d) and centroids (k, d)."""
    parts = [(vectors[start : start + _BLOCK] @ centroids.T).argmax(axis=1) for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def spherical_means(vectors: Vectors, k: int, seed: int, iterations: int = 4) -> Vectors:
    """Unit centroids of unit vectors by Lloyd's algorithm on inner products.

    Args:
        vectors: float32 (t, d), t >= k.
        k: how many centroids.
        seed: draws the vectors that they start from.
        iterations: rounds; PLAID takes 4.

    Returns:
        float32 (k, d); a centroid that loses all its vectors stays where it was.
    """
    start = np.sort(np.random.default_rng(seed).choice(len(vectors), size=k, replace=False))
    centroids = vectors[start].copy()
    for _ in range(iterations):
        owner = nearest_centroids(vectors, centroids)
        order = np.argsort(owner, kind="stable")
        held, first = np.unique(owner[order], return_index=True)
        sums = np.add.reduceat(vectors[order], first, axis=0, dtype=np.float64)
        lengths = np.linalg.norm(sums, axis=1)
        moved = lengths > 0
        centroids[held[moved]] = sums[moved] / lengths[moved, None]
    return centroids


@dataclass(frozen=True)
class Codec:
    """How vectors become codes and back.

    Attributes:
        centroids: float32 (k, d).
        cutoffs: float32 (2^n - 1,), ascending: where one bucket ends and the next begins.
        weights: float32 (2^n,): what each bucket stands for.
    """

    centroids: Vectors
    cutoffs: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def fitted(cls, sample: Vectors, k: int, nbits: int, *, seed: int, iterations: int = 4) -> Self:
        """Centroids and buckets of a sample, float32 (t, d) of unit vectors, t >= k.

        Args:
            sample: the vectors.
            k: how many centroids.
            nbits: 1, 2 or 4 bits a dimension.
            seed: of the centroids' start.
            iterations: rounds of k-means.
        """
        centroids = spherical_means(sample, k, seed, iterations)
        rest = (sample - centroids[nearest_centroids(sample, centroids)]).ravel()
        steps = np.arange(2**nbits)
        return cls(
            centroids,
            np.quantile(rest, steps[1:] / 2**nbits).astype(np.float32),
            np.quantile(rest, (steps + 0.5) / 2**nbits).astype(np.float32),
        )

    @property
    def nbits(self) -> int:
        """Bits of each dimension."""
        return len(self.weights).bit_length() - 1

    @property
    def width(self) -> int:
        """Bytes of one residual."""
        return -(-int(self.centroids.shape[1]) * self.nbits // 8)

    def encode(self, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Centroids int64 (t,) and packed buckets uint8 (t, width) of vectors float32 (t, d)."""
        owner = nearest_centroids(vectors, self.centroids)
        buckets = np.searchsorted(self.cutoffs, vectors - self.centroids[owner], side="right").astype(np.uint8)
        each = 8 // self.nbits
        filled = np.zeros((len(vectors), self.width * each), np.uint8)
        filled[:, : buckets.shape[1]] = buckets
        packed = np.zeros((len(vectors), self.width), np.uint8)
        for place in range(each):
            packed |= filled[:, place::each] << np.uint8(8 - self.nbits * (place + 1))
        return owner, packed

    def decode(self, owner: NDArray[np.integer], packed: NDArray[np.uint8]) -> Vectors:
        """Unit vectors float32 (t, d) of what `encode` gave."""
        rest = self._table[packed].reshape(len(packed), -1)[:, : self.centroids.shape[1]]
        vectors = self.centroids[owner] + rest
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        """What the buckets in each byte stand for, float32 (256, 8 / nbits)."""
        each = 8 // self.nbits
        shifts = 8 - self.nbits * (np.arange(each) + 1)
        table: NDArray[np.float32] = self.weights[(np.arange(256)[:, None] >> shifts) & (2**self.nbits - 1)]
        return table


@dataclass(frozen=True)
class Reconstruction:
    """How near decoded vectors are to what they were, over a sample of tokens.

    Attributes:
        tokens: how many were compared.
        mean_squared_error: mean of |x - x'|².
        mean_cosine: mean of ⟨x, x'⟩.
        least_cosine: the worst of them.
    """

    tokens: int
    mean_squared_error: float
    mean_cosine: float
    least_cosine: float

    @classmethod
    def measured(cls, before: Vectors, after: Vectors) -> Self:
        """Of unit vectors float32 (t, d), before and after, t >= 1."""
        x, y = before.astype(np.float64), after.astype(np.float64)
        lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        cosines = np.einsum("td,td->t", x, y) / np.maximum(lengths, np.finfo(np.float64).tiny)
        error = float(((x - y) ** 2).sum(axis=1).mean())
        return cls(len(x), error, float(cosines.mean()), float(cosines.min()))
