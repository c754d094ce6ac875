"""Worlds of sources over 15 documents in which the query says whom to believe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from periti.rankers.calibration.calibration import Judged
from periti.rankers.fitted import Source
from periti.rankers.fusion.offline import everybody
from periti.rankers.gate.files import TrainedGate
from periti.rankers.gate.fusion import GatedFusion
from periti.rankers.gate.model import Gate
from periti.rankers.gate.slates import FEATURES
from periti.rankers.gate.training import HeldOut
from periti.types import QRELS, SCORED, Qrels, Queries, Run

DOCUMENTS = 15


@dataclass(frozen=True)
class World:
    """Queries, what the sources found, and which document each query is about."""

    queries: Queries
    runs: dict[str, Run]
    about: dict[str, str]

    @property
    def held_out(self) -> HeldOut:
        rows = [(query, doc, 1) for query, doc in self.about.items()]
        qrels = Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))
        return HeldOut(self.queries, Judged(qrels), Source("made", "dev", len(self.queries), "digest"))

    def quality(self, trained: TrainedGate, lost: str = "") -> float:
        """Mean reciprocal rank of the gated answer, without one source."""
        runs = {name: run for name, run in self.runs.items() if name != lost}
        return self.rank_quality(GatedFusion(trained).fuse_queries(self.queries, runs, everybody(runs)))

    def rank_quality(self, run: Run) -> float:
        return float(np.mean([1 / (1 + run.doc_ids(query).index(doc)) for query, doc in self.about.items()]))


KNOWS: Mapping[str, Callable[[bool], dict[str, float]]] = {
    "two": lambda question: {"a": 4.0 * question, "b": 4.0 * (not question)},
    "leader": lambda question: {"a": 6.0, "b": 3.0 if question else -3.0, "c": -3.0 if question else 3.0},
}
"""Kind of world -> whether a query is a question -> what each source adds to the score of the relevant document.

In "two" each source is right for half of the queries. In "leader" one source is right for all of them; of the others
one is right and one is wrong, and which of them the query says.
"""


def world(kind: str, queries: int, seed: int) -> World:
    """Each source scores all documents by chance, and adds to the relevant one what it knows."""
    rng = np.random.default_rng(seed)
    texts, about = {}, {}
    rows: dict[str, list[tuple[str, str, float]]] = {name: [] for name in KNOWS[kind](True)}
    for number in range(queries):
        query, question, target = f"q{number}", bool(rng.random() < 0.5), int(rng.integers(DOCUMENTS))
        texts[query] = "what is it about?" if question else "something about it"
        about[query] = f"d{target}"
        for name, knows in KNOWS[kind](question).items():
            scores = rng.normal(size=DOCUMENTS)
            scores[target] += knows
            rows[name] += [(query, f"d{doc}", float(score)) for doc, score in enumerate(scores)]
    runs = {name: Run.of(pl.DataFrame(own, schema=SCORED, orient="row"), name) for name, own in rows.items()}
    return World(Queries.from_pairs(texts.items()), runs, about)


def random_gate(sources: int) -> Gate:
    """A gate whose weights differ from query to query."""
    rng, inputs = np.random.default_rng(5), 3 * sources + len(FEATURES)
    shapes = ((inputs, 4), (4,), (4,), (4, sources), (sources,))
    return Gate(np.zeros(len(FEATURES)), np.ones(len(FEATURES)), *(rng.normal(size=shape) for shape in shapes))
