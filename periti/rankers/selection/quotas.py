"""How many of each group a chosen set must and may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Quotas:
    """A set of `size` items with at least `lower` and at most `upper` of each group; a group not named is unbounded.

    Raises:
        InputError: a bound is negative, a lower bound is above its upper, or all lower bounds exceed the size.
    """

    size: int
    lower: Mapping[str, int] = field(default_factory=dict)
    upper: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"quotas: size is {self.size}; it must be at least 1")
        for name, least in self.lower.items():
            most = self.upper.get(name, self.size)
            if not 0 <= least <= most:
                raise InputError(f"quotas: group {name!r} needs at least {least} and at most {most}; give 0 ≤ L ≤ U")
        if any(most < 0 for most in self.upper.values()):
            raise InputError(f"quotas: an upper bound is negative in {dict(self.upper)}; give at least 0")
        if sum(self.lower.values()) > self.size:
            raise InputError(
                f"quotas: the lower bounds sum to {sum(self.lower.values())}, more than the {self.size} places; lower "
                "them or choose more"
            )

    def require(self, groups: Sequence[str]) -> None:
        """Raise InputError if no choice among items of these groups keeps the quotas."""
        counts = counted(groups)
        for name, least in self.lower.items():
            if counts.get(name, 0) < least:
                raise InputError(
                    f"quotas: {least} of group {name!r} are needed and {counts.get(name, 0)} are there; lower the bound"
                )
        room = sum(min(count, self.upper.get(name, count)) for name, count in counts.items())
        if room < self.size:
            raise InputError(
                f"quotas: {self.size} are to be chosen, but there are {len(groups)} items, of which the upper bounds "
                f"allow {room}; raise them or choose fewer"
            )

    def within(self, groups: Sequence[str]) -> Quotas:
        """The same as far as items of these groups can keep them: bounds and size lowered to what is there."""
        counts = counted(groups)
        room = sum(min(count, self.upper.get(name, count)) for name, count in counts.items())
        lower = {name: min(least, counts.get(name, 0)) for name, least in self.lower.items()}
        return Quotas(max(1, min(self.size, room)), lower, self.upper)


def counted(groups: Sequence[str]) -> dict[str, int]:
    """Group -> how many items, in ascending order of names."""
    names, counts = np.unique(np.array(groups, dtype=np.str_), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def proportional(groups: Sequence[str], size: int) -> dict[str, int]:
    """Lower bounds ⌊size · share of the group among the items⌋: a set that mirrors the candidates."""
    return {name: size * count // len(groups) for name, count in counted(groups).items()}
