"""What every training seed gives a study: utilities, answers, and every system's outcome on every collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from periti.encoders.adapters import Adapter
from periti.errors import InputError
from periti.panels.choice import HeldOutScores, Promise, held_out_scores, promise
from periti.panels.config import BASE
from periti.panels.courses import trained
from periti.panels.luck import Halves, halved, reworded
from periti.panels.material import TEST, UTILITY
from periti.panels.panel import Panel
from periti.panels.systems import (
    CALIBRATED,
    CROSS_FITTED,
    Asked,
    Fit,
    Outcome,
    Values,
    ask,
    bounds,
    policies,
    routed,
    scorers,
)
from periti.panels.tables import utility_table
from periti.panels.tuning import policies_of
from periti.progress import Progress
from periti.protocols import Policy
from periti.retrievers.routing import oracles
from periti.retrievers.routing.base import Scorer
from periti.retrievers.routing.table import UtilityTable

Outcomes = dict[str, dict[str, list[Outcome]]]
"""System -> collection -> one outcome a seed."""


@dataclass(frozen=True)
class Seeded:
    """One training seed.

    Attributes:
        table: the utility table of its experts.
        asked: what experts and controls answered on test queries, by collection.
        held_out: the same on the table's own queries.
        reworded: what experts reach on the test queries in other words, float64 (n, E), by collection.
        halves: what they reach by halves of the relevant documents, where queries have two.
    """

    table: UtilityTable
    asked: Mapping[str, Asked]
    held_out: Mapping[str, Asked]
    reworded: Mapping[str, Values]
    halves: Mapping[str, Halves]


def seeded(panel: Panel, seed: int, progress: Progress) -> Seeded:
    """The utility table of a seed's experts, and their answers on every test and every held-out query."""
    config = panel.config
    adapters: dict[str, Adapter | None] = {
        name: None if name == BASE else trained(config, name, seed) for name in config.routed
    }
    controls = {name: trained(config, name, seed) for name, one in config.experts.items() if one.control}
    table = utility_table(panel, adapters, seed)
    tested = [name for name, material in panel.materials.items() if TEST in material.slices]
    progress.start(f"asking the experts of seed {seed}", len(tested))
    asked, other, halves = {}, {}, {}
    for name in tested:
        asked[name] = ask(panel, {**adapters, **controls}, name)
        other[name] = reworded(panel, adapters, asked[name])
        parts = halved(asked[name], table.experts, config.measure)
        if parts is not None:
            halves[name] = parts
        progress.advance(1)
    progress.finish()
    held_out = {name: ask(panel, adapters, name, UTILITY) for name in sorted(set(table.datasets))}
    return Seeded(table, asked, held_out, other, halves)


@dataclass
class Gathered:
    """Every system on every collection, and what held-out train promised of those that are chosen from.

    Attributes:
        outcomes: of all systems.
        promises: of routers with policies, one a seed.
        fitted: router -> its scorer of the first seed.
        policies: system -> its policy, one a seed.
        extra: systems that are in the table of policies only.
        left_out: router -> why it could not be fitted to this panel.
    """

    outcomes: Outcomes = field(default_factory=dict)
    promises: dict[str, list[Promise]] = field(default_factory=dict)
    fitted: dict[str, Scorer] = field(default_factory=dict)
    policies: dict[str, list[Policy]] = field(default_factory=dict)
    extra: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, system: str, collection: str, outcome: Outcome) -> None:
        """One more seed of a system on a collection."""
        self.outcomes.setdefault(system, {}).setdefault(collection, []).append(outcome)

    def values(self, system: str, collection: str) -> Values:
        """Values by query, averaged over seeds, float64 (n,)."""
        return mean_values(self.outcomes[system][collection])


def gathered(panel: Panel, seeds: Sequence[Seeded], progress: Progress) -> Gathered:
    """All of them, over all seeds; a router that can not learn from a table is left out, with the reason.

    Raises:
        InputError: it is the panel's own router that can not.
    """
    found = Gathered()
    routers = scorers(panel)
    controls = [name for name, one in panel.config.experts.items() if one.control]
    for one in seeds:
        for name, asked in one.asked.items():
            for system, outcome in bounds(asked, one.table.experts, one.table, controls).items():
                found.add(system, name, outcome)
            found.add(CROSS_FITTED, name, _cross_fitted(asked, one.table.experts, one.reworded[name]))
    progress.start("routers and policies", len(routers))
    for router, fit in routers.items():
        try:
            fitted = [_fitted(fit, one.table, plain=router not in (*CALIBRATED, panel.config.router)) for one in seeds]
        except InputError as error:
            if router == panel.config.router:
                raise
            found.left_out[router] = str(error)
            continue
        found.fitted[router] = fitted[0].scorer
        for one, made in zip(seeds, fitted, strict=True):
            _judge(panel, found, router, one, made)
        progress.advance(1)
    progress.finish()
    return found


@dataclass(frozen=True)
class _Fitted:
    scorer: Scorer
    held: HeldOutScores | None
    policies: Mapping[str, Policy]


def _fitted(fit: Fit, table: UtilityTable, *, plain: bool) -> _Fitted:
    """A router of one seed; unless `plain`, with its scores of held-out queries and the policies that need them."""
    held = None if plain else held_out_scores(fit, table)
    return _Fitted(fit(table), held, policies(fit, table, plain=plain))


def _judge(panel: Panel, found: Gathered, router: str, one: Seeded, made: _Fitted) -> None:
    """A router of one seed with all its policies; the panel's own with those of the table of policies too."""
    tried = {named(router, label): policy for label, policy in made.policies.items()}
    if made.held is not None and router == panel.config.router:
        more = {named(router, label): policy for label, policy in policies_of(made.held.rows).items()}
        found.extra.update(dict.fromkeys(more))
        tried |= more
    measure = panel.config.measure
    for system, policy in tried.items():
        found.policies.setdefault(system, []).append(policy)
        for name, asked in one.asked.items():
            found.add(system, name, routed(asked, made.scorer, policy, measure))
        if made.held is not None:
            found.promises.setdefault(system, []).append(promise(made.held, one.held_out, policy, measure))


def mean_values(outcomes: Sequence[Outcome]) -> Values:
    """Values by query, averaged over seeds, float64 (n,)."""
    values: Values = np.mean([one.values for one in outcomes], axis=0)
    return values


def named(router: str, label: str) -> str:
    """A router with a policy; argmax is the router alone."""
    return f"{router} + {label}" if label else router


def _cross_fitted(asked: Asked, experts: Sequence[str], other: Values) -> Outcome:
    """The instance oracle that chooses by the query in other words, valued on the query itself."""
    matrix = asked.matrix(experts)
    columns, _ = oracles.cross_fitted_oracle(matrix, other)
    shares = {name: float((columns == i).mean()) for i, name in enumerate(experts)}
    return Outcome(oracles.reached(matrix, columns), shares=shares)
