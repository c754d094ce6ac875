"""Hashes of spans of a character array, the same on every machine and in every process, without a Python loop.

The hash of characters c_0..c_l is the polynomial sum of (c_j + 1) B^j modulo 2^64, stirred. One product with the powers
of B and one running sum serve a whole window of text: B is odd and so has an inverse, by which the sum of a span, a
difference of two running ones, is moved to its own origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint16] | NDArray[np.uint32]

_WINDOW = 1 << 15
"""Characters worked on at once: few enough for a core's cache, many beside the price of a call of NumPy."""
_BASE = 0x9E3779B97F4A7C15
_STIR = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@cache
def _powers(base: int) -> Hashes:
    """base^0 .. base^(window - 1) modulo 2^64."""
    factors = np.full(_WINDOW, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


@cache
def _inverse() -> int:
    return pow(_BASE, -1, 1 << 64)


def stirred(hashes: Hashes) -> Hashes:
    """Every bit of a hash made to depend on all of them (a multiply between two shifts)."""
    mixed = hashes >> _HALF
    mixed ^= hashes
    mixed *= _STIR
    mixed ^= mixed >> _HALF
    return mixed


def joined(left: Hashes, right: Hashes) -> Hashes:
    """Hashes of pairs, in order: of (a, b) another than of (b, a)."""
    return stirred(left * _STIR + right)


def within(hashes: Hashes, buckets: int) -> Ints:
    """Each hash's bucket, int64 of 0 .. buckets - 1, by its upper 32 bits."""
    found = hashes >> _HALF
    found *= np.uint64(buckets)
    found >>= _HALF
    return found.view(np.int64)


def span_hashes(codes: Codes, starts: Ints, ends: Ints) -> Hashes:
    """A hash of each span of an array.

    Args:
        codes: (c,).
        starts: (m,), ascending.
        ends: (m,), each after its start and not after the next one.

    Returns:
        uint64 (m,); depends on the codes of the span alone.
    """
    found = np.empty(len(starts), np.uint64)
    for first, last in _windows(starts, ends):
        begin, end = starts[first], ends[last - 1]
        if end - begin > _WINDOW:
            found[first] = _long(codes[begin:end])
            continue
        sums = np.zeros(end - begin + 1, np.uint64)
        terms = codes[begin:end].astype(np.uint64)
        terms += 1
        terms *= _powers(_BASE)[: end - begin]
        np.cumsum(terms, out=sums[1:])
        own, after = starts[first:last] - begin, ends[first:last] - begin
        found[first:last] = (sums[after] - sums[own]) * _powers(_inverse())[own]
    return stirred(found)


def _windows(starts: Ints, ends: Ints) -> Iterator[tuple[int, int]]:
    """Runs of spans (first, one after last) that fit a window; a longer span stands alone."""
    first = 0
    while first < len(starts):
        last = int(np.searchsorted(ends, starts[first] + _WINDOW, side="right"))
        last = max(last, first + 1)
        yield first, last
        first = last


def _long(codes: Codes) -> np.uint64:
    """The same sum for a span of any length, a window at a time."""
    total, factor, step = 0, 1, pow(_BASE, _WINDOW, 1 << 64)
    for begin in range(0, len(codes), _WINDOW):
        part = codes[begin : begin + _WINDOW]
        terms = (part + np.uint64(1)) * _powers(_BASE)[: len(part)]
        total = (total + factor * int(terms.sum(dtype=np.uint64))) % (1 << 64)
        factor = factor * step % (1 << 64)
    return np.uint64(total)
