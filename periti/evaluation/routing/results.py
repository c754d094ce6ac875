"""A routing study as data: systems × collections, who was asked, what the oracles could have reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from periti.evaluation.significance.results import Study

KINDS = ("base", "expert", "control", "router", "oracle", "random")

POINTS = pl.Schema({"x": pl.Float64, "y": pl.Float64, "collection": pl.String, "expert": pl.String})


@dataclass(frozen=True)
class StudiedCollection:
    """One collection (and split) of a study.

    Attributes:
        name: as the study calls it.
        domain: law, medicine, ...
        home: the expert that was trained on its train part; '' if no expert has seen any of it.
        queries: judged queries that count.
    """

    name: str
    domain: str
    home: str
    queries: int

    @property
    def seen(self) -> bool:
        """Whether an expert was trained on its train part."""
        return bool(self.home)


@dataclass(frozen=True)
class StudiedSystem:
    """One system: the base, an expert, the multi-task control, a router with its policy, an oracle, chance.

    Attributes:
        name: shown everywhere.
        kind: one of KINDS.
        values: collection -> mean of the measure over its queries (seeds averaged per query first).
        cost: mean number of query encodings that one query takes, the router's own included.
        shares: collection -> expert -> share of the queries (of routing weight) that went to it; empty for others.
        regret: mean over all queries of best expert's value minus its own; None for oracles.
        gap: (value, low, high): share of the gap between base and dataset oracle that it closes on the macro mean of
            the seen collections, with a 95 % bootstrap interval; None where it makes no sense.
        note: one sentence, such as how the system was chosen.
    """

    name: str
    kind: str
    values: Mapping[str, float]
    cost: float = 1.0
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    regret: float | None = None
    gap: tuple[float, float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class StudiedPolicy:
    """A router with a policy: what it promised on held-out queries of train, and what it reached on test.

    Attributes:
        name: shown everywhere.
        home: macro mean over the held-out train queries of collections that the router knows.
        strangers: the same where neither the collection nor its expert was known to the router; None if none could be.
        promise: what the choice is made by, of the two.
        seen, unseen: macro means on test; None where there is no such collection.
        cost: encodings a test query, the router's own included.
        asked: experts asked a test query.
        note: one sentence, such as what it was tuned to.
    """

    name: str
    home: float
    strangers: float | None
    promise: float
    seen: float | None
    unseen: float | None
    cost: float
    asked: float
    note: str = ""


@dataclass(frozen=True)
class StudiedOracle:
    """An oracle and what it gains over choosing by chance among the same, macro means on seen and unseen collections.

    Attributes:
        name: shown.
        among: words for what it chooses from.
        seen, unseen: what it reaches; None where there is no such collection.
        seen_gain, unseen_gain: that less what chance reaches among the same.
    """

    name: str
    among: str
    seen: float | None
    unseen: float | None
    seen_gain: float | None
    unseen_gain: float | None


@dataclass(frozen=True)
class Expectation:
    """A direction that the literature or a simulation leads to expect, and whether it holds here.

    Attributes:
        about: the method.
        claim: what is expected, in words.
        found: the numbers.
        holds: whether they agree; None where it is only reported.
    """

    about: str
    claim: str
    found: str
    holds: bool | None


@dataclass(frozen=True)
class RoutingStudy:
    """Everything that `periti router evaluate` prints.

    Attributes:
        measure: such as nDCG@10.
        seeds: training seeds, averaged per topic.
        collections: seen ones first.
        systems: in the order of the table.
        experts: names, the columns of the routing matrix.
        studies: title -> corrected comparison, such as "scifact: router against base and controls".
        points: query vectors of one seed projected to the plane (columns of POINTS), with the expert chosen.
        stability: system -> kind of disturbance (typo, paraphrase) -> share of queries whose chosen expert stays.
        seconds: what -> seconds a query, such as {"encode": .., "route": ..}.
        facts: provenance for the footer: table tie rate, digests, versions, command.
        chosen: the system that held-out queries of train chose; '' if none did.
        policies: what was chosen from.
        luck: oracles beside those that show how much of them is luck.
        expectations: directions that were stated beforehand.
    """

    measure: str
    seeds: tuple[int, ...]
    collections: tuple[StudiedCollection, ...]
    systems: tuple[StudiedSystem, ...]
    experts: tuple[str, ...]
    studies: Mapping[str, Study] = field(default_factory=dict)
    points: pl.DataFrame = field(default_factory=POINTS.to_frame)
    stability: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    chosen: str = ""
    policies: tuple[StudiedPolicy, ...] = ()
    luck: tuple[StudiedOracle, ...] = ()
    expectations: tuple[Expectation, ...] = ()

    def macro(self, system: StudiedSystem, *, seen: bool | None = None) -> float:
        """Mean over collections (each counts the same), all of them, or the seen or the unseen ones."""
        names = [c.name for c in self.collections if seen is None or c.seen is seen]
        return sum(system.values[name] for name in names) / len(names) if names else float("nan")

    def system(self, name: str) -> StudiedSystem:
        """The system of that name; KeyError if there is none."""
        for one in self.systems:
            if one.name == name:
                return one
        raise KeyError(name)
