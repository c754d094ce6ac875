"""Near-duplicates of a pool by MinHash, each verified by its exact Jaccard coefficient.

Three steps in bounded memory: the pool streams by once and leaves shingles and band keys in scratch files; band after
band, texts with the same key are compared; what is alike is joined to clusters, of which one text stays. Memory is
about 90 bytes a text, and a block; disk 8 bytes a text and band (128 by default) and 4 bytes a distinct shingle.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.components import Components, Rows, spokesmen
from periti.datasets.selection.minhash import Bands
from periti.datasets.selection.selector import Blocks
from periti.datasets.selection.shingles import Shingling
from periti.datasets.selection.stages import Keep
from periti.errors import ConfigError, InputError

Pairs = tuple[Rows, Rows]
Values = Callable[[], NDArray[np.float64]]
_CHARACTERS = 1 << 20
"""Of texts that are hashed at once: about 60 bytes each for a moment."""
_SHINGLES = 1 << 21
"""Of pairs that are compared at once."""


@dataclass(frozen=True)
class Duplicates:
    """Which texts say what another says.

    Attributes:
        kept: of each text the row that stays in its place, int32 (n,); its own where it stays itself.
        compared: pairs whose Jaccard coefficient was computed.
        crowded: texts in a bucket too large for all its pairs to be compared; some of their duplicates may stay.
    """

    kept: Rows
    compared: int = 0
    crowded: int = 0

    @property
    def stays(self) -> NDArray[np.bool_]:
        """Whether each text stays, bool (n,)."""
        mask: NDArray[np.bool_] = self.kept == np.arange(len(self.kept))
        return mask

    @property
    def removed(self) -> int:
        """Texts that go."""
        return int(np.count_nonzero(~self.stays))


@dataclass(frozen=True)
class NearDuplicates:
    """Clusters of texts whose sets of shingles have a Jaccard coefficient of at least `threshold`, along chains.

    A chain may join two texts that are less alike: of a, b, c with a like b and b like c only a stays.

    Attributes:
        threshold: smallest Jaccard coefficient of a duplicate, above 0 and at most 1.
        shingling: what is compared.
        bands: how candidates are found; see `Bands.recall`.
        width: of a bucket with more texts, each is compared with its `width` neighbours in the pool's order and with
            the bucket's first text only.
    """

    threshold: float = 0.8
    shingling: Shingling = field(default_factory=Shingling)
    bands: Bands = field(default_factory=Bands)
    width: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"the threshold of near-duplicates is {self.threshold}; it must be above 0, at most 1")
        if self.width < 1:
            raise ConfigError(f"near-duplicates compare {self.width} neighbours; it must be at least 1")

    def find(
        self, pool: Blocks, *, seed: int, scores: NDArray[np.float64] | None = None, scratch: Path | None = None
    ) -> Duplicates:
        """The duplicates of a pool; of each cluster its first text stays, or the best scored.

        Args:
            pool: its texts; read once.
            seed: of the permutations.
            scores: float64 (n,), larger is better.
            scratch: a folder with room for the scratch files; the system's own by default. They are deleted.

        Raises:
            InputError: an empty pool, or another number of scores than texts.
        """
        with tempfile.TemporaryDirectory(prefix="periti-", dir=scratch) as folder:
            sketch = _Sketch.of(pool, self, Path(folder), seed)
            if not len(sketch):
                raise InputError("the pool has no text; name a pool with at least one")
            if scores is not None and len(scores) != len(sketch):
                raise InputError(f"there are {len(scores)} scores for {len(sketch)} texts; give one for each text")
            components = Components(len(sketch))
            compared, crowded = 0, np.zeros(len(sketch), dtype=bool)
            for band in range(self.bands.count):
                rows, bucket = sketch.buckets(band)
                for left, right in _candidates(rows, bucket, self.width):
                    apart = components.of(left) != components.of(right)
                    alike = sketch.alike((left[apart], right[apart]), self.threshold)
                    compared += int(np.count_nonzero(apart))
                    components.join(left[apart][alike], right[apart][alike])
                large = np.bincount(bucket, minlength=1)[bucket] > self.width + 1
                first = _firsts(rows[large], bucket[large])
                crowded[rows[large][components.of(rows[large]) != components.of(first)]] = True
            return Duplicates(spokesmen(components.all(), scores), compared, int(crowded.sum()))


@dataclass
class NearDuplicateStage:
    """Near-duplicates as a stage of a selection.

    Attributes:
        options: what is a duplicate.
        scores: gives the value of each text of the pool, (n,), larger is better; None keeps the first of a cluster.
        scratch: a folder for scratch files.
        found: the result, once `stay` was asked.
    """

    options: NearDuplicates = field(default_factory=NearDuplicates)
    scores: Values | None = None
    scratch: Path | None = None
    found: Duplicates | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it takes out, and, once it has, what it could not compare."""
        crowded = self.found.crowded if self.found else 0
        left = f"; not all pairs compared of {crowded:,} texts that share a band with many" if crowded else ""
        return f"near-duplicates (Jaccard {self.options.threshold:g} or more{left})"

    def stay(self, pool: Blocks, *, seed: int) -> Keep:
        """Which of the pool's n texts stay, bool (n,).

        Raises:
            InputError: an empty pool, or another number of scores than texts.
        """
        scores = None if self.scores is None else self.scores()
        self.found = self.options.find(pool, seed=seed, scores=scores, scratch=self.scratch)
        return self.found.stays


