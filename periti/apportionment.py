"""Places divided among groups by their shares: how many each gets, and in which order they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError

Shares = NDArray[np.float64]
Counts = NDArray[np.int64]


def largest_remainder(shares: Shares, places: int) -> Counts:
    """Whole places in proportion to shares (Hamilton): each group's part rounded down, the rest by largest remainder.

    Args:
        shares: float64 (g,), at least 0, one of them positive; they need not sum to 1.
        places: how many to divide, at least 0.

    Returns:
        int64 (g,), summing to `places`. Equal remainders: the larger share first, then the earlier group.

    Raises:
        InputError: no share is positive, one is negative or not finite, or there are fewer than 0 places.
    """
    shares = np.asarray(shares, np.float64)
    if not len(shares) or not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
        raise InputError(f"shares are {shares.tolist()}; give numbers of at least 0, one of them positive")
    if places < 0:
        raise InputError(f"{places} places can not be divided; give at least 0")
    exact = shares / shares.sum() * places
    whole = np.floor(exact + 1e-9)  # 0.29 of 100 is 28.999999999999996 in binary
    rest = np.where(shares > 0, exact - whole, -1.0)
    order = np.lexsort((np.arange(len(shares)), -shares, -np.round(rest, 6)))
    counts: Counts = whole.astype(np.int64)
    counts[order[: places - int(counts.sum())]] += 1
    return counts


def turns(quotas: Counts) -> Counts:
    """The order in which groups fill their places, so that every beginning of it is near the quotas' proportions.

    Turn i (1-based) of a group with quota n comes at (i - 1/2) / n, Webster's divisors; at equal times the larger quota
    goes first, then the earlier group.

    Args:
        quotas: int64 (g,), at least 0.

    Returns:
        Group of every turn, int64 (quotas.sum(),).
    """
    group = np.repeat(np.arange(len(quotas)), quotas)
    begins = np.repeat(np.cumsum(quotas) - quotas, quotas)
    time = (np.arange(len(group)) - begins + 0.5) / quotas[group]
    return group[np.lexsort((group, -quotas[group], time))].astype(np.int64)
