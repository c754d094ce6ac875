"""Texts as sets of hashed shingles: runs of consecutive words or characters (Broder 1997, "On the resemblance").

A block of texts is hashed at once: no loop over words or texts in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Hashes, Ints, joined, stirred
from periti.datasets.selection.words import words_of
from periti.errors import ConfigError

WORDS, CHARACTERS = "words", "characters"
UNITS = (WORDS, CHARACTERS)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Shingling:
    """What a shingle is.

    Attributes:
        unit: "words" (of letters and digits; each character of a script without spaces counts as one) or "characters"
            (of the text with all white space as one space).
        size: units in a shingle; a shorter text is one shingle.
    """

    unit: str = WORDS
    size: int = 3

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"shingles are made of {self.unit!r}; choose one of {', '.join(UNITS)}")
        if self.size < 1:
            raise ConfigError(f"a shingle has {self.size} {self.unit}; it must have at least 1")

    def sets(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], Ints]:
        """The distinct shingles of n texts, ascending within a text.

        Returns:
            Hashes uint32, one text after the other, and n + 1 offsets into them. A text without a letter or digit (for
            characters: a blank one) has none. Case does not count. Two different shingles share a hash with probability
            2^-32, so texts of 100 words look more alike than they are once in half a million pairs, and then by 1 %.
        """
        values, offsets = _words(texts) if self.unit == WORDS else _characters(texts)
        return _distinct(*_runs(values, offsets, self.size))


def _characters(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """One hash a character, and the number of characters before each text."""
    lowered = [" ".join(text.lower().split()) for text in texts]
    codes = np.frombuffer("".join(lowered).encode("utf-32-le", "surrogatepass"), "<u4")
    return stirred(codes.astype(np.uint64) + np.uint64(1)), _offsets(np.fromiter(map(len, lowered), np.int64))


def _words(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """One hash a word of letters or digits, and the number of such words before each text."""
    words = words_of(texts)
    codes = np.frombuffer(words.text.encode("utf-32-le", "surrogatepass"), "<u4")
    spoken = np.strings.isalnum(np.ascontiguousarray(codes[words.starts]).view("U1"))
    return words.hashes[spoken], _offsets(spoken)[words.indptr]


def _runs(values: Hashes, offsets: Ints, size: int) -> tuple[Hashes, Ints]:
    """Hashes of runs of `size` values within each text; a shorter text gives one run."""
    counts = np.diff(offsets)
    runs = np.where(counts > 0, np.maximum(counts - size + 1, 1), 0)
    bounds, ends = _offsets(runs), np.repeat(offsets[1:], runs)
    begins = np.repeat(offsets[:-1] - bounds[:-1], runs) + np.arange(bounds[-1])
    hashes = values[begins]
    for step in range(1, size):
        there = begins + step < ends
        hashes[there] = joined(hashes[there], values[begins[there] + step])
    return hashes, bounds


def _distinct(values: Hashes, offsets: Ints) -> tuple[NDArray[np.uint32], Ints]:
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint64), np.diff(offsets))
    keys = np.sort((owner << _HALF) | (values >> _HALF))
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    keys = keys[new]
    bounds = np.searchsorted(keys, np.arange(len(offsets), dtype=np.uint64) << _HALF)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), bounds.astype(np.int64)


def _offsets(counts: NDArray[np.int64] | NDArray[np.bool_]) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
