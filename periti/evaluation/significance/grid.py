"""Numbers as whole multiples of a small unit, so that their sums are exact: in any order, by any number of threads.

Resampling counts how often a sum reaches the observed one, and a count must not hang on the last bit of a sum. A column
is rounded to multiples of 2^-40 of the power of two above its largest value (9e-13 to 2e-12 of that value); sums of up
to 4,095 such numbers are exact in float64, and for more the unit is coarser. Two sums of n numbers count as equal when
they differ by n units or less: their means then agree to 1e-12, relative to the largest number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Ints = NDArray[np.int64]

BITS = 40
_EXACT_BITS = 52


def whole(columns: Values) -> tuple[Values, Values]:
    """The columns in units of the grid, whole numbers as float64 (n, m), and the unit of each, float64 (m,).

    Args:
        columns: float64 (n, m), finite.
    """
    bits = min(BITS, _EXACT_BITS - len(columns).bit_length())
    exponent = np.frexp(np.abs(columns).max(axis=0, initial=0.0))[1]
    return np.rint(np.ldexp(columns, bits - exponent)), np.ldexp(1.0, exponent - bits)
