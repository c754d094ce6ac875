"""Search for weights and parameters of a fusion rule on held-out queries: a grid on the simplex, no chance involved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import comb
from typing import Any

from periti.errors import InputError
from periti.rankers.fusion.settings import made, weighted
from periti.types import Plan, Run

MOST = 300
"""Grid points on the simplex that are all tried; beyond, one weight after the other is moved until none helps."""
GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "rrf": {"k": (1, 5, 10, 20, 40, 60, 100)},
    "rbc": {"p": (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)},
    "comb-gmnz": {"gamma": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)},
}
"""Rule -> option -> values tried, where the caller does not fix the option."""
UNWEIGHTED = frozenset({"comb-max", "comb-min", "comb-med"})
"""Rules whose order under unequal weights means little; only their other options are tuned."""


@dataclass(frozen=True)
class Trial:
    """One setting and its value on the held-out queries."""

    weights: Mapping[str, float]
    options: Mapping[str, Any]
    value: float


Objective = Callable[[Run], float]


def simplex(names: Sequence[str], steps: int) -> Iterator[dict[str, float]]:
    """All weights that are multiples of 1 / steps and sum to 1, in a fixed order; zeros included."""

    def compositions(parts: int, total: int) -> Iterator[tuple[int, ...]]:
        if parts == 1:
            yield (total,)
            return
        for first in range(total + 1):
            for rest in compositions(parts - 1, total - first):
                yield (first, *rest)

    for point in compositions(len(names), steps):
        yield {name: count / steps for name, count in zip(names, point, strict=True)}


@dataclass(frozen=True)
class Search:
    """What to try: a rule, options that are fixed (others come from GRIDS), weights in multiples of 1 / steps."""

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 10


def tune(search: Search, runs: Mapping[str, Run], plan: Plan, objective: Objective) -> list[Trial]:
    """Trials in the order tried: the first has equal weights, the best is `best(trials)`.

    Args:
        search: what to try.
        runs: expert -> its answers to the held-out queries.
        plan: every expert for every query, weight 1.
        objective: the mean of a measure over the held-out queries, larger is better.

    Raises:
        InputError: fewer than two runs, or steps below 1.
    """
    names, method, options, steps = sorted(runs), search.method, search.options, search.steps
    if len(names) < 2 or steps < 1:
        raise InputError(f"tuning got {len(names)} runs and {steps} steps; give at least two runs and one step")
    grid = {name: values for name, values in GRIDS.get(method, {}).items() if name not in options}
    tried: dict[tuple[Any, ...], Trial] = {}

    def attempt(weights: Mapping[str, float], chosen: Mapping[str, Any]) -> Trial:
        key = (*weights.values(), *chosen.items())
        if key not in tried:
            fused = made(method, {**options, **chosen}).fuse(runs, weighted(plan, weights))
            tried[key] = Trial(weights, {**options, **chosen}, objective(fused))
        return tried[key]

    equal = {name: 1 / len(names) for name in names}
    for chosen in (dict(zip(grid, values, strict=True)) for values in product(*grid.values())):
        attempt(equal, chosen)
        if method in UNWEIGHTED:
            continue
        if comb(steps + len(names) - 1, len(names) - 1) <= MOST:
            for weights in simplex(names, steps):
                attempt(weights, chosen)
        else:
            _climb(equal, steps, lambda weights, chosen=chosen: attempt(weights, chosen))  # type: ignore[misc]
    return list(tried.values())


def best(trials: Sequence[Trial]) -> Trial:
    """The trial of the largest value; of equals the one whose weights are most alike, then the first."""

    def unevenness(trial: Trial) -> float:
        return sum(weight**2 for weight in trial.weights.values())

    return min(trials, key=lambda trial: (-trial.value, unevenness(trial)))


def _climb(start: Mapping[str, float], steps: int, attempt: Callable[[Mapping[str, float]], Trial]) -> None:
    """Change one weight at a time, the others in proportion, as long as the value rises."""
    current = attempt(start)
    while True:
        better = current
        for name in start:
            for step in range(steps + 1):
                trial = attempt(_moved(current.weights, name, step / steps))
                if trial.value > better.value:
                    better = trial
        if better is current:
            return
        current = better


def _moved(weights: Mapping[str, float], name: str, share: float) -> dict[str, float]:
    """The weights with one of them set to `share`, the others scaled to the rest."""
    rest = sum(weight for other, weight in weights.items() if other != name)
    others = len(weights) - 1
    return {
        other: share if other == name else (1 - share) * (weight / rest if rest else 1 / others)
        for other, weight in weights.items()
    }
