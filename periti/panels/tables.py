"""The utility table of a panel: what every expert is worth on held-out queries of train, never of test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter
from periti.errors import InputError
from periti.panels.config import BASE, PanelConfig
from periti.panels.material import UTILITY, Material, Slice
from periti.panels.panel import Panel
from periti.panels.vectors import QueryVectors, measured, searched
from periti.protocols import Vectors
from periti.retrievers.routing.similarity import unit
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries

Experts = Mapping[str, Adapter | None]
"""Routed experts by name, the base (None) first."""


def table_folder(config: PanelConfig, seed: int) -> Path:
    """Where the table of a seed lies."""
    return config.home / "router" / f"seed-{seed}"


def utility_table(panel: Panel, experts: Experts, seed: int) -> UtilityTable:
    """Every expert's measure on every query of the utility slices of all collections.

    Raises:
        InputError: no collection has a utility slice.
    """
    config, vectors = panel.config, panel.vectors
    materials = {name: one for name, one in panel.materials.items() if UTILITY in one.slices}
    homes = {name: home for name, home in config.homes().items() if name in materials}
    if not materials:
        raise InputError(f"panel {config.name!r}: no training query is left for utilities; give slices a third share")
    parts = [(materials[name], materials[name].slices[UTILITY]) for name in sorted(materials)]
    utilities = [values(material, part, vectors, experts, config.measure) for material, part in parts]
    return UtilityTable(
        query_ids=tuple(f"{m.name}/{q}" for m, part in parts for q in part.queries.ids),
        texts=tuple(text for _, part in parts for text in part.queries.texts),
        vectors=np.concatenate([base_vectors(vectors, part.queries.texts) for _, part in parts]),
        datasets=tuple(m.name for m, part in parts for _ in range(len(part.queries))),
        experts=tuple(experts),
        utilities=np.concatenate(utilities),
        measure=config.measure,
        homes=homes,
        source={
            "panel": config.name,
            "seed": seed,
            "splits": [f"{m.name}:{UTILITY}" for m, _ in parts],
            "adapters": {name: adapter.digest if adapter else BASE for name, adapter in experts.items()},
        },
    )


def values(
    material: Material, part: Slice, vectors: QueryVectors, experts: Experts, measure: str
) -> NDArray[np.float64]:
    """The measure of every query in the slice's order by every expert, float64 (n, E)."""
    columns = []
    for adapter in experts.values():
        run = searched(material, part.queries, vectors.of(part.queries.texts, adapter))
        columns.append(in_order(measured(run, part, measure, material.min_rel), part.queries))
    return np.column_stack(columns)


def in_order(found: pl.DataFrame, queries: Queries) -> NDArray[np.float64]:
    """Values by query in the order of the queries, float64 (n,)."""
    return queries.frame.join(found, on="query_id", how="left", maintain_order="left")["value"].to_numpy()


def base_vectors(vectors: QueryVectors, texts: Sequence[str]) -> Vectors:
    """Base vectors of length one, float32 (n, d), as routers see them."""
    return unit(vectors.of(texts, None)).astype(np.float32)
