"""Ids as integers: everything after it counts and sorts numbers, never text."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Places = NDArray[np.intp]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""An odd number (2^64 over the golden ratio): multiplying by it brings other bits of a hash to the top."""


_FEW = 1 << 15
"""Ids up to which nothing is gained by hashing on all cores and waiting for them."""


def taken(ids: pl.Series, places: Places) -> pl.Series:
    """The ids at these places; polars is spared looking for negative ones."""
    return ids[pl.Series(places.astype(np.uint32))]


def coded(ids: pl.Series) -> tuple[Places, pl.Series]:
    """Each id's place among the distinct ids, intp (n,), and the distinct ids, in no order that means anything."""
    if len(ids) <= _FEW:
        return coded_by_category(ids)
    first = first_of(ids.to_frame().hash_rows().to_numpy())
    own = np.flatnonzero(first == np.arange(len(first)))
    place = np.empty(len(first), np.intp)
    place[own] = np.arange(len(own))
    places, distinct = place[first], taken(ids, own)
    if not taken(distinct, places).equals(ids):  # two ids of one hash: once in 2^64 pairs
        return coded_by_category(ids)
    return places, distinct


def coded_by_category(ids: pl.Series) -> tuple[Places, pl.Series]:
    """`coded` on one core, by categories that are this call's own."""
    places = ids.cast(pl.Categorical(pl.Categories.random())).to_physical().to_numpy().astype(np.intp)
    row = np.empty(places.max(initial=-1) + 1, np.intp)
    row[places] = np.arange(len(places))
    return places, taken(ids, row)


def first_of(hashes: NDArray[np.uint64]) -> Places:
    """A row of the same hash for each row, the same one for all of them, intp (n,).

    Every row writes its number into a table at a place that its hash gives; who reads back a row of its own hash is
    done. Only hashes that share a place with another try again, at other places.
    """
    shift = np.uint64(64 - max(1, min(22, (4 * len(hashes)).bit_length())))
    table = np.empty(1 << (64 - int(shift)), np.intp)
    found = np.empty(len(hashes), np.intp)
    rows, key = np.arange(len(hashes)), hashes
    while len(rows):
        key = key * _SPREAD
        place = (key >> shift).astype(np.intp)
        table[place] = rows
        read = table[place]
        same = hashes[read] == hashes[rows]
        found[rows[same]] = read[same]
        rows, key = rows[~same], key[~same]
    return found
