"""MinHash signatures in bands: texts that share a band are candidates for near-duplicates.

Broder (1997), "On the resemblance and containment of documents": two sets have the same smallest value under a random
permutation with probability equal to their Jaccard coefficient J. With b bands of r rows a pair becomes a candidate
with probability 1 - (1 - J^r)^b (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Bands:
    """How many values a signature has and how they are grouped.

    Attributes:
        count: bands; a text costs 8 bytes each on disk.
        rows: values of a band that must all agree.
    """

    count: int = 16
    rows: int = 4

    def __post_init__(self) -> None:
        if self.count < 1 or self.rows < 1:
            raise ConfigError(f"MinHash has {self.count} bands of {self.rows} rows; both must be at least 1")

    def recall(self, jaccard: float) -> float:
        """Probability that a pair of that Jaccard coefficient becomes a candidate."""
        return float(1 - (1 - jaccard**self.rows) ** self.count)

    def keys(self, shingles: NDArray[np.uint32], offsets: NDArray[np.int64], seed: int) -> Keys:
        """One key a text and band, uint64 (n, count): equal keys are what makes a pair a candidate.

        Args:
            shingles: hashes of all texts, one text after the other.
            offsets: n + 1 bounds of the texts in it, no text empty.
            seed: of the permutations; keys of different seeds do not compare.
        """
        rng = np.random.default_rng(seed)
        factors = rng.integers(0, 2**63, self.count * self.rows, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        shifts = rng.integers(0, 2**63, self.count * self.rows, dtype=np.uint64)
        values = shingles.astype(np.uint64)
        keys = np.zeros((len(offsets) - 1, self.count), dtype=np.uint64)
        for number, (factor, shift) in enumerate(zip(factors, shifts, strict=True)):
            # Multiply-shift of Dietzfelbinger (1996): two different hashes of 32 bits move independently.
            permuted = ((values * factor + shift) >> np.uint64(32)).astype(np.uint32)
            band = keys[:, number // self.rows]
            band *= np.uint64(0x9E3779B97F4A7C15)
            band += np.minimum.reduceat(permuted, offsets[:-1])
            band ^= band >> np.uint64(29)
        return keys
