"""Constraint flags: what an expert costs, and how much that counts (Tryage, Hari and Thomson 2023).

S_e = U_e - Σ_j λ_j C_j(e): every cost is scaled to mean 0 and standard deviation 1 over the experts, since λ means
nothing before. Sweeping λ traces the front between cost and quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from periti.errors import ConfigError
from periti.registry import nearest
from periti.retrievers.routing.similarity import Floats

Costs = Mapping[str, Mapping[str, float]]
"""Name of a cost (latency, size, recency, licence) to its value for each expert."""


@dataclass(frozen=True)
class CostOptions:
    """What experts cost, and how much that counts."""

    costs: Costs = field(default_factory=dict)
    """Name of a cost to its value for each expert."""
    lambdas: Mapping[str, float] = field(default_factory=dict)
    """Name of a cost to how much one standard deviation of it counts, in the units of the router's scores."""


def penalty(experts: Sequence[str], costs: Costs, lambdas: Mapping[str, float]) -> Floats:
    """Σ_j λ_j C_j for every expert, float64 (E,).

    Raises:
        ConfigError: a λ for an unknown cost, a cost without a value for an expert, or a value that is no number.
    """
    total = np.zeros(len(experts))
    for name, weight in lambdas.items():
        if name not in costs:
            raise ConfigError(f"cost flag {name!r} is unknown; {nearest(name, costs)}")
        if not _number(weight):
            raise ConfigError(f"cost flag {name!r} is {weight!r}; give a number")
        values = costs[name]
        for expert in experts:
            if not _number(values.get(expert)):
                raise ConfigError(f"cost {name!r} of expert {expert!r} is {values.get(expert)!r}; give a number")
        total += weight * standardised(np.array([values[expert] for expert in experts], np.float64))
    return total


def standardised(values: Floats) -> Floats:
    """Values float64 (E,) at mean 0 and standard deviation 1; all zero where they do not differ."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
