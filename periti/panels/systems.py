"""Every system of a routing study on every query: base, experts, control, routers with policies, oracles, chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter
from periti.panels.config import BASE
from periti.panels.fallback import threshold_of
from periti.panels.material import TEST, Material, Slice
from periti.panels.panel import Panel
from periti.panels.tables import base_vectors, in_order
from periti.panels.tuning import FALLBACK, FUSED
from periti.panels.vectors import measured, searched
from periti.protocols import Policy, Vectors
from periti.rankers.fusion import ScoreSum
from periti.retrievers.policies.fixed import Argmax, TopK
from periti.retrievers.policies.threshold import Threshold, ThresholdOptions
from periti.retrievers.routing import oracles
from periti.retrievers.routing.base import Scorer, Scores
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.classifiers import Classifier
from periti.retrievers.routing.nearest_example import NearestExample
from periti.retrievers.routing.neighbours import Neighbours
from periti.retrievers.routing.pairwise import Pairwise
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.prior import Prior
from periti.retrievers.routing.ridge import Ridge
from periti.retrievers.routing.skills import Skills
from periti.retrievers.routing.table import UtilityTable
from periti.types import Plan, Run

Values = NDArray[np.float64]
Fit = Callable[[UtilityTable], Scorer]

MEAN_SINGLE, RANDOM = "best single expert", "random expert"
DATASET_ORACLE, INSTANCE_ORACLE = "dataset oracle", "instance oracle"
CROSS_FITTED, NULL_ORACLE = "cross-fitted instance oracle", "null oracle"
CALIBRATED = ("pilots", "centroids", "neighbours", "ridge")
"""Routers tried with a calibrated fall-back and with fusion, beside the panel's own."""


@dataclass(frozen=True)
class Asked:
    """What the experts answered on one slice of a collection with one seed.

    Attributes:
        material: the collection.
        part: the queries, and their judgements.
        vectors: base vectors of the queries, float32 (n, d), length one.
        runs: expert -> its run.
        values: expert -> the measure of every query, float64 (n,), in the order of the queries; controls too.
    """

    material: Material
    part: Slice
    vectors: Vectors
    runs: Mapping[str, Run]
    values: Mapping[str, Values]

    def matrix(self, experts: Sequence[str]) -> Values:
        """The values of these experts, float64 (n, E)."""
        return np.column_stack([self.values[name] for name in experts])


@dataclass(frozen=True)
class Outcome:
    """One system on one collection with one seed: a value a query, encodings and experts a query, whom it asked."""

    values: Values
    cost: float = 1.0
    asked: float = 1.0
    shares: Mapping[str, float] = field(default_factory=dict)
    chosen: NDArray[np.int64] | None = None


def ask(panel: Panel, adapters: Mapping[str, Adapter | None], name: str, purpose: str = TEST) -> Asked:
    """Every expert and control on the queries of one slice of a collection."""
    material = panel.materials[name]
    part = material.slices[purpose]
    runs, values = {}, {}
    for expert, adapter in adapters.items():
        vectors = panel.vectors.of(part.queries.texts, adapter)
        runs[expert] = searched(material, part.queries, vectors, name=expert)
        found = measured(runs[expert], part, panel.config.measure, material.min_rel)
        values[expert] = in_order(found, part.queries)
    return Asked(material, part, base_vectors(panel.vectors, part.queries.texts), runs, values)


def cards(panel: Panel) -> dict[str, str]:
    """What every expert is for, in a sentence."""
    known = {name: panel.config.experts[name].description or name for name in panel.config.routed if name != BASE}
    return {BASE: "general questions on any subject", **known}


def scorers(panel: Panel) -> dict[str, Fit]:
    """Every router of the study by name, as it is fitted to a utility table; settings are the routers' defaults."""
    told = cards(panel)

    def prior(table: UtilityTable) -> Scorer:
        texts = [told[name] for name in table.experts]
        return Prior.fit(Pilots.fit(table), base_vectors(panel.vectors, texts), table)

    return {
        "pilots": Pilots.fit,
        "centroids": Centroids.fit,
        "nearest-example": NearestExample.fit,
        "neighbours": Neighbours.fit,
        "ridge": Ridge.fit,
        "pairwise": Pairwise.fit,
        "prior": prior,
        "skills": Skills.fit,
        "classifier": Classifier.fit,
        "classifier-head": lambda table: Classifier.fit(table, joint=False),
    }


