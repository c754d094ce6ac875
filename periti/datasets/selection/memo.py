"""What is known about 64-bit hashes: a hash table in NumPy, asked and filled by whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Hashes, Ints

_FREE = -1


class BucketMemo:
    """A number for each of many hashes; it forgets everything before it outgrows its bound.

    Args:
        most: hashes kept; the table takes 24 to 96 bytes for each.
    """

    def __init__(self, most: int = 1 << 22) -> None:
        self._most = most
        self._clear(1 << 12)

    def __getstate__(self) -> dict[str, Any]:
        return {"most": self._most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["most"])  # type: ignore[misc]  # a copy knows nothing yet

    def _clear(self, size: int) -> None:
        self._keys: Hashes = np.zeros(size, np.uint64)
        self._values: NDArray[np.int32] = np.full(size, _FREE, np.int32)
        self._known = 0

    def __len__(self) -> int:
        return self._known

    def look_up(self, hashes: Hashes) -> Ints:
        """The number of each hash, int64 (m,); -1 where it is not known."""
        mask = np.uint64(len(self._keys) - 1)
        slots = (hashes & mask).astype(np.int64)
        found = self._values[slots].astype(np.int64)
        open_ = np.flatnonzero((self._keys[slots] != hashes) & (found != _FREE))
        while len(open_):
            slots = (slots if len(slots) == len(open_) else slots[open_]) + 1 & int(mask)
            found[open_] = self._values[slots]
            still = (self._keys[slots] != hashes[open_]) & (found[open_] != _FREE)
            open_, slots = open_[still], slots[still]
        return found

    def add(self, hashes: Hashes, numbers: Ints) -> None:
        """Learn distinct hashes that are not known yet.

        Args:
            hashes: (m,).
            numbers: int64 (m,), 0 to 2^31 - 1.
        """
        if self._known + len(hashes) > self._most and self._known:
            self._clear(len(self._keys))
        size = len(self._keys)
        while size < 2 * (self._known + len(hashes)):
            size *= 4  # each growth places all anew
        if size > len(self._keys):
            filled = self._values != _FREE
            old = self._keys[filled], self._values[filled]
            self._clear(size)
            self._place(*old)
        self._place(hashes, numbers)

    def _place(self, hashes: Hashes, numbers: NDArray[np.integer]) -> None:
        self._known += len(hashes)
        mask = len(self._keys) - 1
        slots = (hashes & np.uint64(mask)).astype(np.int64)
        left: NDArray[np.int64] = np.arange(len(hashes))
        while len(left):
            free = self._values[slots] == _FREE
            self._keys[slots[free]] = hashes[left[free]]  # of several for one slot the last stays
            won = free & (self._keys[slots] == hashes[left])
            self._values[slots[won]] = numbers[left[won]]
            left, slots = left[~won], slots[~won] + 1 & mask
