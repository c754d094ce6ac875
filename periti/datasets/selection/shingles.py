"""Texts as sets of hashed shingles: runs of consecutive words or characters (Broder 1997, "On the resemblance").

A block of texts is hashed at once: no loop over words or texts in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]

WORDS, CHARACTERS = "words", "characters"
UNITS = (WORDS, CHARACTERS)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_UNSEGMENTED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x9FFF), (0xF900, 0xFAFF))
_UNSEGMENTED_WIDE = ((0x1B000, 0x1B16F), (0x20000, 0x323AF))
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Kana, Han."""


@dataclass(frozen=True)
class Shingling:
    """What a shingle is.

    Attributes:
        unit: "words" (runs of letters and digits; each character of a script without spaces counts as one) or
            "characters" (of the text with all white space as one space).
        size: units in a shingle; a shorter text is one shingle.
    """

    unit: str = WORDS
    size: int = 3

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"shingles are made of {self.unit!r}; choose one of {', '.join(UNITS)}")
        if self.size < 1:
            raise ConfigError(f"a shingle has {self.size} {self.unit}; it must have at least 1")

    def sets(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], Offsets]:
        """The distinct shingles of n texts, ascending within a text.

        Returns:
            Hashes uint32, one text after the other, and n + 1 offsets into them. A text without a letter or digit (for
            characters: an empty one) has none. Case is folded. Two different shingles share a hash with probability
            2^-32, so texts of 100 words look more alike than they are once in half a million pairs, and then by 1 %.
        """
        folded = [text.casefold() if self.unit == WORDS else " ".join(text.casefold().split()) for text in texts]
        values, offsets = _words(folded) if self.unit == WORDS else _characters(folded)
        return _distinct(*_runs(values, offsets, self.size))


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], Offsets]:
    """Code points of all texts, each text followed by one line feed, and where each text begins."""
    joined = "\n".join([*texts, ""])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts))
    return codes, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _characters(texts: Sequence[str]) -> tuple[Hashes, Offsets]:
    codes, begins = _codes(texts)
    keep = np.ones(len(codes), dtype=bool)
    keep[begins[1:] - 1] = False
    return _mixed(codes[keep].astype(np.uint64)), begins - np.arange(len(begins))


def _words(texts: Sequence[str]) -> tuple[Hashes, Offsets]:
    """One hash a word and the number of words before each text."""
    codes, begins = _codes(texts)
    kind = _kinds()[codes]
    before = np.concatenate([np.zeros(1, np.uint8), kind[:-1]])
    starts = np.flatnonzero((kind == 2) | ((kind == 1) & (before != 1)))
    offsets = np.searchsorted(starts, begins).astype(np.int64)
    if not len(starts):
        return np.zeros(0, np.uint64), offsets
    lengths = np.diff(np.append(starts, len(codes)))
    place = np.arange(starts[0], len(codes)) - np.repeat(starts, lengths)
    inside = kind[starts[0] :] > 0
    # A character right after a single-character word belongs to nobody unless it is a word itself.
    inside &= ~((place > 0) & (np.repeat(kind[starts], lengths) == 2))
    inside &= _until_first_gap(inside, place)
    weights = _powers(int(place.max()) + 1)[place]
    terms = np.where(inside, _mixed(codes[starts[0] :].astype(np.uint64)) * weights, np.uint64(0))
    return _mixed(np.add.reduceat(terms, starts - starts[0])), offsets


def _until_first_gap(inside: NDArray[np.bool_], place: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether no character since the word's beginning was outside it."""
    gaps = np.cumsum(~inside)
    at_start = gaps[place == 0]
    within: NDArray[np.bool_] = gaps == np.repeat(at_start, np.diff(np.append(np.flatnonzero(place == 0), len(place))))
    return within


def _runs(values: Hashes, offsets: Offsets, size: int) -> tuple[Hashes, Offsets]:
    """Hashes of runs of `size` values within each text; a shorter text gives one run."""
    counts = np.diff(offsets)
    runs = np.where(counts > 0, np.maximum(counts - size + 1, 1), 0)
    ends = np.repeat(offsets[1:], runs)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(runs)])
    begin = np.repeat(offsets[:-1], runs) + np.arange(first[-1]) - np.repeat(first[:-1], runs)
    total = np.zeros(len(begin), dtype=np.uint64)
    for step, weight in enumerate(_powers(size)):
        at = begin + step
        there = at < ends
        total[there] += values[at[there]] * weight
    return _mixed(total), first


def _distinct(values: Hashes, offsets: Offsets) -> tuple[NDArray[np.uint32], Offsets]:
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint64), np.diff(offsets))
    keys = np.sort((owner << _HALF) | (values >> _HALF))
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    keys = keys[new]
    bounds = np.searchsorted(keys, np.arange(len(offsets), dtype=np.uint64) << _HALF)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), bounds.astype(np.int64)


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit."""
    values = (values + _BASE).astype(np.uint64)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


def _powers(count: int) -> Hashes:
    """The first powers of an odd constant, modulo 2^64."""
    powers = np.full(count, _BASE | np.uint64(1))
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


@cache
def _kinds() -> NDArray[np.uint8]:
    """Of every code point: 0 between words, 1 letter or digit, 2 a word by itself."""
    kinds = np.strings.isalnum(np.arange(0x110000, dtype=np.uint32).view("U1")).astype(np.uint8)
    for low, high in (*_UNSEGMENTED, *_UNSEGMENTED_WIDE):
        kinds[low : high + 1] *= 2
    return kinds
