"""Features of texts as one matrix: a few dense columns and many sparse ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """A matrix (n, d + width) of n texts.

    Attributes:
        dense: float64 (n, d).
        indptr: int64 (n + 1,), where the sparse entries of each text begin and end.
        column: int64 (m,), of each entry, 0 .. width - 1; a column may stand several times in a row.
        value: float64 (m,).
        width: sparse columns.
    """

    dense: Floats
    indptr: Ints
    column: Ints
    value: Floats
    width: int

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def columns(self) -> int:
        """Dense and sparse, d + width."""
        return int(self.dense.shape[1]) + self.width

    def times(self, weights: Floats) -> Floats:
        """Matrix times weights (d + width,), float64 (n,); a row's result depends on that row alone."""
        d = self.dense.shape[1]
        # Not @: a product of BLAS may sum a row differently in a block of another size.
        found: Floats = (self.dense * weights[:d]).sum(axis=1) if d else np.zeros(len(self))
        filled = self.indptr[1:] > self.indptr[:-1]
        if filled.any():
            entries = weights[d:][self.column] * self.value
            found[filled] += np.add.reduceat(entries, self.indptr[:-1][filled])
        return found

    def transposed_times(self, rows: Floats) -> Floats:
        """Transposed matrix times one number a text (n,), float64 (d + width,)."""
        spread = np.repeat(rows, np.diff(self.indptr)) * self.value
        sparse = np.bincount(self.column, weights=spread, minlength=self.width)
        return np.concatenate([np.einsum("i,ij->j", rows, self.dense), sparse])

    def rows(self, first: int, last: int) -> Design:
        """The texts first .. last - 1."""
        begin, end = self.indptr[first], self.indptr[last]
        return Design(
            self.dense[first:last],
            self.indptr[first : last + 1] - begin,
            self.column[begin:end],
            self.value[begin:end],
            self.width,
        )
