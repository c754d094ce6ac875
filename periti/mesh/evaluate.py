"""How many of a clause's headings are suggested: recall at k, and precision, recall and F1 of the set cut at k.

R@k takes the first k of a ranking (ties by its own rule); P, R and F1 are of everything suggested at the cut, headings
tied with the k-th included. An empty suggestion has precision 0. Clauses of one query are no independent sample: a
topic's value is the mean of its clauses, and intervals and tests are over topics.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError
from periti.evaluation.significance import Design, Scores, Study, compare
from periti.evaluation.significance.intervals import bca_intervals, resamples
from periti.mesh.cases import Cases
from periti.mesh.suggest import Method, Suggester

CUTS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Figure:
    """A mean over topics with its bootstrap interval (BCa)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Assessment:
    """Methods on the same cases.

    Attributes:
        methods: as they were asked for.
        topics: n topics, in order.
        values: measure -> float64 (n, methods).
        sizes: mean number of headings that each method suggests for a clause at the cut.
        depth: the cut of P, R and F1.
    """

    methods: tuple[str, ...]
    topics: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    sizes: tuple[float, ...]
    depth: int

    def figures(self, measure: str, *, samples: int = 10_000, seed: int = 1, level: float = 0.95) -> list[Figure]:
        """Mean and interval of each method."""
        values = self.values[measure]
        low, high = bca_intervals(values, resamples(len(values), samples, seed), level)
        return [Figure(*row) for row in zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)]

    def study(self, measure: str, *, seed: int = 1) -> Study:
        """All pairs of methods by the paired randomisation test, corrected by Holm."""
        columns = {name: self.values[measure][:, column] for column, name in enumerate(self.methods)}
        frame = pl.DataFrame({"query_id": list(self.topics), **columns})
        design = Design(test="randomization", permutations=10_000, seed=seed)
        return compare([Scores.of(frame, measure, collection="clauses by topic")], design)


def assess(suggester: Suggester, cases: Cases, methods: Sequence[Method], depth: int = 10) -> Assessment:
    """Suggest for every case by every method.

    Raises:
        InputError: there is no case, or a method is given twice.
    """
    if not cases.cases:
        raise InputError("there is no clause with words and headings to evaluate on; give other queries")
    names = tuple(map(str, methods))
    if len(set(names)) < len(names):
        raise InputError(f"methods: {max(names, key=names.count)} is given twice; give each once")
    topics = tuple(cases.topics)
    row = {topic: number for number, topic in enumerate(topics)}
    counts = np.bincount([row[case.topic] for case in cases.cases], minlength=len(topics))
    measures = (*(f"R@{k}" for k in CUTS), *(f"{name}({depth})" for name in ("P", "R", "F1")))
    values = {name: np.zeros((len(topics), len(methods))) for name in measures}
    sizes = []
    for column, method in enumerate(methods):
        clauses = [case.keywords for case in cases.cases]
        deepest = suggester.suggest(clauses, method, max(*CUTS, depth))
        cut = suggester.suggest(clauses, method, depth)
        for case, ranking, chosen in zip(cases.cases, deepest, cut, strict=True):
            named = [heading for heading, _ in ranking]
            found = [recall(named[:k], case.gold) for k in CUTS]
            found += [*precision_recall_f1([heading for heading, _ in chosen], case.gold)]
            for name, value in zip(measures, found, strict=True):
                values[name][row[case.topic], column] += value / counts[row[case.topic]]
        sizes.append(float(np.mean([len(chosen) for chosen in cut])))
    return Assessment(names, topics, values, tuple(sizes), depth)


def recall(suggested: Collection[str], gold: Collection[str]) -> float:
    """The share of gold that is suggested; gold is not empty."""
    return len(set(suggested) & set(gold)) / len(set(gold))


def precision_recall_f1(suggested: Collection[str], gold: Collection[str]) -> tuple[float, float, float]:
    """Of two sets; what is suggested twice counts once. All are 0 where they have nothing in common."""
    common = len(set(suggested) & set(gold))
    if not common:
        return 0.0, 0.0, 0.0
    precision, found = common / len(set(suggested)), common / len(set(gold))
    return precision, found, 2 * precision * found / (precision + found)
