"""The health of a trained panel, examined on the held-out train queries of its utility table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from periti.encoders.adapters import Adapter
from periti.panels.config import BASE
from periti.panels.material import UTILITY
from periti.panels.panel import Panel
from periti.panels.systems import scorers
from periti.panels.vectors import searched
from periti.retrievers.diagnosis.health import Evidence, Health, examine
from periti.retrievers.policies.fixed import Argmax
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries, Run

DEPTH = 10


def health(panel: Panel, table: UtilityTable, adapters: Mapping[str, Adapter | None]) -> Health:
    """Loads, ranks, score scales, clones and neglect of the experts of one seed (HoME; `retrievers.diagnosis`).

    Args:
        panel: open, with the collections of the table.
        table: the seed's utility table.
        adapters: its experts, the base first.
    """
    scorer = scorers(panel)[panel.config.router](table)
    queries = Queries.from_pairs(zip(table.query_ids, table.texts, strict=True))
    plan = Argmax.open(Argmax.Options()).select(queries, scorer.experts, scorer.scores(table.vectors, table.texts))
    names = sorted(set(table.datasets))
    of = dict(zip(table.query_ids, table.datasets, strict=True))
    counts = np.zeros((len(names), len(table.experts)))
    for query_id, expert in plan.frame.select("query_id", "expert").iter_rows():
        counts[names.index(of[query_id]), table.experts.index(expert)] += 1
    results = {name: _found(panel, adapter) for name, adapter in adapters.items()}
    return examine(
        Evidence(
            experts=table.experts,
            datasets=names,
            counts=counts,
            own=dict(table.homes),
            shared=(BASE,),
            utilities=table.utilities,
            utility_datasets=table.datasets,
            embeddings={name: panel.vectors.of(table.texts, adapter) for name, adapter in adapters.items()},
            scores={name: run.frame["score"].to_numpy() for name, run in results.items()},
            results=results,
        )
    )


def _found(panel: Panel, adapter: Adapter | None) -> Run:
    """What an expert finds for the utility queries of every collection, as one run with prefixed query ids."""
    frames = []
    for name, material in panel.materials.items():
        if UTILITY in material.slices:
            part = material.slices[UTILITY]
            run = searched(material, part.queries, panel.vectors.of(part.queries.texts, adapter), DEPTH)
            frames.append(
                run.frame.with_columns(pl.format("{}/{}", pl.lit(name), pl.col("query_id")).alias("query_id"))
            )
    return Run("utility", pl.concat(frames).sort("query_id", "rank"))
