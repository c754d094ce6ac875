"""A simulation averaged over seeds, with intervals over queries and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.agreement import categories, none_for_nan, rank_agreement
from periti.evaluation.adjudication.orders import Budget
from periti.evaluation.adjudication.simulate import Outcome, Simulation, relevant_in_gold
from periti.evaluation.adjudication.verdicts import TITLES, verdict
from periti.evaluation.ranking import Ints, Values

LEVEL = 0.95
WITH_INTERVALS = ("aa", "recall", "active_agreement")
REFERENCE = "depth"
"""The method that others are set against, if it is simulated."""


@dataclass(frozen=True)
class Spread:
    """A number over seeds.

    Args:
        mean: over the seeds where it is defined, NaN if nowhere.
        deviation: standard deviation over those seeds, 0 with one.
        low, high: 95 % bootstrap interval over queries and seeds, NaN where none was reckoned.
    """

    mean: float
    deviation: float
    low: float = float("nan")
    high: float = float("nan")

    def as_data(self) -> dict[str, float | None]:
        """By name, None for NaN."""
        return {name: none_for_nan(getattr(self, name)) for name in ("mean", "deviation", "low", "high")}


@dataclass(frozen=True)
class Row:
    """One method, budget and test.

    Args:
        method, budget, test: which.
        judged: documents judged, mean over seeds.
        values: relevant, tau, tau_ap, rbo, rmse and every count and share of `Categories`, by name.
        beyond: AA pairs more than the reference method finds, with its interval; None for the reference itself or
            without it. The same queries and seeds are drawn for both.
    """

    method: str
    budget: Budget
    test: str
    judged: float
    values: Mapping[str, Spread]
    beyond: Spread | None

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "method": self.method,
            "budget": self.budget.amount,
            "mode": self.budget.mode,
            "test": self.test,
            "judged": self.judged,
            **{name: spread.as_data() for name, spread in self.values.items()},
            "aa_beyond_" + REFERENCE: None if self.beyond is None else self.beyond.as_data(),
        }


@dataclass(frozen=True)
class Summary:
    """All rows, by test, budget and method in the order of the design, and the facts they stand on."""

    rows: tuple[Row, ...]
    facts: Mapping[str, Any]

    def of(self, test: str, budget: Budget) -> tuple[Row, ...]:
        """The rows of one test and budget, one a method."""
        return tuple(row for row in self.rows if row.test == test and row.budget == budget)


def summarise(simulation: Simulation, *, replicates: int = 200, seed: int = 0) -> Summary:
    """Means, deviations and intervals.

    Args:
        simulation: what happened.
        replicates: bootstrap replicates; each draws as many queries as there are with replacement, and one of the
            seeds, the same for every method and budget, and repeats the tests on gold and low. 0 gives no intervals.
        seed: of the bootstrap.

    Raises:
        InputError: a negative number of replicates.
    """
    if replicates < 0:
        raise InputError(f"replicates is {replicates}; give 0 for no intervals, or some hundreds")
    resample = _Resample(simulation, replicates, seed)
    design = simulation.design
    rows = [row for test in design.tests for budget in design.budgets for row in resample.rows(test, budget)]
    return Summary(tuple(rows), facts(simulation, replicates, seed))


def facts(simulation: Simulation, replicates: int, seed: int) -> dict[str, Any]:
    """What was simulated, for the foot of a report."""
    pool, design = simulation.pool, simulation.design
    return {
        "measure": simulation.measure.name,
        "runs": len(pool.systems),
        "queries": len(pool.topics),
        "depth": pool.depth,
        "pool": len(pool),
        "relevant": relevant_in_gold(simulation),
        "pairs": len(pool.systems) * (len(pool.systems) - 1) // 2,
        "gold_significant": {test: int(found.significant.sum()) for test, found in simulation.verdicts.items()},
        "tests": {test: TITLES[test] for test in design.tests},
        "alpha": design.alpha,
        "seeds": list(design.seeds),
        "replicates": replicates,
        "bootstrap_seed": seed,
        "level": LEVEL,
    }


class _Resample:
    """Draws of queries and seeds, and gold's verdicts under them."""

    def __init__(self, simulation: Simulation, replicates: int, seed: int) -> None:
        self.simulation = simulation
        rng = np.random.default_rng(seed)
        count = len(simulation.pool.topics)
        self.queries: Ints = rng.integers(0, count, (replicates, count))
        self.seeds: Ints = rng.integers(0, len(simulation.design.seeds), replicates)
        self.gold = {
            test: [verdict(simulation.gold[drawn], test, simulation.design.alpha) for drawn in self.queries]
            for test in simulation.design.tests
        }
        self.tau: dict[tuple[str, Budget], Values] = {}

    def rows(self, test: str, budget: Budget) -> list[Row]:
        """All methods under one test and budget."""
        design = self.simulation.design
        cells = {method: self.simulation.of(method, budget) for method in design.methods}
        draws = {method: self._draws(cell, test) for method, cell in cells.items()}
        reference = cells.get(REFERENCE)
        rows = []
        for method, cell in cells.items():
            beyond = None
            if reference is not None and method != REFERENCE:
                more = [one.pairs[test].aa - other.pairs[test].aa for one, other in zip(cell, reference, strict=True)]
                beyond = _spread(np.array(more, dtype=np.float64), draws[method]["aa"] - draws[REFERENCE]["aa"])
            judged = float(np.mean([one.judged for one in cell]))
            rows.append(Row(method, budget, test, judged, self._values(cell, test, draws[method]), beyond))
        return rows

    def _values(self, cell: Sequence[Outcome], test: str, draws: Mapping[str, Values]) -> dict[str, Spread]:
        """Every number of one cell."""
        none = np.zeros(0)
        seen = [
            {"relevant": one.relevant, **one.ranks.as_data(), **one.pairs[test].as_data()} for one in cell
        ]  # None where a number is not defined
        columns = {
            name: np.array([np.nan if one[name] is None else one[name] for one in seen], dtype=np.float64)
            for name in seen[0]
        }
        return {name: _spread(column, draws.get(name, none)) for name, column in columns.items()}

    def _draws(self, cell: Sequence[Outcome], test: str) -> dict[str, Values]:
        """Each replicate's numbers, float64 (replicates,)."""
        found: dict[str, list[float]] = {name: [] for name in (*WITH_INTERVALS, "tau")}
        for drawn, seed, gold in zip(self.queries, self.seeds.tolist(), self.gold[test], strict=True):
            low = verdict(cell[seed].scores[drawn], test, self.simulation.design.alpha)
            counted = categories(gold, low)
            for name in WITH_INTERVALS:
                found[name].append(float(getattr(counted, name)))
        found["tau"] = self._taus(cell).tolist()
        return {name: np.array(values) for name, values in found.items()}

    def _taus(self, cell: Sequence[Outcome]) -> Values:
        """Each replicate's tau; the same under every test."""
        key = (cell[0].method, cell[0].budget)
        if key not in self.tau:
            gold = self.simulation.gold
            self.tau[key] = np.array(
                [
                    rank_agreement(gold[drawn].mean(axis=0), cell[seed].scores[drawn].mean(axis=0)).tau
                    for drawn, seed in zip(self.queries, self.seeds.tolist(), strict=True)
                ]
            )
        return self.tau[key]


def _spread(values: Values, draws: Values) -> Spread:
    """Mean and deviation of the values that are defined, and the percentile interval of the draws that are."""
    values, draws = values[~np.isnan(values)], draws[~np.isnan(draws)]
    if not len(values):
        return Spread(float("nan"), float("nan"))
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if not len(draws):
        return Spread(float(values.mean()), deviation)
    low, high = np.quantile(draws, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Spread(float(values.mean()), deviation, float(low), float(high))
