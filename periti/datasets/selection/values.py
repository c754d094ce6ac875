"""Numbers of a pool's records, for stages that keep the best of several."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.pool import Pool
from periti.errors import InputError


@dataclass(frozen=True)
class ColumnValues:
    """A column of numbers of a pool, read when called: float64 (n,).

    Attributes:
        pool: whose records.
        column: its name.
    """

    pool: Pool
    column: str

    def __call__(self) -> NDArray[np.float64]:
        """The number of each record.

        Raises:
            InputError: a record has none.
        """
        parts = [np.zeros(0)]
        before = 0
        for documents in self.pool.documents():
            parts.append(
                np.array([self._number(record, before + at) for at, record in enumerate(documents.records, 1)])
            )
            before += len(documents.records)
        return np.concatenate(parts)

    def _number(self, record: dict[str, object], number: int) -> float:
        value = record.get(self.column)
        try:
            found = float(value) if isinstance(value, (int, float, str)) else math.nan
        except ValueError:
            found = math.nan
        if math.isnan(found):
            raise InputError(f"record {number}: {self.column!r} is {value!r}; it must be a number in every record")
        return found
