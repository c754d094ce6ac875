"""Columns of a pool's records, by which the best of several is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.duplicates import Digests, digests
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


class ColumnDigests:
    """Digests of what a pool's records have in a column, taken in order; texts that count as one have one digest.

    Args:
        pool: whose records.
        column: its name.
    """

    def __init__(self, pool: Pool, column: str) -> None:
        self._column, self._before = column, 0
        self._blocks = pool.documents()
        self._held: Digests = digests([])

    def take(self, count: int) -> Digests:
        """Those of the next records, (count, 2).

        Raises:
            InputError: a record has nothing there.
        """
        held, size = [self._held], len(self._held)
        while size < count:
            held.append(digests([self._text(record) for record in next(self._blocks).records]))
            size += len(held[-1])
        whole = np.concatenate(held)
        self._held = whole[count:]
        return whole[:count]

    def _text(self, record: dict[str, object]) -> str:
        self._before += 1
        value = record.get(self._column)
        if value is None or not str(value).strip():
            raise InputError(
                f"record {self._before}: it has nothing in {self._column!r}; every record needs a value there, or "
                f"choose another column than {self._column!r} to have each value once"
            )
        return str(value)
