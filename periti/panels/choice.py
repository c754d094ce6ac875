"""Which router and policy? Chosen on held-out queries of train, at home and as strangers; never on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from periti.panels.fallback import held_out_scorers
from periti.panels.systems import Asked, Fit, Values, decided
from periti.protocols import Policy
from periti.retrievers.policies.rows import Rows
from periti.retrievers.routing.base import Scores
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class Scored:
    """Scores float32 (n, E) of a collection's held-out queries by routers that were not fitted on them."""

    experts: tuple[str, ...]
    scores: Scores


@dataclass(frozen=True)
class HeldOutScores:
    """Both sides of held-out train, by collection: routers that know the collection, and routers that do not."""

    home: Mapping[str, Scored]
    strangers: Mapping[str, Scored]

    @property
    def rows(self) -> list[Rows]:
        """The scores at home, float64, one matrix a collection."""
        return [one.scores.astype(np.float64) for one in self.home.values()]


def held_out_scores(fit: Fit, table: UtilityTable) -> HeldOutScores:
    """What a router makes of the table's queries when it was fitted without them."""
    names = np.array(table.datasets)
    home = np.zeros((len(table), len(table.experts)), np.float32)
    strangers = {}
    for one in held_out_scorers(fit, table):
        texts = [text for text, own in zip(table.texts, one.rows, strict=True) if own]
        scores = one.scorer.scores(table.vectors[one.rows], texts)
        if one.strangers:
            strangers[str(names[one.rows][0])] = Scored(one.scorer.experts, scores)
        else:
            home[one.rows] = scores
    known = {name: Scored(table.experts, home[names == name]) for name in sorted(set(table.datasets))}
    return HeldOutScores(known, strangers)


@dataclass(frozen=True)
class Promise:
    """What a router and a policy reached on held-out train: macro means over its collections.

    Attributes:
        home: of collections that the router knows.
        strangers: of collections that play strangers; None where no collection could.
    """

    home: float
    strangers: float | None

    @property
    def value(self) -> float:
        """What is chosen by: the mean of both, since a panel meets both and can not tell them apart."""
        return self.home if self.strangers is None else (self.home + self.strangers) / 2


def promise(found: HeldOutScores, asked: Mapping[str, Asked], policy: Policy, measure: str) -> Promise:
    """What a policy over a router's held-out scores reaches; `asked` are the held-out queries, in the table's order."""

    def mean(side: Mapping[str, Scored]) -> float | None:
        values: list[Values] = [
            decided(asked[name], one.experts, one.scores, policy, measure).values for name, one in side.items()
        ]
        return float(np.mean([own.mean() for own in values])) if values else None

    home = mean(found.home)
    return Promise(0.0 if home is None else home, mean(found.strangers))


def averaged(promises: Sequence[Promise]) -> Promise:
    """The mean over training seeds."""
    strangers = [one.strangers for one in promises if one.strangers is not None]
    return Promise(float(np.mean([one.home for one in promises])), float(np.mean(strangers)) if strangers else None)


def chosen(promises: Mapping[str, Promise]) -> str:
    """The system that promises most; the first of equals."""
    return max(promises, key=lambda name: promises[name].value)