def policies(fit: Fit, table: UtilityTable, *, plain: bool = False) -> dict[str, Policy]:
    """The policies a router is tried with: argmax, unless `plain` the calibrated fall-back and the two best fused."""
    argmax: Policy = Argmax.open(Argmax.Options())
    if plain:
        return {"": argmax}
    return {
        "": argmax,
        FALLBACK: Threshold(ThresholdOptions(fallback=BASE, score=threshold_of(fit, table))),
        FUSED: TopK.open(TopK.Options(k=2)),
    }


def routed(asked: Asked, scorer: Scorer, policy: Policy, measure: str) -> Outcome:
    """What a router and a policy make of a collection."""
    return decided(asked, scorer.experts, scorer.scores(asked.vectors, asked.part.queries.texts), policy, measure)


def decided(asked: Asked, experts: Sequence[str], scores: Scores, policy: Policy, measure: str) -> Outcome:
    """What a policy makes of scores float32 (n, E); one encoding is the router's own, of the base."""
    queries = asked.part.queries
    plan = policy.select(queries, experts, scores)
    weights = dict(plan.frame.group_by("expert").agg(pl.col("weight").sum()).iter_rows())
    total = sum(weights.values())
    others = plan.frame.filter(pl.col("expert") != BASE).height
    first = plan.frame.sort("query_id", "weight", descending=[False, True]).unique("query_id", keep="first")
    column = {name: i for i, name in enumerate(experts)}
    chosen = queries.frame.join(first, on="query_id", how="left", maintain_order="left")["expert"]
    return Outcome(
        values=planned(asked, plan, measure),
        cost=1 + others / len(queries),
        asked=plan.frame.height / len(queries),
        shares={name: weights.get(name, 0.0) / total for name in experts},
        chosen=np.array([column[name] for name in chosen], np.int64),
    )


def planned(asked: Asked, plan: Plan, measure: str) -> Values:
    """The measure of every query under a plan: the expert's own where one is asked, of the fused run elsewhere."""
    part = asked.part
    if plan.frame.height == len(part.queries):
        experts = part.queries.frame.join(plan.frame, on="query_id", how="left", maintain_order="left")["expert"]
        return np.array([asked.values[name][i] for i, name in enumerate(experts)])
    runs = {}
    for name in plan.experts:
        mine = plan.frame.filter(pl.col("expert") == name).select("query_id")
        runs[name] = Run(name, asked.runs[name].frame.join(mine, on="query_id", how="semi", maintain_order="left"))
    fused = ScoreSum().fuse(runs, plan)
    return in_order(measured(fused, part, measure, asked.material.min_rel), part.queries)


def bounds(asked: Asked, experts: Sequence[str], table: UtilityTable, controls: Sequence[str]) -> dict[str, Outcome]:
    """Base, experts, controls, chance, the best single expert by the table, and the oracles."""
    matrix = asked.matrix(experts)
    found = {name: Outcome(asked.values[name]) for name in (*experts, *controls)}
    single = experts[int(oracles.best_single(table.utilities)[0])]
    found[MEAN_SINGLE] = Outcome(asked.values[single], shares={single: 1.0})
    # The expectation of choosing by chance, rather than one draw of it.
    found[RANDOM] = Outcome(matrix.mean(axis=1))
    names = [asked.material.name] * len(matrix)
    for label, columns in (
        (DATASET_ORACLE, oracles.dataset_oracle(matrix, names)),
        (INSTANCE_ORACLE, oracles.instance_oracle(matrix)),
    ):
        shares = {name: float((columns == i).mean()) for i, name in enumerate(experts)}
        found[label] = Outcome(oracles.reached(matrix, columns), shares=shares)
    return found
