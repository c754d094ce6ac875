"""The paper's DatasetRouter (Lee et al., AAAI 2025): the dataset of the nearest of 100 sampled queries a dataset.

A weak baseline that the literature compares with: a win over it does not show that utility labels help.
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
from periti.retrievers.routing.centroids import homes_of
from periti.retrievers.routing.explaining import TOLD, told
from periti.retrievers.routing.similarity import nearest
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class NearestExampleOptions:
    """Which queries are kept as examples."""

    table: Path = Path("router")
    samples: int = 100
    """Examples a dataset."""
    seed: int = 0
    """Draws the examples."""
    generalist: str = ""
    """The expert that datasets without a home count for; '' leaves these datasets out."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"nearest-example router: samples is {self.samples}; it must be at least 1")


@dataclass(frozen=True, eq=False)
class NearestExample(Scorer):
    """Examples and the experts at home where they come from.

    Attributes:
        experts: E names.
        vectors: float32 (s, d), of length one.
        owners: int64 (s,), the column of the expert at home.
        datasets: s names.
        query_ids: s ids.
    """

    experts: tuple[str, ...]
    vectors: Vectors
    owners: NDArray[np.int64]
    datasets: tuple[str, ...]
    query_ids: tuple[str, ...]

    @classmethod
    def fit(cls, table: UtilityTable, options: NearestExampleOptions | None = None) -> Self:
        """The examples of a table; raises as `homes_of`."""
        options = options or NearestExampleOptions()
        homes = homes_of(table, options.generalist, "nearest-example")
        of = np.array(table.datasets)
        rng = np.random.default_rng(options.seed)
        kept: list[int] = []
        for dataset in homes:
            rows = np.flatnonzero(of == dataset)
            kept.extend(np.sort(rng.permutation(rows)[: options.samples]).tolist())
        return cls(
            table.experts,
            table.vectors[kept],
            np.array([homes[table.datasets[i]] for i in kept], np.int64),
            tuple(table.datasets[i] for i in kept),
            tuple(table.query_ids[i] for i in kept),
        )

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E): the cosine of the expert's nearest example, -1 for an expert that is at home nowhere."""
        scores = np.full((len(vectors), len(self.experts)), -1.0)
        for column in set(self.owners.tolist()):
            scores[:, column] = nearest(vectors, self.vectors[self.owners == column], 1)[0][:, 0]
        return scores.astype(np.float32)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:  # noqa: ARG002
        """The three nearest examples: expert at home, dataset, query id, similarity."""
        return told(
            *nearest(vectors, self.vectors, TOLD),
            lambda i: {
                "expert": self.experts[self.owners[i]],
                "dataset": self.datasets[i],
                "query_id": self.query_ids[i],
            },
        )


class NearestExampleRouter(FittedRouter):
    """Routes to the expert at home on the dataset of the nearest example."""

    Options = NearestExampleOptions
    fit = NearestExample.fit
