"""Directions that the literature, or simulations of it, lead to expect: do they hold on this panel?

Looked at on test queries; nothing is chosen by them. Each is one small function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from periti.evaluation.routing.results import Expectation, StudiedCollection
from periti.panels.config import BASE
from periti.panels.panel import Panel
from periti.panels.rows import reached
from periti.panels.seeds import Gathered, Seeded, named
from periti.panels.systems import (
    INSTANCE_ORACLE,
    MEAN_SINGLE,
    RANDOM,
    cards,
    routed,
)
from periti.panels.tables import base_vectors
from periti.panels.tuning import EQUAL_GATED, EQUAL_TOP_P, FUSED, ONE_SCALE
from periti.retrievers.diagnosis.workload import WorkloadProfile
from periti.retrievers.policies.adaptive import EntropyGate, TopP
from periti.retrievers.policies.fixed import Argmax
from periti.retrievers.routing.base import Scorer
from periti.retrievers.routing.pilots import PilotOptions, Pilots
from periti.retrievers.routing.prior import Prior, PriorOptions
from periti.retrievers.routing.similarity import dots, unit
from periti.types import Queries

NAIVE = PilotOptions(agg="mean", ties="first", sim="dot")
LARGE = 10.0
"""Standard deviations that a prior counts for where it decides alone."""


@dataclass(frozen=True)
class Looked:
    """What every look needs."""

    panel: Panel
    seeds: Sequence[Seeded]
    found: Gathered
    collections: Sequence[StudiedCollection]

    def value(self, system: str, *, seen: bool = True) -> float:
        """The macro mean of a system; not a number where there is no such collection, or no such system."""
        if system not in self.found.outcomes:
            return float("nan")
        mean = reached(self.found, system, self.collections, seen=seen)
        return float("nan") if mean is None else mean

    def value_of(self, scorers: Sequence[Scorer], *, seen: bool = True) -> float:
        """The macro mean of routers that are no system, one a seed, with argmax."""
        names = [one.name for one in self.collections if one.seen is seen]
        measure = self.panel.config.measure
        means = [
            routed(one.asked[name], scorer, Argmax(), measure).values.mean()
            for name in names
            for one, scorer in zip(self.seeds, scorers, strict=True)
        ]
        return float(np.mean(means)) if means else float("nan")


def expected(
    panel: Panel, seeds: Sequence[Seeded], found: Gathered, collections: Sequence[StudiedCollection]
) -> tuple[Expectation, ...]:
    """Every stated direction."""
    look = Looked(panel, seeds, found, collections)
    routers = (_order, _naive, _labels, _ridge, _neighbours, _cards, _skills)
    told = [one(look) for one in (*routers, _far, _equal_cost, _between, _clean, _working)]
    # Where a router was left out or no collection is seen, there is nothing to agree with.
    return tuple(replace(one, holds=None) if "nan" in one.found else one for one in told)


def _order(look: Looked) -> Expectation:
    names = (BASE, MEAN_SINGLE, "nearest-example", "pilots", INSTANCE_ORACLE)
    values = [look.value(name) for name in names]
    told = " < ".join(names)
    return Expectation("RouterRetriever", f"seen: {told}", _listed(values), values == sorted(values))


def _naive(look: Looked) -> Expectation:
    naive = look.value_of([Pilots.fit(one.table, NAIVE) for one in look.seeds])
    gain = look.value("pilots") - naive
    claim = "seen: pilots weighted by count, ties at home, cosine beat the unweighted mean, first winner, dot by .1"
    return Expectation("pilots", claim, f"{gain:+.4f}", gain > 0.1)


def _labels(look: Looked) -> Expectation:
    gain = look.value("pilots") - look.value("centroids")
    return Expectation("pilots", "seen: pilots beat plain centroids, by .006 to .026", f"{gain:+.4f}", gain > 0)


def _ridge(look: Looked) -> Expectation:
    nearest, centroids = (look.value("ridge") - look.value(name) for name in ("nearest-example", "centroids"))
    claim = "seen: ridge beats the nearest example, and plain centroids never clearly"
    return Expectation("Tryage", claim, f"{nearest:+.4f}, {centroids:+.4f}", nearest > 0 and centroids < 0.004)


def _neighbours(look: Looked) -> Expectation:
    pilots, centroids = (look.value("neighbours") - look.value(name) for name in ("pilots", "centroids"))
    claim = "seen: neighbours are within .008 of pilots or better, and beat plain centroids"
    return Expectation("C3PO", claim, f"{pilots:+.4f}, {centroids:+.4f}", pilots >= -0.008 and centroids > 0)


def _cards(look: Looked) -> Expectation:
    """Glider's two regimes: the prior helps on known tasks, and a large scale harms on unknown ones."""
    forced = PriorOptions(large=LARGE, small=LARGE)
    told = cards(look.panel)
    priors = []
    for one in look.seeds:
        vectors = base_vectors(look.panel.vectors, [told[name] for name in one.table.experts])
        priors.append(Prior.fit(Pilots.fit(one.table), vectors, one.table, forced))
    seen = look.value("prior") - look.value("pilots")
    large = look.value_of(priors, seen=False) - look.value("pilots", seen=False)
    chosen = look.value("prior", seen=False) - look.value("pilots", seen=False)
    claim = "seen: cards and pilots beat pilots; unseen: cards alone lose to pilots, the scale chosen by confidence not"
    found = f"{seen:+.4f}; {large:+.4f}, {chosen:+.4f}"
    return Expectation("Glider", claim, found, seen > 0 and large < 0 and chosen > -0.005)


