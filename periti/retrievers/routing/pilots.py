"""Pilot centroids: RouterRetriever's library (Lee et al., AAAI 2025, section 3.2), with a sane default.

The queries of dataset i whose best expert is m have the centroid c_im, a pilot of m. The paper scores an expert by the
unweighted mean of its pilots' similarities, the released code by their maximum. As soon as every expert wins a few
queries of every dataset, each owns a pilot in every region and the means converge; so the default weighs pilots by the
number of queries behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.protocols import Vectors
from periti.retrievers.routing.base import Explanation, FittedRouter, Scorer, Scores
from periti.retrievers.routing.clusters import centres
from periti.retrievers.routing.explaining import most_alike, told
from periti.retrievers.routing.similarity import Floats, dots, unit
from periti.retrievers.routing.table import UtilityTable

AGGREGATIONS = ("mean", "max", "count")
SIMILARITIES = ("cosine", "dot")


@dataclass(frozen=True)
class PilotOptions:
    """How pilots are made and read."""

    table: Path = Path("router")
    agg: str = "count"
    """How an expert's pilots become its score: their unweighted mean, max, or mean weighted by count of queries."""
    ties: str = "own"
    """Who owns a query that several experts answer best: the expert at home, nobody (drop), the first of the panel."""
    sim: str = "cosine"
    """cosine or dot; with dot, pilots keep their length, so that tight domains win: it is here to be compared with."""
    k: int = 1
    """Clusters for each pair of dataset and expert; the paper found more than one to be worse."""
    seed: int = 0
    """Seed of the clusters."""

    def __post_init__(self) -> None:
        for key, value, known in (
            ("agg", self.agg, AGGREGATIONS),
            ("ties", self.ties, ("own", "drop", "first")),
            ("sim", self.sim, SIMILARITIES),
        ):
            if value not in known:
                raise ConfigError(f"pilots router: {key} is {value!r}; choose one of {', '.join(known)}")
        if self.k < 1:
            raise ConfigError(f"pilots router: k is {self.k}; it must be at least 1")


@dataclass(frozen=True, eq=False)
class Pilots(Scorer):
    """A library of P pilots.

    Attributes:
        experts: E names.
        vectors: float64 (P, d), of length one if the similarity is the cosine.
        owners: int64 (P,), the column of the expert that a pilot stands for.
        datasets: P names.
        counts: int64 (P,), queries behind each pilot.
        agg: mean, max or count.
    """

    experts: tuple[str, ...]
    vectors: Floats
    owners: NDArray[np.int64]
    datasets: tuple[str, ...]
    counts: NDArray[np.int64]
    agg: str = "count"

    @classmethod
    def fit(cls, table: UtilityTable, options: PilotOptions | None = None) -> Self:
        """The library of a table.

        Raises:
            InputError: ties are dropped and no query has a unique best expert.
        """
        options = options or PilotOptions()
        labels = table.best(options.ties)
        datasets = np.array(table.datasets)
        rng = np.random.default_rng(options.seed)
        vectors, owners, names, counts = [], [], [], []
        for dataset in sorted(set(table.datasets)):
            for column in range(len(table.experts)):
                mine = (datasets == dataset) & (labels == column)
                if not mine.any():
                    continue
                found, sizes = centres(table.vectors[mine], options.k, rng)
                vectors.append(found)
                counts.extend(sizes)
                owners.extend([column] * len(sizes))
                names.extend([dataset] * len(sizes))
        if not vectors:
            raise InputError("pilots router: no query of the utility table has a unique best expert; keep ties as own")
        stacked = np.concatenate(vectors)
        stacked = unit(stacked) if options.sim == "cosine" else stacked
        return cls(
            table.experts, stacked, np.array(owners, np.int64), tuple(names), np.array(counts, np.int64), options.agg
        )

    def __len__(self) -> int:
        return len(self.counts)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E); an expert that is best for no query of the table gets the lowest possible similarity."""
        similarities = dots(vectors, self.vectors)
        floor = -np.sqrt((self.vectors**2).sum(axis=1).max())
        scores = np.full((len(vectors), len(self.experts)), floor)
        for column in range(len(self.experts)):
            mine = np.flatnonzero(self.owners == column)
            if not len(mine):
                continue
            own = np.ascontiguousarray(similarities[:, mine])
            if self.agg == "max":
                scores[:, column] = own.max(axis=1)
            else:
                weights = self.counts[mine] if self.agg == "count" else np.ones(len(mine))
                scores[:, column] = (own * weights).sum(axis=1) / weights.sum()
        return scores.astype(np.float32)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:  # noqa: ARG002
        """The three nearest pilots: expert, dataset, queries behind it, similarity."""
        return told(
            *most_alike(dots(vectors, self.vectors)),
            lambda i: {
                "expert": self.experts[self.owners[i]],
                "dataset": self.datasets[i],
                "queries": int(self.counts[i]),
            },
        )


class PilotRouter(FittedRouter):
    """Routes by the pilots of a utility table."""

    Options = PilotOptions
    fit = Pilots.fit
