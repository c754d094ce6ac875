"""What every scorer promises, and how a scorer becomes the router of a panel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.protocols import Encoder, Vectors
from periti.retrievers.experts import Expert, base_encoder
from periti.retrievers.routing.similarity import unit
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries

Scores = NDArray[np.float32]
Explanation = Mapping[str, Any]


class Scorer(ABC):
    """Query vectors to the fitness of each expert; a query scores the same, bit for bit, alone and in any batch."""

    experts: tuple[str, ...]
    """The order of the columns."""

    @abstractmethod
    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:
        """float32 (q, E), finite, larger is fitter, of base vectors float32 (q, d) of length one and their texts."""

    @abstractmethod
    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:
        """For every query what its scores rest on: under `nearest` a list of what is most like it, best first."""

    def fell_back(self, vectors: Vectors, texts: Sequence[str]) -> NDArray[np.bool_]:  # noqa: ARG002  (the seam)
        """Bool (q,): whether the query was too far from everything known, so that a fall-back scored it."""
        return np.zeros(len(vectors), np.bool_)


@runtime_checkable
class Explaining(Protocol):
    """A router that can say why; an optional power."""

    def explain(self, queries: Queries) -> list[Explanation]:
        """For every query, in order: query_id, scores by expert, nearest (a list, best first), fallback."""
        ...


class TableRouter:
    """The router of a panel, made of a scorer and the panel's base encoder.

    Args:
        scorer: the scorer; its experts are the panel's, in the panel's order.
        encoder: makes the vectors that the scorer reads.
    """

    def __init__(self, scorer: Scorer, encoder: Encoder) -> None:
        self.scorer, self.encoder = scorer, encoder

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the experts, in the order of the columns of `scores`."""
        return self.scorer.experts

    def vectors(self, queries: Queries) -> Vectors:
        """The base encoder's vectors of the queries, float32 (q, d), of length one."""
        return unit(self.encoder.encode_queries(queries.texts).vectors).astype(np.float32)

    def scores(self, queries: Queries) -> Scores:
        """float32 (q, E)."""
        return self.scorer.scores(self.vectors(queries), queries.texts)

    def explain(self, queries: Queries) -> list[Explanation]:
        """For every query, in order: query_id, scores by expert, nearest (a list, best first), fallback."""
        vectors = self.vectors(queries)
        scores = self.scorer.scores(vectors, queries.texts)
        fallen = self.scorer.fell_back(vectors, queries.texts)
        told = self.scorer.explain(vectors, queries.texts)
        return [
            {
                "query_id": query_id,
                "scores": {name: float(score) for name, score in zip(self.experts, row, strict=True)},
                "fallback": bool(fallback),
                **own,
            }
            for query_id, row, fallback, own in zip(queries.ids, scores, fallen, told, strict=True)
        ]

    def notes(self, queries: Queries) -> Mapping[str, int]:
        """How many queries a fall-back scored; empty when none."""
        fallen = int(self.scorer.fell_back(self.vectors(queries), queries.texts).sum())
        return {"fallback_queries": fallen} if fallen else {}


class ReadsTable(Protocol):
    """Options that name the folder of a utility table."""

    @property
    def table(self) -> Path:
        """The folder."""
        ...


class FittedRouter(TableRouter):
    """A router whose scorer is fitted to the panel's utility table and to nothing else."""

    fit: ClassVar[Callable[..., Scorer]]
    """Makes the scorer of a table and the options."""

    @classmethod
    def open(cls, experts: Sequence[Expert], options: ReadsTable) -> Self:
        """The router of a panel; raises as `open_panel` and `fit`."""
        panel = open_panel(experts, options.table)
        return cls(cls.fit(panel.table, options), panel.encoder)


@dataclass(frozen=True)
class Panel:
    """What a router is fitted from: the experts, the encoder they share, and the table in the order of the experts."""

    experts: tuple[Expert, ...]
    encoder: Encoder
    table: UtilityTable


def open_panel(experts: Sequence[Expert], folder: Path) -> Panel:
    """The panel's utility table, checked against the panel.

    Raises:
        ConfigError: the table was made for other experts or with vectors of another dimension, a name stands twice on
            the panel, or no expert has an encoder.
        IndexUnusable: there is no table, or it is damaged.
    """
    names = [expert.name for expert in experts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"the panel has two experts named {name!r}; give each its own name")
    encoder = base_encoder(experts)
    table = UtilityTable.read(folder)
    missing = [name for name in names if name not in table.experts]
    extra = [name for name in table.experts if name not in names]
    if missing or extra:
        told = [f"it lacks {', '.join(map(repr, missing))}"] if missing else []
        told += [f"it has {', '.join(map(repr, extra))} beside the panel"] if extra else []
        raise ConfigError(
            f"utility table {folder} was made for other experts ({'; '.join(told)}); "
            "fit the router again or bring the panel into line"
        )
    if table.dimension != encoder.identity.dimension:
        raise ConfigError(
            f"utility table {folder} holds vectors of {table.dimension} dimensions, the panel's encoder "
            f"{encoder.identity.name!r} makes {encoder.identity.dimension}; fit the router again with this encoder"
        )
    return Panel(tuple(experts), encoder, table.ordered(names))
