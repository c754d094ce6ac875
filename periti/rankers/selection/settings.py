"""Quotas as a configuration says them, and as the candidates of one query allow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from periti.apportionment import largest_remainder
from periti.errors import ConfigError, InputError
from periti.rankers.selection.quotas import Quotas, counted, proportional
from periti.registry import nearest

SHARES = ("candidates", "weights", "none")


@dataclass(frozen=True)
class QuotaOptions:
    """How many places are shared out, and how.

    Attributes:
        size: the first places of every query, in which the quotas hold; what is below is in order of merit.
        shares: lower bounds of groups: "candidates" ⌊size · share of the group among the candidates⌋; "weights" a
            budget divided by the experts' weights in the plan, largest remainders first; "none".
        lower: group -> least number; takes the place of `shares`.
        upper: group -> largest number.
        most: upper bound of every group that `upper` does not name; 0 is none.

    Where a query has too few candidates of a group, its lower bound is what there is; where upper bounds leave places
    empty, other candidates follow in order of merit.
    """

    size: int = 10
    shares: str = "candidates"
    lower: Mapping[str, int] = field(default_factory=dict)
    upper: Mapping[str, int] = field(default_factory=dict)
    most: int = 0

    def __post_init__(self) -> None:
        if self.shares not in SHARES:
            raise ConfigError(f"quotas: shares is {self.shares!r}; {nearest(self.shares, SHARES)}")
        if self.most < 0:
            raise ConfigError(f"quotas: most is {self.most}; give 0 for no bound, or a number above")
        for name, bound in (*self.lower.items(), *self.upper.items()):
            if type(bound) is not int:
                raise ConfigError(f"quotas: the bound of group {name!r} is {bound!r}; give a whole number")
        try:
            Quotas(self.size, self.lower, self._upper(self.lower))
        except InputError as error:
            raise ConfigError(str(error)) from error

    def _upper(self, names: Mapping[str, int]) -> dict[str, int]:
        """Upper bounds of these groups and of those that have one of their own."""
        common = dict.fromkeys(names, self.most) if self.most else {}
        return {**common, **self.upper}

    def asked(self, groups: Sequence[str], weights: Mapping[str, float] | None = None) -> Quotas:
        """The quotas for candidates of these groups.

        Args:
            groups: group of each candidate; at least one.
            weights: group -> weight, for shares = "weights".
        """
        upper = self._upper(counted(groups))
        lower = self.lower
        if not lower and self.shares == "candidates":
            lower = proportional(groups, self.size)
        elif not lower and self.shares == "weights" and weights:
            names = sorted(weights)
            shares = largest_remainder(np.array([weights[name] for name in names]), self.size)
            lower = dict(zip(names, shares.tolist(), strict=True))
        bounded = {name: min(least, upper.get(name, least)) for name, least in lower.items()}
        return Quotas(self.size, bounded, upper)
