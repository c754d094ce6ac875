"""What a run loses that did not help to choose the documents: pools are made without it, then it is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.orders import Budget, follow, judged_grades, prefixes
from periti.evaluation.adjudication.pool import UNJUDGED
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.ranking import Ints, Values


@dataclass(frozen=True)
class LeftOut:
    """One method and budget, over all runs.

    Args:
        method, budget: which.
        change: float64 (k,), each run's mean without its help less its mean with it, both under the budget.
        places: int64 (k,), how many places the run falls among all runs by that; negative if it rises.
    """

    method: str
    budget: Budget
    change: Values
    places: Ints

    @property
    def mean_change(self) -> float:
        """Signed bias."""
        return float(self.change.mean())

    @property
    def worst_change(self) -> float:
        """The largest loss."""
        return float(self.change.min())

    @property
    def most_places(self) -> int:
        """The deepest fall."""
        return int(self.places.max())


def leave_out(
    scorer: Scorer,
    methods: Sequence[str],
    *,
    budget: Budget,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> tuple[LeftOut, ...]:
    """The bias of every method against runs outside the pool.

    What is not judged counts as not relevant, for active sampling too: its estimates say nothing of documents that
    could not be drawn.

    Args:
        scorer: the pool with true judgements, and what runs are scored by.
        methods: names of `METHODS`.
        budget: per query; a share is one of the pool that is left.
        groups: the group (team) of each run, left out together; every run is its own group by default.
        seed: of random choices.

    Raises:
        InputError: a global budget, a run without a group, or nothing is left without a group.
    """
    pool = scorer.pool
    if budget.mode == "global":
        raise InputError("leaving runs out needs a budget per query; take per_topic_share or per_topic_fixed")
    budget.require(pool)
    named = dict.fromkeys(pool.systems) if groups is None else {system: groups.get(system) for system in pool.systems}
    if groups is not None and None in named.values():
        absent = next(system for system, group in named.items() if group is None)
        raise InputError(f"run {absent!r} has no group; name one for every run")
    together = [[system] for system in pool.systems] if groups is None else _grouped(named)
    if len(together) < 2:
        raise InputError("all runs are of one group; nothing is left without it")
    return tuple(_of_method(scorer, method, (budget, seed), together) for method in methods)


def _of_method(scorer: Scorer, method: str, terms: tuple[Budget, int], groups: list[list[str]]) -> LeftOut:
    """All groups under one method."""
    pool, (budget, seed), level = scorer.pool, terms, scorer.measure.rel
    orders = [follow(method, topic, seed=seed, limit=budget.most(len(topic)), level=level) for topic in pool.topics]
    helped = scorer.scores(judged_grades(pool, orders, prefixes(pool, orders, budget))).mean(axis=0)
    change, places = np.zeros(len(helped)), np.zeros(len(helped), dtype=np.int64)
    for group in groups:
        alone = scorer.scores(_grades_without(scorer, method, terms, group)).mean(axis=0)
        for system in group:
            number = pool.systems.index(system)
            change[number] = alone[number] - helped[number]
            places[number] = int((alone > alone[number]).sum()) - int((helped > helped[number]).sum())
    return LeftOut(method, budget, change, places)


def _grades_without(scorer: Scorer, method: str, terms: tuple[Budget, int], group: list[str]) -> Ints:
    """The grades of the whole pool if the group had not contributed, int64 (N,)."""
    pool, (budget, seed) = scorer.pool, terms
    grades = np.full(len(pool), UNJUDGED, dtype=np.int64)
    for whole, topic, offset in zip(pool.topics, pool.without(group), pool.offsets.tolist(), strict=False):
        if not len(topic):
            continue
        order = follow(method, topic, seed=seed, limit=budget.most(len(topic)), level=scorer.measure.rel)
        place = np.searchsorted(np.array(whole.doc_ids, dtype=object), np.array(topic.doc_ids, dtype=object))
        chosen = place[order.docs] + offset
        grades[chosen] = pool.grades[chosen]
    return grades


def _grouped(named: Mapping[str, str | None]) -> list[list[str]]:
    """The runs of each group."""
    groups: dict[str, list[str]] = {}
    for system, group in named.items():
        groups.setdefault(str(group), []).append(system)
    return list(groups.values())
