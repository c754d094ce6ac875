"""A panel with fewer experts: adapters merged by what they are used for, their aliases summed (M-SMoE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter, write_adapter
from periti.errors import InputError
from periti.indexers.storage import building
from periti.panels.config import BASE
from periti.panels.held_out import by_dataset, cross_fitted, router_of
from periti.panels.material import UTILITY
from periti.panels.panel import Panel
from periti.panels.tables import values
from periti.retrievers.diagnosis.merging import group, merge_lora, merge_masses, output_similarity
from periti.retrievers.policies.rows import Softening, shares
from periti.retrievers.routing.table import UtilityTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Experts that became one.

    Attributes:
        name: their names, joined.
        weights: name -> its share in the merged adapter, the most used first.
        adapter: the merged one; of a single expert its own.
        kept: least share of the mean delta's squared norm that the rank of any layer holds.
        likeness: least mean cosine of a member's query vectors with the dominant one's.
    """

    name: str
    weights: Mapping[str, float]
    adapter: Adapter
    kept: float
    likeness: float


@dataclass(frozen=True)
class Merging:
    """A merged panel and what it is worth on held-out train queries.

    Attributes:
        groups: the experts that are left, besides the base.
        table: their utilities, the base first.
        before: collection -> mean utility of the routed panel as it was.
        after: of the merged panel, the masses of merged experts summed before the best is taken.
        base: of the base.
        bytes: of all adapters, before and after.
    """

    groups: tuple[Group, ...]
    table: UtilityTable
    before: Mapping[str, float]
    after: Mapping[str, float]
    base: Mapping[str, float]
    bytes: tuple[int, int]


def merge_experts(
    panel: Panel, table: UtilityTable, adapters: Mapping[str, Adapter | None], into: int, rank: int | None = None
) -> Merging:
    """Merge the trained experts of a panel to a number of groups; the base stays by itself.

    Usage is how many held-out train queries the router, fitted without them, gives to each expert; likeness is the
    mean cosine of their vectors of those queries. A group that the router never asks is averaged evenly.

    Args:
        panel: open, with the collections of the table.
        table: utilities of these adapters.
        adapters: routed experts, the base (None) first.
        into: groups.
        rank: of merged LoRA adapters; the largest of their own by default.

    Raises:
        InputError: `into` outside 1..E, adapters of two kinds or of different layers, or no trained expert.
    """
    trained = {name: adapter for name, adapter in adapters.items() if adapter is not None}
    if not trained or set(adapters) != set(table.experts):
        raise InputError(f"the table is of experts {list(table.experts)}, the panel has {list(adapters)}; fit it again")
    if not 1 <= into <= len(trained):
        raise InputError(f"into is {into}, the panel has {len(trained)} trained experts; give a number from 1 to that")
    table = table.ordered(list(adapters))
    masses = shares(cross_fitted(router_of(panel), table), Softening())
    usage = np.bincount(masses.argmax(axis=1), minlength=len(adapters)).astype(np.float64)
    names = list(trained)
    used = usage[[table.experts.index(name) for name in names]]
    likeness = output_similarity([panel.vectors.of(table.texts, trained[name]) for name in names])
    members = group(used, likeness, into)
    groups = tuple(
        merged_group(
            [names[i] for i in one], [trained[names[i]] for i in one], used[list(one)], likeness[np.ix_(one, one)], rank
        )
        for one in members
    )
    reached, merged = _reached(panel, table, groups), _columns(table, groups)
    summed = merge_masses(masses, merged)
    best = np.arange(len(table))
    return Merging(
        groups=groups,
        table=_table(table, groups, reached),
        before=by_dataset(table.utilities[best, masses.argmax(axis=1)], table.datasets),
        after=by_dataset(reached[best, summed.argmax(axis=1)], table.datasets),
        base=by_dataset(table.utilities[:, table.experts.index(BASE)], table.datasets),
        bytes=(sum(one.bytes for one in trained.values()), sum(one.adapter.bytes for one in groups)),
    )


