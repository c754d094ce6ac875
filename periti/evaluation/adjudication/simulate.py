"""The experiment: judge a part of the pool by each method and see what of the comparison of runs survives.

After Otero, Parapar and Ferro (CIKM 2023): gold is every true judgement within the pool, low those that the budget pays
for, a document without a judgement is not relevant, and the same measure and test stand on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from periti.errors import InputError
from periti.evaluation.adjudication.agreement import Categories, RankAgreement, categories, rank_agreement
from periti.evaluation.adjudication.methods import METHODS, open_method
from periti.evaluation.adjudication.orders import Budget, Order, follow, is_seeded, judged_grades, prefixes
from periti.evaluation.adjudication.pool import Pool
from periti.evaluation.adjudication.scoring import Scorer, estimated_scores
from periti.evaluation.adjudication.verdicts import TESTS, Verdict, verdict
from periti.evaluation.measures import Measure
from periti.evaluation.ranking import Ints, Values

ESTIMATING = "active"
"""The method whose scores are estimated from chances; all others count what is not judged as not relevant."""


@dataclass(frozen=True)
class Design:
    """What is simulated.

    Args:
        methods: names of `METHODS`.
        budgets: how much is judged.
        seeds: of the random choices; a method without any gives the same under all.
        tests: names of `verdicts.TESTS`.
        alpha: level of the tests.

    Raises:
        InputError: nothing of one kind, or one given twice.
        UnknownName: no such method.
    """

    methods: tuple[str, ...] = tuple(METHODS)
    budgets: tuple[Budget, ...] = (Budget(0.05), Budget(0.1), Budget(0.25))
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    tests: tuple[str, ...] = ("t+holm", "hsd")
    alpha: float = 0.05

    def __post_init__(self) -> None:
        for what in ("methods", "budgets", "seeds", "tests"):
            given: tuple[object, ...] = getattr(self, what)
            if not given or len(set(given)) < len(given):
                raise InputError(f"{what} are {[str(one) for one in given]}; give one or more, each once")
        for name in self.methods:
            open_method(name)
        unknown = [test for test in self.tests if test not in TESTS]
        if unknown:
            raise InputError(f"no test of pairs named {unknown[0]!r}; known: {', '.join(TESTS)}")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha:g}; it lies between 0 and 1")
        if min(self.seeds) < 0:
            raise InputError(f"a seed is {min(self.seeds)}; give whole numbers from 0")


@dataclass(frozen=True)
class Outcome:
    """One method, budget and seed.

    Args:
        method, budget, seed: which.
        judged: documents judged, over all queries.
        relevant: relevant documents among them.
        scores: float64 (n, k), the low scores.
        ranks: agreement of the order of runs.
        pairs: by test, the categories of pairs.
    """

    method: str
    budget: Budget
    seed: int
    judged: int
    relevant: int
    scores: Values
    ranks: RankAgreement
    pairs: Mapping[str, Categories]


@dataclass(frozen=True)
class Simulation:
    """All outcomes beside the truth.

    Args:
        design: what was asked for.
        measure: what runs were scored by.
        pool: what was judged.
        gold: float64 (n, k), scores under every judgement of the pool.
        verdicts: by test, gold's.
        outcomes: by method, budget, seed, in the order of the design.
    """

    design: Design
    measure: Measure
    pool: Pool
    gold: Values
    verdicts: Mapping[str, Verdict]
    outcomes: tuple[Outcome, ...]

    def of(self, method: str, budget: Budget) -> tuple[Outcome, ...]:
        """The outcomes of one method and budget, one a seed."""
        return tuple(one for one in self.outcomes if one.method == method and one.budget == budget)


def simulate(pool: Pool, measure: Measure, design: Design | None = None) -> Simulation:
    """Every method, budget and seed of the design.

    Args:
        pool: with true judgements, of two or more runs.
        measure: what runs are scored by; a document is relevant to the methods from the measure's level on.
        design: what to simulate.

    Raises:
        InputError: a budget is larger than the pool, the pool knows no judgement or one run only, or a measure that
            can not be followed.
    """
    design = design or Design()
    _require(pool, design)
    scorer = Scorer(pool, measure)
    gold = scorer.scores(pool.grades)
    verdicts = {test: verdict(gold, test, design.alpha) for test in design.tests}
    trial = Trial(scorer, design, gold, verdicts)
    outcomes = [one for method in design.methods for one in trial.outcomes(method)]
    return Simulation(design, measure, pool, gold, verdicts, tuple(outcomes))


@dataclass(frozen=True)
class Trial:
    """What every outcome of a simulation needs."""

    scorer: Scorer
    design: Design
    gold: Values
    verdicts: Mapping[str, Verdict]

    def outcomes(self, method: str) -> list[Outcome]:
        """All budgets and seeds of one method, by budget, then seed."""
        seeds = self.design.seeds if is_seeded(method) else self.design.seeds[:1]
        found: dict[tuple[int, int], Outcome] = {}
        for seed in seeds:
            orders = orders_of(self.scorer.pool, method, seed, (self.design.budgets, self.scorer.measure.rel))
            for number, budget in enumerate(self.design.budgets):
                found[number, seed] = self._outcome(method, (budget, seed), orders)
        return [
            found[number, seed] if seed in seeds else replace(found[number, seeds[0]], seed=seed)
            for number in range(len(self.design.budgets))
            for seed in self.design.seeds
        ]

    def _outcome(self, method: str, cell: tuple[Budget, int], orders: Sequence[Order]) -> Outcome:
        """One prefix of the orders, scored and compared."""
        pool, level = self.scorer.pool, self.scorer.measure.rel
        lengths = prefixes(pool, orders, cell[0])
        grades = judged_grades(pool, orders, lengths)
        low = low_scores(self.scorer, method, orders, (grades, lengths))
        return Outcome(
            method=method,
            budget=cell[0],
            seed=cell[1],
            judged=int(lengths.sum()),
            relevant=int((grades >= level).sum()),
            scores=low,
            ranks=rank_agreement(self.gold.mean(axis=0), low.mean(axis=0)),
            pairs={
                test: categories(gold, verdict(low, test, self.design.alpha)) for test, gold in self.verdicts.items()
            },
        )


def orders_of(pool: Pool, method: str, seed: int, terms: tuple[Sequence[Budget], int]) -> list[Order]:
    """The method's order of every query, as far as the largest budget can reach; terms are budgets and level."""
    budgets, level = terms
    return [
        follow(method, topic, seed=seed, limit=max(budget.most(len(topic)) for budget in budgets), level=level)
        for topic in pool.topics
    ]


def low_scores(scorer: Scorer, method: str, orders: Sequence[Order], judged: tuple[Ints, Ints]) -> Values:
    """Scores under the judgements that were paid for, float64 (n, k); judged are grades and lengths of prefixes."""
    if method == ESTIMATING:
        return estimated_scores(scorer, orders, judged[1])
    return scorer.scores(judged[0])


def _require(pool: Pool, design: Design) -> None:
    """Refuse what can not be simulated."""
    if len(pool.systems) < 2:
        raise InputError(f"one run ({pool.systems[0]}) is given; pairs need two or more")
    if len(pool.topics) < 2:
        raise InputError(f"{len(pool.topics)} query is judged; significance needs two or more")
    if not (pool.grades > 0).any():
        raise InputError("the pool holds no relevant document; give judgements of these runs' collection")
    for budget in design.budgets:
        budget.require(pool)


def relevant_in_gold(simulation: Simulation) -> int:
    """Relevant documents of the whole pool."""
    return int((simulation.pool.grades >= simulation.measure.rel).sum())


__all__ = ["Design", "Outcome", "Simulation", "Trial", "low_scores", "orders_of", "relevant_in_gold", "simulate"]
