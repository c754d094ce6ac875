"""Semantic de-duplication: texts that say the same in other words.

SemDeDup (Abbas et al. 2023, "SemDeDup: Data-efficient learning at web-scale through semantic deduplication"): vectors
are grouped by k-means, and within a group, of texts whose cosine reaches the threshold, one stays. Duplicates that fall
into different groups are not found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.clusters import Vectors, k_means
from periti.datasets.selection.keyed import text_words
from periti.datasets.selection.selector import Blocks, Embed
from periti.datasets.selection.stages import Keep
from periti.errors import ConfigError, InputError

Order = Callable[[NDArray[np.float32]], NDArray[np.intp]]
FARTHEST, CLOSEST, FIRST = "farthest", "closest", "first"
KEEPS = (FARTHEST, CLOSEST, FIRST)
_COMPARED = 1024
"""Rows of a group that are compared with it at once."""


@dataclass(frozen=True)
class SemanticDuplicates:
    """Keeps one of texts that mean the same. Memory: the vectors of the pool, 4 d bytes a text.

    Within a group texts are gone through in the order of `keep`; one that reaches the threshold with any text before
    it, kept or not, goes (as in SemDeDup: chains thin out more than pairs).

    Attributes:
        embed: texts to unit vectors.
        threshold: cosine from which two texts are duplicates, above 0 and at most 1.
        group: texts in a group on average; 0 compares all pairs.
        keep: of duplicates the "farthest" from their group's centroid (SemDeDup's choice), the "closest", or the
            "first" of the pool.
    """

    embed: Embed
    threshold: float = 0.95
    group: int = 500
    keep: str = FARTHEST

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(
                f"the threshold of semantic duplicates is {self.threshold}; it must be above 0, at most 1"
            )
        if self.group < 0:
            raise ConfigError(f"groups of {self.group} texts are asked for; it must be at least 0")
        if self.keep not in KEEPS:
            raise ConfigError(f"of semantic duplicates {self.keep!r} stays; choose one of {', '.join(KEEPS)}")

    @property
    def name(self) -> str:
        """What it takes out."""
        return f"semantic duplicates (cosine {self.threshold:g} or more)"

    def stay(self, pool: Blocks, *, seed: int) -> Keep:
        """Which of the pool's n texts stay, bool (n,).

        Raises:
            InputError: an empty pool.
        """
        seen: set[int] = set()
        vectors: list[Vectors] = []
        new: list[bool] = []
        blank: list[bool] = []
        for texts in pool():
            fresh = []
            for text, key in zip(texts, text_words(tuple(texts)).tolist(), strict=True):
                blank.append(not text.strip())
                new.append(not blank[-1] and key not in seen)
                if new[-1]:
                    seen.add(key)
                    fresh.append(text)
            if fresh:
                vectors.append(self.embed(fresh))
        if not vectors:
            raise InputError("the pool has no text; name a pool with at least one")
        # Copies go before anything is compared: the last bits of their vectors shall not decide which one stays.
        stays = np.array(blank)
        stays[np.array(new)] = self.distinct(np.concatenate(vectors), seed=seed)
        return stays

    def distinct(self, vectors: Vectors, *, seed: int) -> Keep:
        """The same for unit vectors, float32 (n, d)."""
        count = max(1, len(vectors) // self.group) if self.group else 1
        centroids, labels = k_means(vectors, count, seed=seed)
        order = np.argsort(labels, kind="stable")
        bounds = np.searchsorted(labels[order], np.arange(count + 1))
        stays = np.ones(len(vectors), dtype=bool)
        for number in range(count):
            rows = order[bounds[number] : bounds[number + 1]]
            rows = rows[self._preferred(vectors[rows] @ centroids[number])]
            stays[rows] = _unlike_all_before(vectors[rows], self.threshold)
        return stays

    def _preferred(self, cosines: NDArray[np.float32]) -> NDArray[np.intp]:
        """Places in the order of preference; of equals the first of the pool."""
        if self.keep == FIRST:
            return np.arange(len(cosines))
        # Rounded, since copies of a text differ in their last bits.
        rounded = np.round(cosines.astype(np.float64), 6)
        return np.argsort(rounded if self.keep == FARTHEST else -rounded, kind="stable")


def _unlike_all_before(vectors: Vectors, threshold: float) -> Keep:
    """Whether no earlier row reaches the threshold, bool (n,)."""
    unlike = np.ones(len(vectors), dtype=bool)
    for at in range(0, len(vectors), _COMPARED):
        end = min(at + _COMPARED, len(vectors))
        similar = vectors[at:end] @ vectors[:end].T
        similar[np.arange(end)[None, :] >= np.arange(at, end)[:, None]] = -1
        # float32 puts the cosine of copies a few units below 1.
        unlike[at:end] = similar.max(axis=1) < threshold - 1e-5
    return unlike
