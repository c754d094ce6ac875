"""Three runs × six documents on one query, a second query for pairs, and dice that do as they are told.

rank   1   2   3   4
A      d1  d2  d3  d4
B      d2  d5  d1  d6
C      d3  d2  d6  d5       relevant: d2, d6
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.evaluation.adjudication.pool import Pool, TopicPool, build_pool
from periti.types import QRELS, Qrels, Run

LISTS = {"A": ["d1", "d2", "d3", "d4"], "B": ["d2", "d5", "d1", "d6"], "C": ["d3", "d2", "d6", "d5"]}
RELEVANT = {"d2", "d6"}


class Dice:
    """Ties go to the first run, Beta draws are means, permutations are reversed; scripts come first."""

    def __init__(self, uniforms: Sequence[Sequence[float]] = (), betas: Sequence[Sequence[float]] = ()) -> None:
        self.uniforms, self.betas = list(uniforms), list(betas)
        self.asked: list[tuple[list[float], list[float]]] = []

    def random(self, size: int) -> NDArray[np.float64]:
        if self.uniforms and len(self.uniforms[0]) == size:
            return np.array(self.uniforms.pop(0))
        return np.linspace(0.9, 0.5, size)

    def beta(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        self.asked.append((a.tolist(), b.tolist()))
        return np.array(self.betas.pop(0)) if self.betas else a / (a + b)

    def permutation(self, x: int) -> NDArray[np.int64]:
        return np.arange(x)[::-1]


def run(name: str, queries: Mapping[str, Sequence[str]]) -> Run:
    rows = [(query, doc, -float(place)) for query, docs in queries.items() for place, doc in enumerate(docs)]
    return Run.of(pl.DataFrame(rows, schema=["query_id", "doc_id", "score"], orient="row"), name)


def qrels(grades: Mapping[tuple[str, str], int]) -> Qrels:
    rows = [(query, doc, grade) for (query, doc), grade in grades.items()]
    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def toy_runs() -> list[Run]:
    return [run(name, {"q1": docs, "q2": [doc.replace("d", "e") for doc in docs]}) for name, docs in LISTS.items()]


def toy_qrels() -> Qrels:
    first = {("q1", f"d{n}"): int(f"d{n}" in RELEVANT) for n in range(1, 7)}
    return qrels({**first, ("q2", "e1"): 1, ("q2", "e3"): 2, ("q2", "e5"): 0})


def toy_pool() -> Pool:
    return build_pool(toy_runs(), toy_qrels(), depth=4)


def toy_topic() -> TopicPool:
    return toy_pool().topics[0]


def random_pool(seed: int, *, queries: int = 6, systems: int = 5, docs: int = 25, depth: int = 8) -> Pool:
    """Runs of different quality on graded judgements."""
    rng = np.random.default_rng(seed)
    grades = {
        (f"q{q}", f"d{d}"): int(g) for q in range(queries) for d, g in enumerate(rng.choice(3, docs, p=[0.7, 0.2, 0.1]))
    }
    runs = []
    for system in range(systems):
        lists = {}
        for q in range(queries):
            score = np.array([grades[f"q{q}", f"d{d}"] for d in range(docs)]) * system / 3 + rng.normal(size=docs)
            lists[f"q{q}"] = [f"d{d}" for d in np.argsort(-score)[: docs - 5]]
        runs.append(run(f"s{system}", lists))
    return build_pool(runs, qrels(grades), depth=depth)
