"""How much of the instance oracle is luck: a maximum over experts rises with their number even if they are clones.

The null oracle takes the best of several training seeds of one expert, where there is nothing to choose. The
cross-fitted oracle chooses on another half, or another wording, than it is valued on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import polars as pl

from periti.encoders.adapters import Adapter
from periti.panels.disturbed import disturb
from periti.panels.material import Slice
from periti.panels.panel import Panel
from periti.panels.systems import Asked, Values
from periti.panels.tables import in_order
from periti.panels.vectors import measured, searched
from periti.retrievers.routing import oracles
from periti.types import Qrels, Queries, Run


@dataclass(frozen=True)
class Halves:
    """Experts valued by each half of the relevant documents of the queries that have two or more, float64 (m, E)."""

    first: Values
    second: Values

    @property
    def same(self) -> Values:
        """The instance oracle that is valued on the half it was chosen on, float64 (m,)."""
        return np.asarray((self.first.max(axis=1) + self.second.max(axis=1)) / 2, np.float64)

    @property
    def other(self) -> Values:
        """The cross-fitted oracle: chosen on one half, valued on the other, float64 (m,)."""
        first, second = oracles.cross_fitted_oracle(self.first, self.second)
        return (oracles.reached(self.first, first) + oracles.reached(self.second, second)) / 2

    @property
    def mean(self) -> Values:
        """An expert by chance, float64 (m,)."""
        return np.asarray((self.first.mean(axis=1) + self.second.mean(axis=1)) / 2, np.float64)


def null_oracle(seeds: Sequence[Asked], experts: Sequence[str]) -> tuple[Values, Values]:
    """The best of an expert's training seeds for each query, and their mean; both averaged over the experts.

    Args:
        seeds: what the experts of each seed answered on one collection; two at least.
        experts: those that were trained.

    Returns:
        Two of float64 (n,).
    """
    clones = [np.column_stack([one.values[name] for one in seeds]) for name in experts]
    best = [oracles.reached(one, oracles.null_oracle(one)) for one in clones]
    return np.mean(best, axis=0), np.mean([one.mean(axis=1) for one in clones], axis=0)


def instance_oracle_of(utilities: Values, size: int) -> Values:
    """The instance oracle's expectation over all sets of so many of the experts, float64 (n,); utilities (n, E)."""
    ordered = np.sort(utilities, axis=1)
    experts = utilities.shape[1]
    # The i-th smallest is the largest of a set if the others come from the i below it.
    chances = np.array([comb(i, size - 1) for i in range(experts)]) / comb(experts, size)
    expected: Values = ordered @ chances
    return expected


def reworded(panel: Panel, adapters: Mapping[str, Adapter | None], asked: Asked) -> Values:
    """The measure of the same queries in other words by every expert, float64 (n, E)."""
    texts = [disturb(text, "reworded") for text in asked.part.queries.texts]
    columns = []
    for adapter in adapters.values():
        run = searched(asked.material, asked.part.queries, panel.vectors.of(texts, adapter))
        columns.append(
            in_order(measured(run, asked.part, panel.config.measure, asked.material.min_rel), asked.part.queries)
        )
    return np.column_stack(columns)


def halved(asked: Asked, experts: Sequence[str], measure: str) -> Halves | None:
    """Every expert by each half of the relevant documents; None where no query has two."""
    halves = halves_of(asked.part, asked.material.min_rel)
    if halves is None:
        return None
    queries, parts = halves
    values = []
    for own, other in (parts, parts[::-1]):
        columns = []
        for name in experts:
            # Documents of the other half are no mistakes: they are left out as if they were not in the collection.
            rest = asked.runs[name].frame.join(other, on=["query_id", "doc_id"], how="anti", maintain_order="left")
            rest = rest.join(queries.frame, on="query_id", how="semi", maintain_order="left")
            slice_ = Slice(queries, Qrels.of(own, "half"))
            columns.append(in_order(measured(Run(name, rest), slice_, measure, asked.material.min_rel), queries))
        values.append(np.column_stack(columns))
    return Halves(values[0], values[1])


def halves_of(part: Slice, min_rel: int) -> tuple[Queries, tuple[pl.DataFrame, pl.DataFrame]] | None:
    """Queries with two relevant documents or more, and those documents dealt out in turn, in the order of a hash."""
    relevant = part.qrels.frame.filter(pl.col("relevance") >= min_rel)
    several = relevant.filter(pl.len().over("query_id") >= 2)
    if several.is_empty():
        return None
    keys = [
        hashlib.sha256(f"{query}\t{doc}".encode()).hexdigest()
        for query, doc in several.select("query_id", "doc_id").iter_rows()
    ]
    dealt = several.with_columns(pl.Series("key", keys)).sort("query_id", "key")
    dealt = dealt.with_columns((pl.int_range(pl.len()).over("query_id") % 2).alias("half"))
    first, second = (dealt.filter(pl.col("half") == half).drop("key", "half") for half in (0, 1))
    queries = Queries(part.queries.frame.join(several, on="query_id", how="semi", maintain_order="left"))
    return queries, (first, second)
