"""What a rater reads of a text: hashed n-grams, the encoder's vector, how it is written, or only how long it is.

Length is nearly always part of what people prefer, and often nearly all of it. Three ways to treat it (`LENGTHS`):
"kept" counts n-grams, "normalised" divides the roots of the counts by their norm, and "removed" does so too and lets
the logarithm of the length explain what it can while the rater is fitted, without counting it when the rater rates.
Normalised n-grams still tell the length of a text, since each of them is smaller in a longer text: measure before you
call it length-free (`periti train rater` prints both).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.features import HashedNgrams, Occurrences
from periti.datasets.selection.quality.design import Design
from periti.datasets.selection.quality.surface import NAMES, Frequencies, surface
from periti.datasets.selection.quality.windows import windowed
from periti.datasets.selection.selector import Embed
from periti.datasets.selection.words import words_of
from periti.errors import InputError
from periti.registry import nearest

Floats = NDArray[np.float64]

HASHED, ENCODER, SURFACE, LENGTH = "hashed", "encoder", "surface", "length"
KINDS = (HASHED, ENCODER, SURFACE, LENGTH)
KEPT, NORMALISED, REMOVED = "kept", "normalised", "removed"
LENGTHS = (KEPT, NORMALISED, REMOVED)


@dataclass(frozen=True)
class FeatureOptions:
    """Which features.

    Attributes:
        kinds: some of KINDS; their scores add up.
        length: one of LENGTHS.
        n: words of the longest n-gram.
        buckets: that n-grams are hashed into.
        window: words of a window; longer texts are cut and their windows averaged.
    """

    kinds: tuple[str, ...] = (HASHED,)
    length: str = NORMALISED
    n: int = 2
    buckets: int = 1 << 16
    window: int = 512

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise InputError(f"no features {kind!r}; {nearest(kind, KINDS)}")
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise InputError(f"features {', '.join(self.kinds) or 'of no kind'} were asked for; name each kind once")
        if self.length not in LENGTHS:
            raise InputError(f"length is {self.length!r}; {nearest(self.length, LENGTHS)}")
        if self.length == REMOVED and LENGTH in self.kinds:
            raise InputError("length can not be a feature and be removed; leave out one of the two")

    @property
    def ngrams(self) -> HashedNgrams:
        """Of hashed features."""
        return HashedNgrams(self.n, self.buckets)


USUAL_FEATURES = FeatureOptions()


@dataclass(frozen=True)
class FeatureMap:
    """Texts to features, with what was learned from the texts of a training set.

    Attributes:
        options: which features.
        mean, scale: of the surface numbers and the log length in training, float64 (9,).
        frequencies: of words in training; None without surface features.
        dimension: of the encoder's vectors; 0 without.
    """

    options: FeatureOptions
    mean: Floats
    scale: Floats
    frequencies: Frequencies | None = None
    dimension: int = 0

    @property
    def dense(self) -> tuple[str, ...]:
        """Names of the dense columns."""
        names = list[str]()
        if LENGTH in self.options.kinds:
            names.append("log words")
        if SURFACE in self.options.kinds:
            names += NAMES
        if ENCODER in self.options.kinds:
            names += [f"{ENCODER} {number}" for number in range(self.dimension)]
        return tuple(names)

    @property
    def columns(self) -> int:
        """Of a design."""
        return len(self.dense) + (self.options.buckets if HASHED in self.options.kinds else 0)

    def design(self, texts: Sequence[str], embed: Embed | None = None) -> tuple[Design, NDArray[np.int64]]:
        """Features of texts, windows averaged by their words, and the number of words of each, int64 (n,).

        Raises:
            InputError: encoder features without an encoder, or vectors of another dimension than in training.
        """
        options, windows = self.options, windowed(texts, self.options.window)
        totals = np.bincount(windows.owner, windows.words, windows.size).astype(np.int64)
        part = windows.words / np.maximum(totals[windows.owner], 1)
        firsts = np.append(np.searchsorted(windows.owner, np.arange(windows.size)), len(part))
        blocks = []
        if LENGTH in options.kinds:
            blocks.append((np.log1p(totals)[:, None] - self.mean[-1:]) / self.scale[-1:])
        if SURFACE in options.kinds and self.frequencies is not None:
            numbers = (surface(windows.texts, self.frequencies) - self.mean[:-1]) / self.scale[:-1]
            # Together as large as the unit vectors beside them, so that one penalty fits all.
            blocks.append(_averaged(numbers / np.sqrt(len(NAMES)), part, firsts))
        if ENCODER in options.kinds:
            blocks.append(_averaged(self._embedded(windows.texts, embed), part, firsts))
        dense = np.concatenate([np.zeros((windows.size, 0)), *blocks], axis=1)
        if HASHED not in options.kinds:
            return Design(dense, np.zeros(windows.size + 1, np.int64), np.zeros(0, np.int64), np.zeros(0), 0), totals
        hashed = hashed_rows(options.ngrams.of(windows.texts), options.buckets, options.length)
        value = hashed.value * np.repeat(part, np.diff(hashed.indptr))
        return Design(dense, hashed.indptr[firsts], hashed.column, value, options.buckets), totals

    def _embedded(self, texts: Sequence[str], embed: Embed | None) -> Floats:
        if embed is None:
            raise InputError("this rater reads encoder features; hand it the encoder that it was trained with")
        vectors = np.asarray(embed(texts), np.float64).reshape(len(texts), -1)
        if texts and self.dimension and vectors.shape[1] != self.dimension:
            raise InputError(
                f"the encoder gives {vectors.shape[1]} numbers a text, the rater was trained on {self.dimension}; "
                "hand it the encoder that it was trained with"
            )
        return vectors.reshape(len(texts), self.dimension or vectors.shape[1])


def fit_features(options: FeatureOptions, texts: Sequence[str], embed: Embed | None = None) -> FeatureMap:
    """Learn what the features need from the texts that a rater learns from.

    Raises:
        InputError: no text, or encoder features without an encoder.
    """
    if not texts:
        raise InputError("there is no text to learn features from; give at least one")
    lengths = np.log1p(np.diff(words_of(texts).indptr))
    if SURFACE in options.kinds:
        frequencies = Frequencies.of(texts)
        numbers = surface(texts, frequencies)
    else:
        frequencies, numbers = None, np.zeros((len(texts), len(NAMES)))
    numbers = np.column_stack([numbers, lengths])
    scale = numbers.std(axis=0)
    dimension = 0
    if ENCODER in options.kinds:
        if embed is None:
            raise InputError("encoder features were asked for without an encoder; hand one in")
        dimension = int(np.asarray(embed(texts[:1])).shape[1])
    return FeatureMap(options, numbers.mean(axis=0), np.where(scale > 0, scale, 1.0), frequencies, dimension)


def hashed_rows(found: Occurrences, buckets: int, length: str) -> Design:
    """Counts of n-grams as the rows of a sparse matrix, each bucket once a text.

    Args:
        found: the n-grams.
        buckets: how many there are.
        length: "kept" gives log(1 + count); else square roots of counts, divided by their norm.
    """
    n = len(found.indptr) - 1
    owner = np.repeat(np.arange(n), np.diff(found.indptr))
    cells, counts = np.unique(owner * buckets + found.bucket, return_counts=True)
    rows, column = np.divmod(cells, buckets)
    value = np.log1p(counts) if length == KEPT else np.sqrt(counts / np.bincount(owner, minlength=n)[rows])
    return Design(np.zeros((n, 0)), np.searchsorted(rows, np.arange(n + 1)), column, value, buckets)


def remembering(embed: Embed) -> Embed:
    """The same encoder, each text encoded once; for judged texts, which are few."""
    known: dict[str, NDArray[np.float32]] = {}

    def embedded(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return embedded


def _averaged(rows: Floats, part: Floats, firsts: NDArray[np.int64]) -> Floats:
    """Weighted sums of each text's rows; every text has one at least."""
    if not len(rows):
        return rows
    sums: Floats = np.add.reduceat(rows * part[:, None], firsts[:-1], axis=0)
    return sums
