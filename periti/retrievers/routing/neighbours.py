"""Utility of the nearest labelled queries: C3PO's kernel regression (Li et al., 2025), at the level of whole experts.

S(q) = α prior(q) + (1 - α) Σ K(q, i) u_i / Σ K(q, i) over the k nearest queries i of the table, with
K = exp((cos - 1) / bandwidth). Where even the nearest query is far, its utilities say nothing: then the prior, the
count-weighted pilots, decides alone, and the query is counted as a fall-back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.protocols import Vectors
from periti.retrievers.routing.base import Explanation, FittedRouter, Scorer, Scores
from periti.retrievers.routing.explaining import TOLD, told
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.similarity import Floats, nearest
from periti.retrievers.routing.table import UtilityTable

_CALIBRATED_ON = 2_000
"""Queries of the table, evenly spread, that a threshold is calibrated on."""


@dataclass(frozen=True)
class NeighbourOptions:
    """How neighbours vote."""

    table: Path = Path("router")
    k: int = 25
    bandwidth: float = 0.1
    """Of the kernel, in units of cosine."""
    alpha: float = 0.0
    """Share of the prior in every score."""
    threshold: float | None = None
    """Similarity of the nearest query below which the prior decides alone; absent, it is calibrated by `quantile`."""
    quantile: float = 0.01
    """Share of the table's own queries that are further from their nearest than the calibrated threshold."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"neighbours router: k is {self.k}; it must be at least 1")
        if not self.bandwidth > 0:
            raise ConfigError(f"neighbours router: bandwidth is {self.bandwidth}; it must be positive")
        for key, value in (("alpha", self.alpha), ("quantile", self.quantile)):
            if not 0 <= value <= 1:
                raise ConfigError(f"neighbours router: {key} is {value}; it must be between 0 and 1")


@dataclass(frozen=True, eq=False)
class Neighbours(Scorer):
    """The table's queries, their utilities, and the prior.

    Attributes:
        table: the labelled queries.
        prior: count-weighted pilots of the same table.
        line: intercept and slope that turn a prior's score into a utility.
        threshold: similarity of the nearest query below which the prior decides alone.
        options: how neighbours vote.
    """

    table: UtilityTable
    prior: Pilots
    line: tuple[float, float]
    threshold: float
    options: NeighbourOptions

    @property
    def experts(self) -> tuple[str, ...]:  # type: ignore[override]  # a read-only view of the table's
        """The order of the columns."""
        return self.table.experts

    @classmethod
    def fit(cls, table: UtilityTable, options: NeighbourOptions | None = None) -> Self:
        """Keep the table and calibrate the prior and the threshold on it."""
        options = options or NeighbourOptions()
        prior = Pilots.fit(table)
        given = options.threshold
        threshold = _usual_similarity(table.vectors, options.quantile) if given is None else given
        return cls(table, prior, _line(prior.scores(table.vectors, table.texts), table.utilities), threshold, options)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:
        """float32 (q, E), in units of utility."""
        similarities, rows = nearest(vectors, self.table.vectors, self.options.k)
        kernel = np.exp((similarities - similarities[:, :1]) / self.options.bandwidth)
        weights = kernel / kernel.sum(axis=1, keepdims=True)
        intercept, slope = self.line
        alpha = np.where(similarities[:, 0] < self.threshold, 1.0, self.options.alpha)
        scores = np.empty((len(vectors), len(self.experts)))
        prior = intercept + slope * self.prior.scores(vectors, texts).astype(np.float64)
        for column in range(len(self.experts)):
            expected = (weights * self.table.utilities[rows, column]).sum(axis=1)
            scores[:, column] = alpha * prior[:, column] + (1 - alpha) * expected
        return scores.astype(np.float32)

    def fell_back(self, vectors: Vectors, texts: Sequence[str]) -> NDArray[np.bool_]:  # noqa: ARG002
        """Bool (q,): whether even the nearest query of the table is further than the threshold."""
        far: NDArray[np.bool_] = nearest(vectors, self.table.vectors, 1)[0][:, 0] < self.threshold
        return far

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:  # noqa: ARG002
        """The three nearest queries: best expert, dataset, query id, text, similarity."""
        best = self.table.best("own")
        found = told(
            *nearest(vectors, self.table.vectors, TOLD),
            lambda i: {
                "expert": self.experts[best[i]],
                "dataset": self.table.datasets[i],
                "query_id": self.table.query_ids[i],
                "text": self.table.texts[i],
            },
        )
        return [{"threshold": self.threshold, **one} for one in found]


class NeighbourRouter(FittedRouter):
    """Routes by the utilities of the nearest labelled queries."""

    Options = NeighbourOptions
    fit = Neighbours.fit


def _usual_similarity(vectors: Vectors, quantile: float) -> float:
    """The quantile of the similarity of the table's queries to their nearest other query; -1 for a single query."""
    if len(vectors) == 1:
        return -1.0
    chosen = np.unique(np.linspace(0, len(vectors) - 1, min(len(vectors), _CALIBRATED_ON)).astype(int))
    similarities, rows = nearest(vectors[chosen], vectors, 2)
    # A query is its own nearest, or, where it has a twin, may come second.
    other = np.where(rows[:, 0] == chosen, similarities[:, 1], similarities[:, 0])
    return float(np.quantile(other, quantile))


def _line(scores: Scores, utilities: Floats) -> tuple[float, float]:
    """Least squares of all utilities on all scores, so that a fall-back speaks in the same units; never falling."""
    x, y = scores.astype(np.float64).ravel(), utilities.ravel()
    spread = ((x - x.mean()) ** 2).sum()
    slope = max(float(((x - x.mean()) * (y - y.mean())).sum() / spread), 1e-6) if spread > 0 else 1e-6
    return float(y.mean() - slope * x.mean()), slope
