"""Plain dataset centroids: a query goes to the expert at home where the query's nearest dataset comes from.

No utility label is read. This is the control that shows whether utility labels help: in RouterRetriever's setting most
of the gain over a nearest-neighbour router is already here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.protocols import Vectors
from periti.registry import nearest
from periti.retrievers.routing.base import Explanation, FittedRouter, Scorer, Scores
from periti.retrievers.routing.explaining import most_alike, told
from periti.retrievers.routing.similarity import Floats, dots, unit
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class CentroidOptions:
    """Which table, and who answers for datasets that are nobody's home."""

    table: Path = Path("router")
    generalist: str = ""
    """The expert that datasets without a home count for; '' leaves these datasets out."""


def homes_of(table: UtilityTable, generalist: str, router: str) -> Mapping[str, int]:
    """Dataset to the column of its expert, datasets in alphabetical order.

    Raises:
        ConfigError: the generalist is no expert.
        InputError: no dataset has a home.
    """
    if generalist and generalist not in table.experts:
        raise ConfigError(
            f"{router} router: the generalist {generalist!r} is no expert; {nearest(generalist, table.experts)}"
        )
    homes = {dataset: table.homes.get(dataset, generalist) for dataset in sorted(set(table.datasets))}
    found = {dataset: table.experts.index(home) for dataset, home in homes.items() if home}
    if not found:
        raise InputError(
            f"{router} router: no dataset of the utility table is the home of an expert; "
            "state homes when the table is made, or name a generalist"
        )
    return found


@dataclass(frozen=True, eq=False)
class Centroids(Scorer):
    """The mean direction of every dataset that has a home.

    Attributes:
        experts: E names.
        vectors: float64 (D, d), of length one.
        owners: int64 (D,), the column of the expert at home, -1 for none.
        datasets: D names.
        counts: int64 (D,), queries of each dataset.
    """

    experts: tuple[str, ...]
    vectors: Floats
    owners: NDArray[np.int64]
    datasets: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def fit(cls, table: UtilityTable, options: CentroidOptions | None = None) -> Self:
        """The centroids of a table; raises as `homes_of`."""
        return cls._of(table, homes_of(table, (options or CentroidOptions()).generalist, "centroids"))

    @classmethod
    def of_all(cls, table: UtilityTable) -> Self:
        """The centroids of every dataset, with or without a home; only good to say what a query is like."""
        column = {name: i for i, name in enumerate(table.experts)}
        return cls._of(table, {name: column.get(table.homes.get(name, ""), -1) for name in sorted({*table.datasets})})

    @classmethod
    def _of(cls, table: UtilityTable, homes: Mapping[str, int]) -> Self:
        of = np.array(table.datasets)
        means = np.stack([table.vectors[of == dataset].astype(np.float64).mean(axis=0) for dataset in homes])
        counts = np.array([(of == dataset).sum() for dataset in homes], np.int64)
        return cls(table.experts, unit(means), np.array([*homes.values()], np.int64), tuple(homes), counts)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E): the cosine of the expert's nearest dataset, -1 for an expert that is at home nowhere."""
        similarities = dots(vectors, self.vectors)
        scores = np.full((len(vectors), len(self.experts)), -1.0)
        for column in set(self.owners.tolist()):
            scores[:, column] = similarities[:, self.owners == column].max(axis=1)
        return scores.astype(np.float32)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:  # noqa: ARG002
        """The three nearest datasets: expert at home ('' for none), dataset, queries behind it, similarity."""
        return told(
            *most_alike(dots(vectors, self.vectors)),
            lambda i: {
                "expert": self.experts[self.owners[i]] if self.owners[i] >= 0 else "",
                "dataset": self.datasets[i],
                "queries": int(self.counts[i]),
            },
        )


class CentroidRouter(FittedRouter):
    """Routes to the expert at home on the nearest dataset."""

    Options = CentroidOptions
    fit = Centroids.fit
