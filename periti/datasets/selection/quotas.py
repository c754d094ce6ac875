"""How a budget is divided among the groups of a pool: by their size, equally, or by given shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periti.apportionment import largest_remainder
from periti.errors import InputError
from periti.registry import nearest

NONE, EQUAL, POOL, SHARES = "none", "equal", "pool", "shares"


@dataclass(frozen=True)
class Quota:
    """What each group gets of a budget.

    Attributes:
        kind: "none" lets all groups compete, "equal" gives each the same, "pool" keeps the pool's proportions among
            what may be chosen, "shares" gives what `shares` says.
        shares: positive numbers by group; groups that are not named get nothing.
    """

    kind: str = NONE
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in (NONE, EQUAL, POOL, SHARES) or (self.kind == SHARES) != bool(self.shares):
            raise InputError(f"the quota is {self.kind!r}; give none, equal, pool or shares such as a=2,b=1")
        for group, share in self.shares.items():
            if not (math.isfinite(share) and share > 0):
                raise InputError(f"the quota of group {group!r} is {share:g}; give a positive number, or leave it out")

    @classmethod
    def parse(cls, text: str) -> Quota:
        """A quota as people write it: none, equal, pool, or `law=2,medicine=1`.

        Raises:
            InputError: it is none, or names a group twice.
        """
        if "=" not in text:
            return cls(text.strip())
        shares: dict[str, float] = {}
        for part in text.split(","):
            name, _, number = part.rpartition("=")
            if not name.strip() or name.strip() in shares:
                raise InputError(f"the quota {text!r} names no group or one twice; write for example law=2,medicine=1")
            try:
                shares[name.strip()] = float(number)
            except ValueError as error:
                raise InputError(f"the quota of {name.strip()!r} is {number!r}; write a number") from error
        return cls(SHARES, shares)


def divided(total: int, quota: Quota, groups: Sequence[str], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each group gets of a total. What a group has no room for goes to those that have, by their shares.

    Args:
        total: at most what all groups that the quota names have room for.
        quota: of another kind than "none".
        groups: their names.
        room: int64 (g,), documents or tokens that may still be chosen of each.

    Returns:
        int64 (g,), summing to `total`, nowhere above `room`.

    Raises:
        InputError: a share names an unknown group, or the named groups have no room for the total.
    """
    shares = _shares(quota, groups, room)
    given = np.zeros(len(groups), np.int64)
    if total > room[shares > 0].sum():
        named = ", ".join(name for name, share in zip(groups, shares.tolist(), strict=True) if share > 0)
        raise InputError(
            f"the groups {named} have {int(room[shares > 0].sum()):,} to choose from and shall give {total:,}; "
            "lower the budget or name more groups"
        )
    while (rest := total - int(given.sum())) > 0:
        free = np.where(given < room, shares, 0.0)
        given = np.minimum(given + largest_remainder(free, rest), room)
    return given


def _shares(quota: Quota, groups: Sequence[str], room: NDArray[np.int64]) -> NDArray[np.float64]:
    if quota.kind == POOL:
        return room.astype(np.float64)
    if quota.kind == EQUAL:
        return np.ones(len(groups))
    for name in quota.shares:
        if name not in groups:
            raise InputError(
                f"the quota names the group {name!r}, which the pool does not have; {nearest(name, groups)}"
            )
    return np.array([quota.shares.get(name, 0.0) for name in groups])
