"""As much expected gain as a budget buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.registry import nearest
from periti.retrievers.policies.rows import Softening, checked, descending, plan_of, renormalised, shares
from periti.types import Plan, Queries


@dataclass(frozen=True)
class BudgetOptions(Softening):
    """What a query may cost, and what experts do."""

    budget: float = 2.0
    """For each query."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Of asking an expert, such as milliseconds; an expert that is not named costs 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.budget > 0:
            raise ConfigError(f"budget policy: budget is {self.budget}; it must be positive")
        for name, cost in self.costs.items():
            if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 < cost < float("inf"):
                raise ConfigError(f"budget policy: the cost of {name!r} is {cost!r}; it must be a positive number")


class Budget:
    """Experts with the largest share for their cost, greedily, as long as the budget lasts.

    An expert's share is its probability to be the one the query needs, so the sum over the asked experts is the
    expected gain. The greedy set is compared with the best single expert that the budget allows, without which it can
    be arbitrarily poor (Khuller, Moss and Naor, 1999); of equals, the first on the panel is taken.

    Args:
        options: what a query may cost, and what experts do.
    """

    Options = BudgetOptions

    def __init__(self, options: BudgetOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: BudgetOptions) -> Self:
        """The policy."""
        return cls(options)

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """One row at least a query, weights summing to one.

        Raises:
            ConfigError: a cost is nobody's, or the budget buys no expert.
        """
        soft = shares(checked(queries, experts, scores), self.options)
        costs = self._costs(experts)
        left = np.full(len(soft), self.options.budget)
        chosen = np.zeros(soft.shape, np.bool_)
        rows = np.arange(len(soft))
        for column in descending(soft / costs).T:
            bought = costs[column] <= left
            chosen[rows[bought], column[bought]] = True
            left -= np.where(bought, costs[column], 0.0)
        affordable = np.where(costs <= self.options.budget, soft, -1.0)
        single = affordable.argmax(axis=1)
        better = affordable[rows, single] > np.where(chosen, soft, 0.0).sum(axis=1)
        chosen[better] = False
        chosen[rows[better], single[better]] = True
        return plan_of(queries, experts, renormalised(soft, chosen))

    def _costs(self, experts: Sequence[str]) -> NDArray[np.float64]:
        for name in self.options.costs:
            if name not in experts:
                raise ConfigError(f"budget policy: the cost {name!r} is nobody's; {nearest(name, experts)}")
        costs = np.array([self.options.costs.get(name, 1.0) for name in experts], np.float64)
        if costs.min() > self.options.budget:
            raise ConfigError(
                f"budget policy: the budget of {self.options.budget:g} buys no expert, the cheapest costs "
                f"{costs.min():g}; raise it"
            )
        return costs