def _far(look: Looked) -> Expectation:
    """Harder tasks need more experts: queries far from every pilot ask more of them."""
    main = look.panel.config.router
    policy = look.found.policies[named(main, EQUAL_TOP_P)][0]
    scorer = look.found.fitted[main]
    pilots = Pilots.fit(look.seeds[0].table)
    asked, distance = [], []
    for one in look.seeds[0].asked.values():
        queries = one.part.queries
        plan = policy.select(queries, scorer.experts, scorer.scores(one.vectors, queries.texts))
        counts = dict(plan.frame.group_by("query_id").len().iter_rows())
        asked += [counts[query] for query in queries.ids]
        distance.append(1 - dots(one.vectors, pilots.vectors).max(axis=1))
    claim = "experts that top-p asks rise with 1 - the similarity of the nearest pilot (correlation)"
    with np.errstate(invalid="ignore"):
        correlation = float(np.corrcoef(asked, np.concatenate(distance))[0, 1])
    told = f"p {policy.options.p:.3f}: {correlation:+.3f}" if isinstance(policy, TopP) else f"{correlation:+.3f}"
    return Expectation("top-p", claim, told, correlation > 0)


def _equal_cost(look: Looked) -> Expectation:
    main = look.panel.config.router
    system = named(main, EQUAL_TOP_P)
    gains = [look.value(system, seen=seen) - look.value(named(main, ONE_SCALE), seen=seen) for seen in (True, False)]
    asked = [np.mean([o.asked for o in look.found.outcomes[system][c.name]]) for c in look.collections if c.seen]
    count = f"{np.mean(asked):.2f}" if asked else "no"
    claim = (
        "seen (beside it: unseen): top-p, tuned on train to 2 experts on average, is no worse than top 2 on one scale"
    )
    return Expectation("top-p", claim, f"{_listed(gains, sign=True)}; {count} experts", gains[0] >= 0)


def _between(look: Looked) -> Expectation:
    """Queries halfway between two collections are uncertain more often than the queries themselves."""
    main = look.panel.config.router
    policy, scorer = look.found.policies[named(main, EQUAL_GATED)][0], look.found.fitted[main]
    known = [look.seeds[0].asked[one.name].vectors for one in look.collections if one.seen]
    claim = "queries between two seen collections ask all experts more often than clean ones (share)"
    if len(known) < 2 or not isinstance(policy, EntropyGate):
        return Expectation("entropy gate", claim, "one seen collection", None)
    clean = np.concatenate(known)
    # Each with one of the next collection, that one's queries again from the start where it has fewer.
    following = zip(known, [*known[1:], known[0]], strict=True)
    partners = [other[np.arange(len(one)) % len(other)] for one, other in following]
    mixed = unit(clean + np.concatenate(partners)).astype(np.float32)
    shares = []
    for vectors in (clean, mixed):
        queries = Queries.from_pairs([(str(i), "between") for i in range(len(vectors))])
        scores = scorer.scores(vectors, queries.texts)
        shares.append(float(policy.uncertain(queries, scorer.experts, scores).mean()))
    return Expectation("entropy gate", claim, f"{shares[1]:.3f} against {shares[0]:.3f}", shares[1] > shares[0])


def _clean(look: Looked) -> Expectation:
    main = look.panel.config.router
    gated = look.value(named(main, EQUAL_GATED))
    gains = [gated - look.value(named(main, label)) for label in ("", FUSED)]
    claim = "seen: the gate at 2 experts on average loses at most .005 to argmax (beside it: to top 2)"
    return Expectation("entropy gate", claim, _listed(gains, sign=True), gains[0] >= -0.005)


def _skills(look: Looked) -> Expectation:
    random, pilots = (look.value("skills") - look.value(name) for name in (RANDOM, "pilots"))
    claim = "seen: skills beat a random expert (beside it: less pilots, which they approach where words tell domains)"
    return Expectation("Symbolic-MoE", claim, f"{random:+.4f}, {pilots:+.4f}", random > 0)


def _working(look: Looked) -> Expectation:
    """Each collection a workload: what half of its queries asked is loaded for the other half."""
    main, experts = look.panel.config.router, look.seeds[0].table.experts
    room = max(1, len(experts) // 2)
    chosen = {name: of[0].chosen for name, of in look.found.outcomes[main].items()}
    logs = {name: columns for name, columns in chosen.items() if columns is not None and len(columns) > 1}
    counts = {name: np.bincount(columns[::2], minlength=len(experts)) for name, columns in logs.items()}
    every = WorkloadProfile.of_counts("all", experts, np.sum([*counts.values()], axis=0))
    rates: list[list[float]] = [[], []]
    for name, columns in logs.items():
        own = WorkloadProfile.of_counts(name, experts, counts[name])
        for rate, profile in zip(rates, (own, every), strict=True):
            loaded = [experts.index(expert) for expert in profile.covering(1.0)[:room]]
            rate.append(float(np.isin(columns[1::2], loaded).mean()))
    own_rate, popular = (float(np.mean(rate)) for rate in rates)
    claim = f"a collection's own profile, {room} of {len(experts)} experts loaded, is hit by .95, more than popularity"
    return Expectation(
        "PreMoe", claim, f"{own_rate:.3f} against {popular:.3f}", own_rate >= 0.95 and own_rate > popular
    )


def _listed(values: Sequence[float], *, sign: bool = False) -> str:
    return ", ".join(f"{value:{'+' if sign else ''}.4f}" for value in values)
