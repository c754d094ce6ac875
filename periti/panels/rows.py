"""Rows of the tables of policies and of oracles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from periti.evaluation.routing.results import StudiedCollection, StudiedOracle, StudiedPolicy
from periti.panels.choice import Promise
from periti.panels.luck import instance_oracle_of, null_oracle
from periti.panels.seeds import Gathered, Seeded
from periti.panels.systems import Values
from periti.panels.tuning import EQUAL_GATED, EQUAL_TOP_P
from periti.retrievers.policies.adaptive import EntropyGate, TopP

Pair = tuple[Values, Values]
"""What an oracle reaches and what chance reaches among the same, by query."""


def macro(values: Mapping[str, Values], collections: Sequence[StudiedCollection], *, seen: bool) -> float | None:
    """The macro mean over the collections that are there; None if there is none."""
    means = [float(values[one.name].mean()) for one in collections if one.seen is seen and one.name in values]
    return float(np.mean(means)) if means else None


def reached(found: Gathered, system: str, collections: Sequence[StudiedCollection], *, seen: bool) -> float | None:
    """The macro mean of a system, seeds averaged."""
    return macro({name: found.values(system, name) for name in found.outcomes[system]}, collections, seen=seen)


def studied_policies(
    found: Gathered, promises: Mapping[str, Promise], collections: Sequence[StudiedCollection]
) -> tuple[StudiedPolicy, ...]:
    """A row for every system that was chosen from, in the order in which they were tried."""
    rows = []
    for system, kept in promises.items():
        outcomes = [one for of in found.outcomes[system].values() for one in of]
        rows.append(
            StudiedPolicy(
                name=system,
                home=kept.home,
                strangers=kept.strangers,
                promise=kept.value,
                seen=reached(found, system, collections, seen=True),
                unseen=reached(found, system, collections, seen=False),
                cost=float(np.mean([one.cost for one in outcomes])),
                asked=float(np.mean([one.asked for one in outcomes])),
                note=_note(found, system),
            )
        )
    return tuple(rows)


def _note(found: Gathered, system: str) -> str:
    """How a tuned policy was tuned."""
    policies = found.policies[system]
    if system.endswith(EQUAL_TOP_P):
        told = ", ".join(f"{one.options.p:.3f}" for one in policies if isinstance(one, TopP))
    elif system.endswith(EQUAL_GATED):
        told = ", ".join(f"{one.options.gate:.3f}" for one in policies if isinstance(one, EntropyGate))
    else:
        return ""
    what = "p" if system.endswith(EQUAL_TOP_P) else "all experts above a gate of"
    return f"{what} {told} (by seed), so that held-out queries at home ask as many experts on average as top 2"


def studied_oracles(seeds: Sequence[Seeded], collections: Sequence[StudiedCollection]) -> tuple[StudiedOracle, ...]:
    """Chance, the null oracle, the instance oracle of as many experts and of all, and the cross-fitted ones."""
    experts = seeds[0].table.experts
    trained = experts[1:]
    found: dict[tuple[str, str], dict[str, Pair]] = {}

    def add(name: str, among: str, collection: str, pairs: Sequence[Pair]) -> None:
        best, chance = (np.mean([pair[i] for pair in pairs], axis=0) for i in (0, 1))
        found.setdefault((name, among), {})[collection] = (best, chance)

    size = min(len(seeds), len(trained))
    for name in seeds[0].asked:
        asked = [one.asked[name] for one in seeds]
        if size > 1:
            add("null oracle", f"{len(seeds)} training seeds of one expert", name, [null_oracle(asked, trained)])
            few = [one.matrix(trained) for one in asked]
            of_size = [(instance_oracle_of(one, size), one.mean(axis=1)) for one in few]
            add("instance oracle", f"any {size} trained experts", name, of_size)
        every = [one.matrix(experts) for one in asked]
        add("instance oracle", f"all {len(experts)}", name, [(one.max(axis=1), one.mean(axis=1)) for one in every])
        columns = [one.reworded[name].argmax(axis=1) for one in seeds]
        crossed = [(one[np.arange(len(one)), best], one.mean(axis=1)) for one, best in zip(every, columns, strict=True)]
        add("cross-fitted, in other words", f"all {len(experts)}", name, crossed)
        if name in seeds[0].halves:
            halves = [one.halves[name] for one in seeds]
            all_ = f"all {len(experts)}, by half of the documents"
            add("chosen and valued on one half", all_, name, [(one.same, one.mean) for one in halves])
            add("cross-fitted, on the other half", all_, name, [(one.other, one.mean) for one in halves])
    return tuple(_oracle(*key, pairs, collections) for key, pairs in found.items())


def _oracle(
    name: str, among: str, pairs: Mapping[str, Pair], collections: Sequence[StudiedCollection]
) -> StudiedOracle:
    best = {collection: pair[0] for collection, pair in pairs.items()}
    gain = {collection: pair[0] - pair[1] for collection, pair in pairs.items()}
    told = [macro(values, collections, seen=seen) for values in (best, gain) for seen in (True, False)]
    return StudiedOracle(name, among, *told)
