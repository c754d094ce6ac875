"""How a text is written, in eight numbers: the classic measures of readability, by NumPy over many texts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Codes, within
from periti.datasets.selection.words import Words, words_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NAMES = (
    "mean word length",
    "share of long words",
    "log words a sentence",
    "punctuation marks a word",
    "share of numbers",
    "mean log frequency of words",
    "share of rare words",
    "different words of fifty",
)
_BUCKETS = 1 << 16
_LONG = 7
_SEGMENT = 50
_RARE = 0.01
_ENDS = tuple(map(ord, ".!?\u2026\u3002\uff01\uff1f"))


@dataclass(frozen=True)
class Frequencies:
    """In how many texts words occur.

    Attributes:
        counts: float64 (buckets,), texts that hold a word of the bucket.
        texts: how many there were.
    """

    counts: Floats
    texts: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Frequencies:
        """Count in some texts, those that a rater learns from only."""
        words = words_of(texts)
        owner = np.repeat(np.arange(len(texts)), np.diff(words.indptr))
        seen = np.unique(owner * _BUCKETS + within(words.hashes, _BUCKETS))
        return cls(np.bincount(seen % _BUCKETS, minlength=_BUCKETS).astype(np.float64), len(texts))


def surface(texts: Sequence[str], frequencies: Frequencies) -> Floats:
    """The numbers of NAMES for each text, float64 (n, 8); zeros for a text without words.

    Args:
        texts: any.
        frequencies: of words in the texts that were learned from.
    """
    words, n = words_of(texts), len(texts)
    owner = np.repeat(np.arange(n), np.diff(words.indptr))
    codes = words.codes[words.starts]
    letters, digits = _which(codes, str.isalnum), _which(codes, str.isdigit)
    own, length = owner[letters], (words.ends - words.starts)[letters]
    count = np.bincount(own, minlength=n)
    known = frequencies.counts[within(words.hashes[letters], _BUCKETS)]
    sentences = np.maximum(np.bincount(owner[np.isin(codes, _ENDS)], minlength=n), 1)

    def per_word(values: Floats | NDArray[np.bool_], rows: Ints) -> Floats:
        sums: Floats = np.bincount(rows, weights=values, minlength=n) / np.maximum(count, 1)
        return sums

    return np.stack(
        [
            per_word(length.astype(np.float64), own),
            per_word(length >= _LONG, own),
            np.log(np.maximum(count, 1) / sentences),
            per_word(~letters, owner),
            per_word(digits[letters], own),
            per_word(np.log((1 + known) / (1 + frequencies.texts)), own),
            per_word(known < max(2.0, _RARE * frequencies.texts), own),
            _variety(words, owner, letters, n),
        ],
        axis=1,
    )


def _which(codes: Codes, test: Callable[[str], bool]) -> NDArray[np.bool_]:
    different, places = np.unique(codes, return_inverse=True)
    answers = np.array([test(chr(code)) for code in different.tolist()], bool)
    return answers[places] if len(different) else np.zeros(0, bool)


def _variety(words: Words, owner: Ints, letters: NDArray[np.bool_], n: int) -> Floats:
    """Mean share of different words in stretches of fifty, so that long texts are not poorer by being long."""
    own = owner[letters]
    firsts = np.searchsorted(own, np.arange(n))
    lengths = np.bincount(own, minlength=n)
    place = np.arange(len(own)) - firsts[own]
    # What is left over at the end counts only where there is no whole stretch.
    kept = (place < lengths[own] // _SEGMENT * _SEGMENT) | (lengths[own] < _SEGMENT)
    own, segment, hashes = own[kept], (place // _SEGMENT)[kept], words.hashes[letters][kept]
    order = np.lexsort((hashes, segment, own))
    new = np.ones(len(order), bool)
    for one in (own, segment, hashes):
        new[1:] &= one[order][1:] == one[order][:-1]
    new[1:] = ~new[1:]
    different = np.bincount(own[order][new], minlength=n)
    found: Floats = different / np.maximum(np.bincount(own, minlength=n), 1)
    return found
