"""What the tables of a routing study are made of: words in cells, and numbers that are rounded here and only here."""

from __future__ import annotations

import math
from dataclasses import dataclass

DECIMALS = 4
NOTHING = "-"
"""Stands where there is no number."""


@dataclass(frozen=True)
class Table:
    """A table in words.

    Attributes:
        title: what it shows.
        head: of the columns.
        rows: cells, as many as the head has.
        names: columns from the left that are words; the others are numbers.
        best: (row, column) of the cells to set off: the best of the systems that could be used.
        words: sentences that belong under it.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    best: frozenset[tuple[int, int]] = frozenset()
    words: tuple[str, ...] = ()


def number(value: float | None, decimals: int = DECIMALS, *, sign: bool = False) -> str:
    """A number; - for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{tidy(value, decimals):{'+' * sign}.{decimals}f}"


def percent(share: float) -> str:
    """A share in percent, without its sign."""
    return number(100 * share, 1)


def tidy(value: float, decimals: int) -> float:
    """The value rounded; never the negative nought, which reads as a loss."""
    return round(float(value), decimals) + 0.0


def plural(count: int, noun: str) -> str:
    """The count with its noun, which takes an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
