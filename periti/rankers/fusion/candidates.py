"""The documents that the lists of a query hold together, each once, and what its rows add up to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from periti.rankers.fusion.codes import Places

Values = NDArray[np.float64]
_BLOCK = 1 << 13
"""Rows that are grouped at once: they stay in the processor's cache."""
_TABLE = 1 << 24
"""Cells of the table that numbers the candidates of a block, unless one query alone needs more."""


@dataclass(frozen=True)
class Candidates:
    """Candidates by query.

    Attributes:
        of_row: intp (n,), the candidate of each row.
        doc: intp (candidates,).
        sizes: intp (queries,), candidates of each query.
    """

    of_row: Places
    doc: Places
    sizes: Places

    @classmethod
    def of(cls, rows: Places, doc: Places, docs: int) -> Candidates:
        """Group rows.

        Args:
            rows: intp (queries,), how many rows each query has, one query after the other.
            doc: intp (n,), their documents, in range(docs).
            docs: distinct documents.
        """
        if len(rows) == 1:
            return cls(doc, np.arange(docs), np.array([docs]))
        ends = np.cumsum(rows)
        table = np.empty(0, np.intp)
        of_row, found, sizes, count = (
            np.empty(len(doc), np.intp),
            [np.empty(0, np.intp)],
            np.zeros(len(rows), np.intp),
            0,
        )
        for first, last in _blocks(rows, docs):
            begin, end = ends[first] - rows[first], ends[last - 1]
            key = doc[begin:end]
            if last - first > 1:
                key = key + np.repeat(np.arange(last - first) * docs, rows[first:last])
            ordered = np.sort(key)
            distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
            if len(table) < (last - first) * docs:
                table = np.empty((last - first) * docs, np.intp)
            table[distinct] = np.arange(count, count + len(distinct))
            of_row[begin:end] = table[key]
            if last - first > 1:
                own, distinct = np.divmod(distinct, docs)
                sizes[first:last] = np.bincount(own, minlength=last - first)
            else:
                sizes[first] = len(distinct)
            found.append(distinct)
            count += len(distinct)
        return cls(of_row, np.concatenate(found), sizes)

    @cached_property
    def starts(self) -> Places:
        """The first candidate of each query, intp (queries,)."""
        starts: Places = np.cumsum(self.sizes) - self.sizes
        return starts

    @cached_property
    def query(self) -> Places:
        """Whose candidate, intp (candidates,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def hits(self) -> Values:
        """How many lists have the candidate, float64 (candidates,)."""
        return np.bincount(self.of_row, minlength=len(self.doc)).astype(np.float64)

    def sum(self, values: Values) -> Values:
        """Each candidate's sum of a value of its rows, float64 (n,), in their order: float64 (candidates,)."""
        total: Values = np.bincount(self.of_row, values, len(self.doc)).astype(np.float64, copy=False)
        return total

    def least(self, values: Values) -> Values:
        """Each candidate's smallest value, float64 (candidates,)."""
        least = np.full(len(self.doc), np.inf)
        np.minimum.at(least, self.of_row, values)
        return least

    def median(self, values: Values) -> Values:
        """Each candidate's median value, of an even number the mean of the middle two, float64 (candidates,)."""
        ordered = values[np.lexsort((values, self.of_row))]
        hits = self.hits.astype(np.intp)
        first = np.cumsum(hits) - hits
        middle: Values = (ordered[first + (hits - 1) // 2] + ordered[first + hits // 2]) / 2
        return middle


def _blocks(rows: Places, docs: int) -> list[tuple[int, int]]:
    """Consecutive queries (first, behind the last) of not too many rows together."""
    blocks, first, held = [], 0, 0
    most = max(1, _TABLE // max(1, docs))
    for i, own in enumerate(rows.tolist()):
        if i > first and (held + own > _BLOCK or i - first >= most):
            blocks.append((first, i))
            first, held = i, 0
        held += own
    return [*blocks, (first, len(rows))] if len(rows) else blocks
