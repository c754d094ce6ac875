"""Checks that every diagnosis makes of the arrays and names it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def vector(values: ArrayLike, what: str, length: int | None = None) -> Floats:
    """The values as a new float64 array of shape (n,), n ≥ 1, all finite.

    Raises:
        InputError: another number of dimensions or of values, none at all, or a value that is no finite number.
    """
    return _finite(values, what, (length,))


def matrix(values: ArrayLike, what: str, rows: int | None = None, columns: int | None = None) -> Floats:
    """The values as a new float64 array of shape (rows, columns), none of them 0, all finite.

    Raises:
        InputError: another shape than asked, or a value that is no finite number (a missing cell is NaN).
    """
    return _finite(values, what, (rows, columns))


def _finite(values: ArrayLike, what: str, shape: tuple[int | None, ...]) -> Floats:
    array = np.array(values, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        size > 0 and wanted in (None, size) for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("at least 1" if size is None else str(size) for size in shape)
        raise InputError(f"{what}: the shape is {array.shape}, expected ({wanted}); give one value for each cell")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        cell = tuple(int(index) for index in bad[0])
        raise InputError(
            f"{what}: {len(bad)} of {array.size} cells are missing or not finite, the first is {cell}; "
            "measure them or leave the row out"
        )
    return array


def distinct(names: Sequence[str], what: str) -> tuple[str, ...]:
    """The names as a tuple, at least one and none twice.

    Raises:
        InputError: no name, or a name repeated.
    """
    if not names:
        raise InputError(f"{what}: there are none; give at least one")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{what}: {repeated[0]!r} occurs more than once; give each a name of its own")
    return tuple(names)


def between(value: float, low: float, high: float, what: str) -> float:
    """The value, if it lies in [low, high].

    Raises:
        InputError: it does not, or it is NaN.
    """
    if not low <= value <= high:
        raise InputError(f"{what} is {value}; give a number from {low} to {high}")
    return value
