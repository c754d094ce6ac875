"""Which experts of a panel to keep, by a few labelled queries of every collection (Rocket's K-shot choice)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter
from periti.errors import InputError
from periti.panels.config import BASE
from periti.panels.material import UTILITY
from periti.panels.panel import Panel
from periti.panels.vectors import searched
from periti.retrievers.diagnosis.portfolio import Candidates, Portfolio, choose
from periti.retrievers.diagnosis.vitals import overlap
from periti.retrievers.routing.table import UtilityTable
from periti.types import Run

DEPTH = 10


@dataclass(frozen=True)
class Places:
    """How the choice is made.

    Attributes:
        n: experts to keep at most, besides the base.
        gamma: what likeness of 1 to one that is kept costs, in units of utility.
        seed: of the bootstrap.
    """

    n: int
    gamma: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Chosen:
    """A portfolio, what it was chosen by, and what it is worth on the queries that did not choose it.

    Attributes:
        labels: labelled queries by collection.
        portfolio: the choice.
        base: mean utility of the base on the labelled queries.
        rest: queries that did not choose.
        rest_all: their mean best utility over the whole panel.
        rest_chosen: over the chosen experts.
        rest_base: of the base alone.
    """

    labels: Mapping[str, int]
    portfolio: Portfolio
    base: float
    rest: int
    rest_all: float | None
    rest_chosen: float | None
    rest_base: float | None


def sample(table: UtilityTable, labels: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of `labels` queries of every collection, or all of one that has fewer; ascending.

    Raises:
        InputError: labels is below 1.
    """
    if labels < 1:
        raise InputError(f"labels is {labels}; label at least 1 query a collection")
    rng = np.random.default_rng(seed)
    names = np.array(table.datasets)
    rows = [rng.permutation(np.flatnonzero(names == name))[:labels] for name in sorted(set(table.datasets))]
    return np.sort(np.concatenate(rows))


def choose_experts(
    table: UtilityTable, rows: NDArray[np.int64], places: Places, likeness: NDArray[np.float64] | None = None
) -> Chosen:
    """The experts that K labelled queries a collection choose; the base is always there and costs no place.

    An expert is welcome if it beats the base on any collection, at a confidence that allows for asking every one of
    them: a router sends it the queries of that collection only.

    Args:
        table: utilities of held-out train queries.
        rows: the labelled ones.
        places: how many experts, and at what price.
        likeness: (E, E) of the table's experts without the base, None for no penalty.

    Raises:
        InputError: the table has no base or no other expert, or as `choose`.
    """
    if BASE not in table.experts or len(table.experts) < 2:
        raise InputError(f"the table is of experts {list(table.experts)}; a choice needs {BASE!r} and one more")
    base = table.utilities[:, table.experts.index(BASE)]
    names = [name for name in table.experts if name != BASE]
    columns = [table.experts.index(name) for name in names]
    utilities = table.utilities[:, columns]
    groups = [table.datasets[row] for row in rows]
    found = choose(
        Candidates(names, utilities[rows], base[rows], likeness, groups), places.n, places.gamma, places.seed
    )
    rest = np.setdiff1d(np.arange(len(table)), rows)
    kept = [names.index(name) for name in found.experts]
    worth = (
        {"rest_all": None, "rest_chosen": None, "rest_base": None}
        if not len(rest)
        else {
            "rest_all": float(np.maximum(utilities[rest].max(axis=1), base[rest]).mean()),
            "rest_chosen": float(utilities[rest][:, kept].max(axis=1, initial=-np.inf).clip(min=base[rest]).mean()),
            "rest_base": float(base[rest].mean()),
        }
    )
    labels = {name: groups.count(name) for name in sorted(set(groups))}
    return Chosen(labels, found, float(base[rows].mean()), len(rest), **worth)


def likeness_of(
    panel: Panel, adapters: Mapping[str, Adapter | None], table: UtilityTable, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Overlap@10 of every two experts but the base on the labelled queries, float64 (E - 1, E - 1)."""
    wanted = {table.query_ids[row] for row in rows}
    names = [name for name in table.experts if name != BASE]
    runs = [_found(panel, adapters[name], wanted) for name in names]
    return np.array(
        [[1.0 if i == j else overlap(one, two, DEPTH) for j, two in enumerate(runs)] for i, one in enumerate(runs)]
    )


def _found(panel: Panel, adapter: Adapter | None, wanted: set[str]) -> Run:
    frames = []
    for name, material in panel.materials.items():
        if UTILITY in material.slices:
            queries = material.slices[UTILITY].queries
            run = searched(material, queries, panel.vectors.of(queries.texts, adapter), DEPTH)
            prefixed = pl.format("{}/{}", pl.lit(name), pl.col("query_id")).alias("query_id")
            frames.append(run.frame.with_columns(prefixed).filter(pl.col("query_id").is_in(list(wanted))))
    return Run("labelled", pl.concat(frames).sort("query_id", "rank"))
