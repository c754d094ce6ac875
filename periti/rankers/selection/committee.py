"""The best set of items under quotas: exact for additive rules, greedy for Chamberlin–Courant.

Sets that can be extended to one that keeps all quotas are the independent sets of a matroid. So taking the best item
that keeps the set extendable is optimal for additive scores (the same set as the best L of each group first, then the
best of the rest within the upper bounds), and at least half of the optimum for monotone submodular ones, 1 - 1/e
without quotas (Fisher, Nemhauser, Wolsey 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.rankers.selection.profile import ADDITIVE, Profile, Values
from periti.rankers.selection.quotas import Quotas

Mask = NDArray[np.bool_]


def elect(profile: Profile, rule: str, groups: Sequence[str], quotas: Quotas) -> list[int]:
    """Choose items by a rule of multiwinner voting, in the order of choice.

    Args:
        profile: rankings of m items.
        rule: one of `profile.RULES`.
        groups: the group of each item, (m,); every item is in one.
        quotas: how many are chosen, and bounds for the groups.

    Returns:
        Item numbers, `quotas.size` of them. Equal gains: more Borda points, then the better best position, then the
        smaller number.

    Raises:
        ConfigError: no such rule.
        InputError: groups do not fit, or no set keeps the quotas.
    """
    if len(groups) != profile.items:
        raise InputError(f"{len(groups)} groups were given for {profile.items} items; give one for each")
    quotas.require(groups)
    points = profile.points(rule, quotas.size)
    room = _Room(groups, quotas)
    order = preferred(profile, points.sum(axis=0))
    if rule in ADDITIVE:
        return list(islice((item for item in order.tolist() if room.take(item)), quotas.size))
    return _greedy(points, order, room, quotas.size)


def preferred(profile: Profile, worth: Values) -> NDArray[np.int64]:
    """All items by worth float64 (m,) descending, then Borda points, best position and number."""
    borda = profile.points("k-borda", 1).sum(axis=0)
    listed = np.where(profile.positions > 0, profile.positions, profile.items + 1)
    best = listed.min(axis=0) if len(listed) else np.ones(profile.items)
    return np.lexsort((np.arange(profile.items), best, -borda, -worth))


def _greedy(points: Values, order: NDArray[np.int64], room: _Room, size: int) -> list[int]:
    """Largest gain first; `order` breaks ties."""
    points = points[:, order]
    covered = np.zeros(len(points))
    free, chosen = np.ones(len(order), np.bool_), list[int]()
    while len(chosen) < size:
        gains = np.maximum(points - covered[:, None], 0).sum(axis=0)
        gains[~(free & room.open()[order])] = -1.0
        place = int(gains.argmax())
        room.take(int(order[place]))
        free[place] = False
        covered = np.maximum(covered, points[:, place])
        chosen.append(int(order[place]))
    return chosen


class _Room:
    """Which groups may still get an item so that all quotas can be kept."""

    def __init__(self, groups: Sequence[str], quotas: Quotas) -> None:
        names, self._group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
        self._needed = np.array([quotas.lower.get(name, 0) for name in names.tolist()], np.int64)
        self._room = np.array([quotas.upper.get(name, quotas.size) for name in names.tolist()], np.int64)
        self._left = quotas.size

    def open(self) -> Mask:
        """Whether each item may be taken, bool (m,)."""
        spare = self._left > self._needed.sum()
        allowed: Mask = (self._room > 0) & ((self._needed > 0) | spare) & (self._left > 0)
        return allowed[self._group]

    def take(self, item: int) -> bool:
        """Take an item if it may be taken; says whether it was."""
        group = self._group[item]
        spare = self._left > self._needed.sum()
        if self._left <= 0 or self._room[group] <= 0 or not (self._needed[group] > 0 or spare):
            return False
        self._left -= 1
        self._room[group] -= 1
        self._needed[group] = max(0, self._needed[group] - 1)
        return True
