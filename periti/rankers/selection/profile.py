"""Several rankings of the same items, and what a set of items is worth to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.registry import nearest

Values = NDArray[np.float64]
Positions = NDArray[np.int64]

ADDITIVE = ("sntv", "bloc", "k-borda")
RULES = (*ADDITIVE, "cc")
"""With p the position of an item in a ranking of m: sntv Σ 1[p = 1]; bloc Σ 1[p ≤ k]; k-borda Σ (m - p), each summed
over rankings and chosen items; cc (β-Chamberlin–Courant, β for Borda): the best chosen m - p, summed over rankings."""


@dataclass(frozen=True)
class Profile:
    """Weighted rankings of m items, not all of which rank every item.

    Attributes:
        positions: int64 (lists, m), 1 is best; 0 where the list lacks the item.
        weights: float64 (lists,), positive.

    Raises:
        InputError: positions of a list are not 1..n, or weights do not fit.
    """

    positions: Positions
    weights: Values

    def __post_init__(self) -> None:
        if self.positions.ndim != 2 or self.weights.shape != self.positions.shape[:1]:
            raise InputError(
                f"a profile needs positions (lists, items) and a weight a list, found shapes {self.positions.shape} "
                f"and {self.weights.shape}"
            )
        if not (np.isfinite(self.weights).all() and (self.weights > 0).all()):
            raise InputError(f"weights of rankings are {self.weights.tolist()}; give positive numbers")
        for number, row in enumerate(self.positions):
            if not np.array_equal(np.sort(row[row != 0]), np.arange(1, np.count_nonzero(row) + 1)):
                raise InputError(f"ranking {number} does not hold the positions 1..n once each; number it again")

    @classmethod
    def of_orders(cls, orders: Sequence[Sequence[int]], items: int) -> Profile:
        """Rankings of equal weight, each a sequence of item numbers 0..items-1, best first."""
        positions = np.zeros((len(orders), items), np.int64)
        for row, order in zip(positions, orders, strict=True):
            row[list(order)] = np.arange(1, len(order) + 1)
        return cls(positions, np.ones(len(orders)))

    @property
    def items(self) -> int:
        """How many items there are."""
        return int(self.positions.shape[1])

    def points(self, rule: str, size: int) -> Values:
        """What each list gives each item, float64 (lists, m), weights included.

        The items that a list of n lacks share its remaining Borda points, (m - n - 1) / 2 each, as in BordaFuse.

        Args:
            rule: one of RULES.
            size: k, how many items are to be chosen.

        Raises:
            ConfigError: no such rule.
        """
        check_rule(rule)
        place, has = self.positions, self.positions > 0
        if rule == "sntv":
            given = (place == 1).astype(np.float64)
        elif rule == "bloc":
            given = (has & (place <= size)).astype(np.float64)
        else:
            shared = (self.items - has.sum(axis=1, keepdims=True) - 1) / 2
            given = np.where(has, self.items - place, shared)
        points: Values = given * self.weights[:, None]
        return points

    def score(self, rule: str, chosen: Sequence[int]) -> float:
        """What a set of items is worth by a rule; an empty set is worth 0."""
        if not len(chosen):
            return 0.0
        points = self.points(rule, len(chosen))[:, list(chosen)]
        return float(points.sum() if rule in ADDITIVE else points.max(axis=1).sum())


def check_rule(rule: str) -> None:
    """Raise ConfigError unless it is one of RULES."""
    if rule not in RULES:
        raise ConfigError(f"multiwinner: rule is {rule!r}; {nearest(rule, RULES)}")