class _Sketch:
    """Shingles and band keys of a pool in files."""

    def __init__(self, folder: Path, sizes: NDArray[np.int64]) -> None:
        self._folder, self._sizes = folder, sizes
        self._begins = np.cumsum(sizes) - sizes
        self._some = np.flatnonzero(sizes).astype(np.int32)

    @classmethod
    def of(cls, pool: Blocks, options: NearDuplicates, folder: Path, seed: int) -> Self:
        sizes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        keys = [(folder / f"band-{band}").open("wb") for band in range(options.bands.count)]
        try:
            with (folder / "shingles").open("wb") as out:
                for texts in _portions(pool):
                    shingles, offsets = options.shingling.sets(texts)
                    counts = np.diff(offsets)
                    sizes.append(counts)
                    out.write(shingles.tobytes())
                    if len(shingles):
                        bounds = np.append(offsets[:-1][counts > 0], offsets[-1])
                        for file, column in zip(keys, options.bands.keys(shingles, bounds, seed).T, strict=True):
                            file.write(column.tobytes())
        finally:
            for file in keys:
                file.close()
        return cls(folder, np.concatenate(sizes))

    def __len__(self) -> int:
        return len(self._sizes)

    def buckets(self, band: int) -> tuple[Rows, NDArray[np.int32]]:
        """Rows that share their key of the band, bucket by bucket in the pool's order, and the number of the bucket."""
        keys = np.fromfile(self._folder / f"band-{band}", dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = keys[1:] != keys[:-1]
        bucket = np.cumsum(new, dtype=np.int32) - 1
        shared = np.bincount(bucket)[bucket] > 1 if len(bucket) else np.zeros(0, bool)
        return self._some[order[shared]], bucket[shared]

    def alike(self, pairs: Pairs, threshold: float) -> NDArray[np.bool_]:
        """Whether each pair reaches the threshold, bool (pairs,)."""
        left, right = pairs
        small = np.minimum(self._sizes[left], self._sizes[right])
        large = np.maximum(self._sizes[left], self._sizes[right])
        alike: NDArray[np.bool_] = small >= threshold * large  # a Jaccard coefficient is at most small / large
        possible = np.flatnonzero(alike)
        total = np.cumsum((small + large)[possible]) // _SHINGLES
        with (self._folder / "shingles").open("rb") as file:
            for part in np.split(possible, np.flatnonzero(np.diff(total)) + 1) if len(possible) else []:
                both = self._common((left[part], right[part]), file.fileno())
                # The tolerance lets 11 of 20 reach 0.55, which floating point puts above 11 / 20.
                alike[part] = both + 1e-9 >= threshold * (small[part] + large[part] - both)
        return alike

    def _common(self, pairs: Pairs, file: int) -> NDArray[np.int64]:
        """Shingles that the two of each pair share."""
        owners, values = [], []
        for side in pairs:
            sizes = self._sizes[side]
            owners.append(np.repeat(np.arange(len(side), dtype=np.uint64), sizes))
            read = (os.pread(file, 4 * size, 4 * begin) for size, begin in zip(sizes, self._begins[side], strict=True))
            values.append(np.frombuffer(b"".join(read), dtype=np.uint32).astype(np.uint64))
        keys = np.sort((np.concatenate(owners) << np.uint64(32)) | np.concatenate(values))
        twice = keys[1:][keys[1:] == keys[:-1]]
        return np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(pairs[0]))


def _portions(pool: Blocks) -> Iterator[Sequence[str]]:
    """The texts in portions of few characters; a longer text is a portion by itself."""
    portion: list[str] = []
    held = 0
    for block in pool():
        for text in block:
            if portion and held + len(text) > _CHARACTERS:
                yield portion
                portion, held = [], 0
            portion.append(text)
            held += len(text)
    if portion:
        yield portion


def _firsts(rows: Rows, bucket: NDArray[np.int32]) -> Rows:
    """The first row of each row's bucket; buckets stand together."""
    new = np.ones(len(bucket), dtype=bool)
    new[1:] = bucket[1:] != bucket[:-1]
    return rows[np.maximum.accumulate(np.where(new, np.arange(len(bucket)), 0))]


def _candidates(rows: Rows, bucket: NDArray[np.int32], width: int) -> Iterator[Pairs]:
    """Pairs within buckets: each row with the bucket's first, then with the row 1, 2, ... `width` places before it."""
    yield _firsts(rows, bucket), rows
    for step in range(1, width + 1):
        same = np.flatnonzero(bucket[step:] == bucket[:-step])
        if not len(same):
            return
        yield rows[same], rows[same + step]