def merged_group(
    names: Sequence[str], adapters: Sequence[Adapter], used: Floats, likeness: Floats, rank: int | None
) -> Group:
    """One adapter of some; the first is the dominant one."""
    weights = used if used.sum() > 0 else np.ones(len(names))
    weights = weights / weights.sum()
    told = dict(zip(names, (float(weight) for weight in weights), strict=True))
    if len(names) == 1:
        return Group(names[0], told, adapters[0], 1.0, 1.0)
    kinds = {adapter.kind for adapter in adapters}
    if len(kinds) > 1 or len({adapter.base for adapter in adapters}) > 1:
        raise InputError(f"experts {', '.join(names)} are of different kinds or bases; merge adapters of one kind")
    name = "+".join(names)
    card = _card(name, names, adapters, weights)
    kept = 1.0
    if kinds == {"linear"}:
        matrices = [adapter.matrix for adapter in adapters if adapter.matrix is not None]
        mean = sum(
            (w * m.astype(np.float64) for w, m in zip(weights, matrices, strict=True)), np.zeros(matrices[0].shape)
        )
        adapter = replace(adapters[0], matrix=mean.astype(np.float32), card=card)
    else:
        factors = [{layer: (a, one.scale * b) for layer, (a, b) in one.layers.items()} for one in adapters]
        found = merge_lora(factors, weights, rank)
        adapter, kept = replace(adapters[0], layers=found.layers, scale=1.0, card=card), min(found.kept.values())
    return Group(name, told, adapter, kept, float(likeness[0].min()))


def _card(name: str, names: Sequence[str], adapters: Sequence[Adapter], weights: Floats) -> dict[str, object]:
    cards = [adapter.card for adapter in adapters]
    licences: dict[str, object] = {}
    for card in cards:
        licences |= dict(card.get("data_licences", {}))
    return {
        "name": name,
        "description": "; ".join(str(card["description"]) for card in cards if card.get("description")),
        "domains": sorted({domain for card in cards for domain in card.get("domains", [])}),
        "licence": "; ".join(sorted({str(card["licence"]) for card in cards if card.get("licence")})),
        "data_licences": licences,
        "base_name": cards[0].get("base_name", ""),
        "merged_from": [
            {"name": one, "digest": adapter.digest, "weight": float(weight)}
            for one, adapter, weight in zip(names, adapters, weights, strict=True)
        ],
    }


def _columns(table: UtilityTable, groups: Sequence[Group]) -> list[list[int]]:
    """The columns of every expert that is left, the base first."""
    return [[table.experts.index(BASE)], *([table.experts.index(name) for name in one.weights] for one in groups)]


def _reached(panel: Panel, table: UtilityTable, groups: Sequence[Group]) -> Floats:
    """Utilities (n, 1 + groups): the base's and single experts' from the table, of merged ones measured now."""
    reached = np.empty((len(table), 1 + len(groups)))
    for column, own in enumerate(_columns(table, groups)):
        reached[:, column] = table.utilities[:, own[0]]
    fresh = {one.name: (column, one.adapter) for column, one in enumerate(groups, 1) if len(one.weights) > 1}
    datasets = np.array(table.datasets)
    for name in sorted(set(table.datasets)):
        material = panel.materials[name]
        part = material.slices[UTILITY]
        if [f"{name}/{query_id}" for query_id in part.queries.ids] != [
            query_id for query_id, own in zip(table.query_ids, table.datasets, strict=True) if own == name
        ]:
            raise InputError(f"the table's queries of {name!r} are not the panel's; fit the router again")
        experts: dict[str, Adapter | None] = {key: adapter for key, (_, adapter) in fresh.items()}
        if experts:
            found = values(material, part, panel.vectors, experts, panel.config.measure)
            reached[np.ix_(datasets == name, [column for column, _ in fresh.values()])] = found
    return reached


def _table(table: UtilityTable, groups: Sequence[Group], reached: Floats) -> UtilityTable:
    of = {name: one.name for one in groups for name in one.weights}
    homes = {dataset: of.get(home, home) for dataset, home in table.homes.items()}
    digests = {one.name: one.adapter.digest for one in groups}
    return replace(
        table,
        experts=(BASE, *digests),
        utilities=reached,
        homes=homes,
        source={**table.source, "adapters": {BASE: BASE, **digests}},
    )


def write_merging(found: Merging, folder: Path) -> None:
    """Write the experts that are left, one folder each, and `router`, their utility table; all of it or nothing.

    Raises:
        InputError: the folder is there already.
        StorageError: the disk is full or not writable.
    """
    with building(folder) as scratch:
        for one in found.groups:
            (scratch / one.name).mkdir()
            write_adapter(one.adapter, scratch / one.name)
        found.table.write(scratch / "router")
