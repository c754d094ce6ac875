"""What expert cards say, added to what a local router says: Glider (Li et al., 2025) without a language model.

S = local + s prior, both standardised, where the prior is the cosine of query and card. Glider takes s = 100 on known
tasks and s = 3 on unknown ones, which presumes to know which is which; here s is large where the query is as near to
some card as the table's own queries are, and small elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.protocols import Vectors
from periti.registry import ROUTERS, nearest
from periti.retrievers.experts import Expert
from periti.retrievers.routing.base import Explanation, Scorer, Scores, TableRouter, open_panel
from periti.retrievers.routing.similarity import Floats, dots, unit
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class PriorOptions:
    """Which local router, and how much the cards count."""

    table: Path = Path("router")
    local: str = "pilots"
    """A registered router that reads a utility table, opened with its defaults."""
    large: float = 1.0
    """What one standard deviation of the prior counts against one of the local scores, where a card is near."""
    small: float = 0.1
    """The same where no card is near."""
    threshold: float | None = None
    """Similarity of the nearest card from which the prior counts `large`; absent, it is calibrated by `quantile`."""
    quantile: float = 0.1
    """Share of the table's own queries that are further from every card than the calibrated threshold."""
    cards: Mapping[str, str] = field(default_factory=dict)
    """Expert to a sentence on what it is for; takes the place of the panel's descriptions."""

    def __post_init__(self) -> None:
        if not 0 <= self.quantile <= 1:
            raise ConfigError(f"prior router: quantile is {self.quantile}; it must be between 0 and 1")
        if not (self.large >= 0 and self.small >= 0):
            raise ConfigError(f"prior router: the scales are {self.large} and {self.small}; they must not be negative")


@dataclass(frozen=True, eq=False)
class Prior(Scorer):
    """A local scorer and the experts' cards.

    Attributes:
        local: scores the same experts.
        cards: float64 (E, d), of length one.
        threshold: similarity of the nearest card from which the prior counts fully.
        spread: standard deviation of the prior within a query, over the table.
        scales: what the prior counts above and below the threshold.
    """

    local: Scorer
    cards: Floats
    threshold: float
    spread: float
    scales: tuple[float, float]

    @property
    def experts(self) -> tuple[str, ...]:  # type: ignore[override]  # a read-only view of the local scorer's
        """The order of the columns."""
        return self.local.experts

    @classmethod
    def fit(cls, local: Scorer, cards: Vectors, table: UtilityTable, options: PriorOptions | None = None) -> Self:
        """Calibrate the cards float32 (E, d), in the order of the table's experts, on the table's queries."""
        options = options or PriorOptions()
        own = unit(cards)
        similarities = dots(table.vectors, own)
        given = options.threshold
        threshold = float(np.quantile(similarities.max(axis=1), options.quantile)) if given is None else given
        spread = float(np.sqrt(similarities.var(axis=1).mean()))
        return cls(local, own, threshold, spread, (options.large, options.small))

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:
        """float32 (q, E), in standard deviations of the local scores of each query."""
        local = self.local.scores(vectors, texts).astype(np.float64)
        local -= local.mean(axis=1, keepdims=True)
        own = np.sqrt((local * local).mean(axis=1, keepdims=True))
        local /= np.where(own > 0, own, 1.0)
        prior = dots(vectors, self.cards)
        large, small = self.scales
        scale = np.where(prior.max(axis=1, keepdims=True) >= self.threshold, large, small)
        prior = (prior - prior.mean(axis=1, keepdims=True)) / (self.spread or 1.0)
        return np.asarray(local + scale * prior, np.float32)

    def fell_back(self, vectors: Vectors, texts: Sequence[str]) -> NDArray[np.bool_]:  # noqa: ARG002
        """Bool (q,): whether no card is near, so that the prior hardly counts."""
        far: NDArray[np.bool_] = dots(vectors, self.cards).max(axis=1) < self.threshold
        return far

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:
        """What the local scorer tells, and under `cards` the similarity of every card."""
        similarities = dots(vectors, self.cards)
        return [
            {**told, "cards": {name: float(one) for name, one in zip(self.experts, row, strict=True)}}
            for told, row in zip(self.local.explain(vectors, texts), similarities, strict=True)
        ]


class PriorRouter(TableRouter):
    """Routes by a local router and the experts' cards."""

    Options = PriorOptions

    @classmethod
    def open(cls, experts: Sequence[Expert], options: PriorOptions) -> Self:
        """The router of a panel.

        Raises:
            ConfigError: an expert has no card, a card is nobody's, or `local` reads no utility table.
            UnknownName: no router is called `local`.
        """
        panel = open_panel(experts, options.table)
        names = [expert.name for expert in experts]
        for name in options.cards:
            if name not in names:
                raise ConfigError(f"prior router: the card {name!r} is nobody's; {nearest(name, names)}")
        cards = [options.cards.get(expert.name, expert.description).strip() for expert in experts]
        if "" in cards:
            raise ConfigError(
                f"prior router: expert {names[cards.index('')]!r} has no card; describe in a sentence what it is for"
            )
        kind = ROUTERS.load(options.local)
        if kind is cls or "table" not in {f.name for f in dataclasses.fields(kind.Options)}:
            raise ConfigError(f"prior router: local is {options.local!r}; choose a router that reads a utility table")
        local = kind.open(experts, kind.Options(table=options.table)).scorer
        vectors = panel.encoder.encode_queries(cards).vectors
        return cls(Prior.fit(local, vectors, panel.table, options), panel.encoder)
