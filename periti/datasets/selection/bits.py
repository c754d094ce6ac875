"""A yes or no for each row of a pool, at one bit each, read and written a stretch at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRETCH = 1 << 14
"""Rows that are worked on at once: a fixed number, so that no sum depends on how a pool was cut. A multiple of 8.

Small enough that the arrays of a stretch do not show in a job's memory, which then is the same for any pool."""


class Bits:
    """Marks of rows 0 to size - 1, all false at first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._bytes = np.zeros((size + 7) // 8, np.uint8)

    def stretch(self, first: int, count: int) -> NDArray[np.bool_]:
        """Marks of `count` rows from row `first`, a multiple of 8."""
        packed = self._bytes[first // 8 : (first + count + 7) // 8]
        return np.unpackbits(packed, count=count).view(np.bool_)

    def anywhere(self, first: int, count: int) -> NDArray[np.bool_]:
        """Marks of `count` rows from any row `first`."""
        before = first % 8
        return self.stretch(first - before, before + count)[before:]

    def mark(self, first: int, marks: NDArray[np.bool_]) -> None:
        """Also mark the rows from `first`, a multiple of 8, where `marks` is true."""
        packed = np.packbits(marks)
        self._bytes[first // 8 : first // 8 + len(packed)] |= packed

    def mark_rows(self, rows: NDArray[np.int64]) -> None:
        """Also mark these rows."""
        np.bitwise_or.at(self._bytes, rows >> 3, (128 >> (rows & 7)).astype(np.uint8))

    def count(self) -> int:
        """How many are marked."""
        return int(np.bitwise_count(self._bytes).sum())

    def rows(self) -> NDArray[np.int64]:
        """The marked rows, ascending."""
        return np.flatnonzero(self.stretch(0, self.size)).astype(np.int64)
