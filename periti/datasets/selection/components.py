"""Connected components of a growing graph over numbered texts, and who speaks for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]


class Components:
    """Union-find over 0..n-1 by whole arrays; a component is known by its smallest member.

    Args:
        size: n; memory is 4 n bytes.
    """

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.int32)

    def of(self, rows: Rows) -> Rows:
        """The smallest member of the component of each row."""
        found = rows
        while True:
            above = self._parent[found]
            if np.array_equal(above, found):
                self._parent[rows] = found
                return found
            found = above

    def join(self, left: Rows, right: Rows) -> None:
        """Add the edges (left[i], right[i])."""
        while True:
            first, second = self.of(left), self.of(right)
            apart = first != second
            if not apart.any():
                return
            # Only roots are hung, each below a smaller root: no cycle can arise.
            np.minimum.at(self._parent, np.maximum(first, second)[apart], np.minimum(first, second)[apart])

    def all(self) -> Rows:
        """The smallest member of every row's component, int32 (n,)."""
        return self.of(np.arange(len(self._parent), dtype=np.int32))


def spokesmen(components: Rows, scores: NDArray[np.float64] | None = None) -> Rows:
    """Who stands for each row's component: its first row, or its best scored one (the first of equals).

    Args:
        components: smallest member of each row's component, int32 (n,).
        scores: value of each row, float64 (n,); larger is better.
    """
    if scores is None:
        return components
    order = np.lexsort((np.arange(len(components)), -scores, components))
    first = np.ones(len(order), dtype=bool)
    first[1:] = components[order][1:] != components[order][:-1]
    best = np.zeros(len(components), dtype=np.int32)
    best[components[order][first]] = order[first]
    chosen: Rows = best[components]
    return chosen
