"""Several runs to the best set of documents, with quotas for the experts that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from periti.errors import ConfigError, InputError
from periti.rankers.selection.committee import elect, preferred
from periti.rankers.selection.profile import Profile, check_rule
from periti.rankers.selection.settings import QuotaOptions
from periti.types import Plan, Run


@dataclass(frozen=True)
class MultiwinnerOptions(QuotaOptions):
    """Quotas for the experts, and `rule`: sntv, bloc, k-borda or cc.

    A document belongs to the expert that ranks it best; at equal ranks to the one of larger weight, then to the first
    by name.
    """

    rule: str = "k-borda"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            check_rule(self.rule)
        except ConfigError as error:
            raise ConfigError(f"fusion {error}") from error


class MultiwinnerFusion:
    """The first `size` documents are chosen as a set, the others follow by the rule's points.

    Scores are places from the end: a set has no scores of its own.
    """

    Options = MultiwinnerOptions

    def __init__(self, options: MultiwinnerOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: MultiwinnerOptions) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        if not runs:
            raise InputError("fusion got no runs; ask at least one expert")
        lists = pl.concat([runs[name].frame.with_columns(expert=pl.lit(name)) for name in sorted(runs)])
        asked = lists.join(plan.frame, on=["query_id", "expert"], how="inner", maintain_order="left")
        parts = [self._one(Candidates.of(rows)) for rows in asked.partition_by("query_id", maintain_order=True)]
        name = f"multiwinner({self.options.rule})"
        return Run.of(pl.concat(parts), name) if parts else Run.empty(name)

    def _one(self, found: Candidates) -> pl.DataFrame:
        """query_id, doc_id, score of one query's candidates."""
        profile, rule = found.profile, self.options.rule
        quotas = self.options.asked(found.homes, found.weights).within(found.homes)
        chosen = elect(profile, rule, found.homes, quotas)
        merit = preferred(profile, profile.points(rule, self.options.size).sum(axis=0))
        order = [*chosen, *merit[~np.isin(merit, chosen)].tolist()]
        places = pl.Series("score", np.arange(len(order), 0, -1), dtype=pl.Float32)
        return pl.DataFrame([found.doc_ids.gather(order).alias("doc_id"), places]).select(
            pl.lit(found.query_id).alias("query_id"), "doc_id", "score"
        )


@dataclass(frozen=True)
class Candidates:
    """The candidates of one query, their ids descending, so that the smaller number is the later id.

    Attributes:
        query_id: whose they are.
        doc_ids: m ids.
        profile: lists by expert name.
        homes: expert of each candidate, (m,).
        weights: expert -> weight.
    """

    query_id: str
    doc_ids: pl.Series
    profile: Profile
    homes: list[str]
    weights: dict[str, float]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Candidates:
        """The candidates of rows of query_id, doc_id, rank, expert, weight, sorted by expert."""
        doc_ids = rows["doc_id"].unique().sort(descending=True)
        names = rows["expert"].unique().sort()
        row = names.search_sorted(rows["expert"]).to_numpy()
        column = doc_ids.search_sorted(rows["doc_id"], descending=True).to_numpy()
        positions = np.zeros((len(names), len(doc_ids)), np.int64)
        positions[row, column] = rows["rank"].to_numpy()
        weights = np.zeros(len(names))
        weights[row] = rows["weight"].to_numpy()
        listed = np.where(positions > 0, positions, np.iinfo(np.int64).max)
        # The first of equals is taken, so lists go by weight descending, then by name.
        order = np.lexsort((np.arange(len(names)), -weights))
        homes = names.gather(order[listed[order].argmin(axis=0)]).to_list()
        given = dict(zip(names.to_list(), weights.tolist(), strict=True))
        return cls(rows["query_id"][0], doc_ids, Profile(positions, weights), homes, given)
