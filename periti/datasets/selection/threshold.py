"""The best rows that fit a budget, found without sorting: a weighted radix selection over any number of rows.

Memory is a histogram of 256 numbers for each group; the rows stream by eight times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.bits import Bits

DIGIT = 8


@dataclass(frozen=True)
class Keyed:
    """A stretch of rows that may be chosen or not.

    Attributes:
        first: number of its first row.
        keys: float64 (m,), larger is chosen earlier; at equal keys the earlier row.
        costs: int64 (m,), what a row takes of the budget.
        groups: int64 (m,), whose budget.
        open: bool (m,), whether it may be chosen.
    """

    first: int
    keys: NDArray[np.float64]
    costs: NDArray[np.int64]
    groups: NDArray[np.int64]
    open: NDArray[np.bool_]


Table = Callable[[], Iterator[Keyed]]


def best_within(table: Table, budgets: NDArray[np.int64], marks: Bits) -> None:
    """Mark the rows that each group chooses: the longest beginning of its order whose costs fit its budget.

    Args:
        table: all rows, in stretches, the same each time.
        budgets: int64 (g,), at least 0.
        marks: gets the chosen rows.
    """
    thresholds = np.zeros(len(budgets), np.uint64)
    left = budgets.astype(np.int64).copy()
    for shift in range(64 - DIGIT, -1, -DIGIT):
        spent = np.zeros((len(budgets), 1 << DIGIT), np.int64)
        for rows in table():
            keys, inside = _ordered(rows.keys), rows.open
            if shift < 64 - DIGIT:
                above = np.uint64(shift + DIGIT)
                inside = inside & (keys >> above == thresholds[rows.groups] >> above)
            digits = (keys[inside] >> np.uint64(shift)) & np.uint64((1 << DIGIT) - 1)
            np.add.at(spent, (rows.groups[inside], digits.astype(np.int64)), rows.costs[inside])
        digits, used = _boundaries(spent, left)
        thresholds |= digits << np.uint64(shift)
        left -= used
    for rows in table():
        keys, limits = _ordered(rows.keys), thresholds[rows.groups]
        chosen = rows.open & (keys > limits)
        for group in np.unique(rows.groups[rows.open & (keys == limits)]):
            tied = np.flatnonzero(rows.open & (keys == limits) & (rows.groups == group))
            fits = np.cumsum(rows.costs[tied]) <= left[group]
            chosen[tied[fits]] = True
            # What does not fit ends the order: a later and cheaper row must not slip through.
            left[group] = left[group] - rows.costs[tied].sum() if fits.all() else -1
        marks.mark(rows.first, chosen)


def _boundaries(spent: NDArray[np.int64], budgets: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The digit at which each group's budget ends, from the highest down, and the costs of all digits above it.

    Where everything fits that is digit 0: what lies below it fits as well.
    """
    down = np.cumsum(spent[:, ::-1], axis=1)
    place = np.minimum((down <= budgets[:, None]).sum(axis=1), spent.shape[1] - 1)
    above = np.where(place > 0, down[np.arange(len(budgets)), np.maximum(place - 1, 0)], 0)
    return (spent.shape[1] - 1 - place).astype(np.uint64), above


def _ordered(keys: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Numbers in the same order as the floats; both zeros are equal."""
    bits = (keys + 0.0).view(np.uint64)
    negative = (bits >> np.uint64(63)).astype(np.bool_)
    return np.where(negative, ~bits, bits | np.uint64(1 << 63))
