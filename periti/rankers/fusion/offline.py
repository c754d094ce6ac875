"""Fusion of runs that exist already: who answered which queries, and a plan that asks everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from periti.types import PLAN, Plan, Run


@dataclass(frozen=True)
class QuerySets:
    """Which queries are in which runs.

    Attributes:
        queries: how many are in any run.
        common: how many are in every run.
        missing: run -> ids of queries that another run answers and this one does not, sorted.
    """

    queries: int
    common: int
    missing: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, runs: Mapping[str, Run]) -> QuerySets:
        """The query sets of runs by name."""
        answered = {name: set(run.query_ids) for name, run in runs.items()}
        union = set().union(*answered.values())
        common = set.intersection(*answered.values()) if answered else set()
        missing = {name: tuple(sorted(union - own)) for name, own in answered.items()}
        return cls(len(union), len(common), missing)


def everybody(runs: Mapping[str, Run]) -> Plan:
    """A plan in which every run answers, with weight 1, every query that it has.

    A query that only some runs answer is fused of those: the others have no say in it, as experts that were not asked.
    """
    rows = [
        run.frame.select("query_id").unique(maintain_order=True).with_columns(expert=pl.lit(name), weight=pl.lit(1.0))
        for name, run in runs.items()
    ]
    return Plan(pl.concat(rows).cast(PLAN) if rows else PLAN.to_frame())
