"""What every fusion rule reads and how it ends: the experts' lists in one frame, and ties settled in one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError
from periti.types import RUN, Plan, Run

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Ballots:
    """The lists of several experts, one after the other, each best first.

    Attributes:
        frame: n rows of query_id, doc_id, expert, score (Float64), rank (Float64), weight (Float64); sorted by expert
            name, so that sums in float64, and with them all ties, are the same in any order of experts.
        starts: int64 (lists,), the row at which each list begins.
    """

    frame: pl.DataFrame
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, runs: Mapping[str, Run], plan: Plan) -> Ballots:
        """The lists of the (query, expert) pairs of the plan; raises InputError without runs."""
        if not runs:
            raise InputError("fusion got no runs; ask at least one expert")
        hits = pl.concat([runs[name].frame.with_columns(expert=pl.lit(name)) for name in sorted(runs)])
        votes = hits.join(plan.frame, on=["query_id", "expert"], maintain_order="left")
        frame = votes.with_columns(pl.col("score", "rank", "weight").cast(pl.Float64))
        return cls(frame, np.flatnonzero(frame["rank"].to_numpy() == 1).astype(np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 (lists,)."""
        return np.diff(self.starts, append=self.frame.height)

    def column(self, name: str) -> Values:
        """A numeric column, float64 (n,)."""
        return self.frame[name].to_numpy()

    def spread(self, per_list: Values) -> Values:
        """A value for each list, float64 (lists,), repeated for its rows, float64 (n,)."""
        return np.repeat(per_list, self.lengths)

    def lists(self) -> pl.DataFrame:
        """Query, expert and weight of every list, in order."""
        first: pl.DataFrame = self.frame[self.starts.tolist()]
        return first.select("query_id", "expert", "weight")


def settled(fused: pl.DataFrame, name: str) -> Run:
    """Fused documents in order: score (float32) descending, best rank in any list, then doc_id descending.

    A Run orders equal scores by doc_id alone. So where a tie was broken by rank, the later document's score is lowered
    to the next float32: the one rule, and every evaluator that sorts, then reads the order meant.

    Args:
        fused: query_id, doc_id, score, and `best`, the smallest rank that an expert gave.
        name: the run's name.

    Raises:
        SchemaError: a score is not finite.
    """
    frame = fused.select("query_id", "doc_id", pl.col("score").cast(pl.Float32), "best")
    if not frame["score"].is_finite().all():
        return Run.of(frame, name)
    frame = frame.sort("query_id", "score", "best", "doc_id", descending=[False, True, False, True])
    follows = (pl.col("query_id") == pl.col("query_id").shift()).fill_null(value=False)
    misread = follows & (pl.col("score") == pl.col("score").shift()) & (pl.col("doc_id") > pl.col("doc_id").shift())
    if frame.select(misread.any()).item():
        frame = _lowered(frame)
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query_id").alias("rank")
    return Run(name, frame.with_columns(rank).select(RUN.names()))


def _lowered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order meant, with scores lowered no further than the one rule needs to find the same order."""
    bits = frame["score"].to_numpy().view(np.int32).astype(np.int64)
    steps = np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))  # neighbours in float32 differ by one
    drop = (pl.col("doc_id") > pl.col("doc_id").shift()).fill_null(value=False).cast(pl.Int64)
    drops = drop.cum_sum().over("query_id")
    lowest = (pl.col("steps") + drops).cum_min().over("query_id") - drops
    lowered = frame.with_columns(pl.Series("steps", steps)).select(lowest).to_series().to_numpy()
    magnitude = np.abs(lowered) | np.where(lowered < 0, 0x80000000, 0)
    scores = magnitude.astype(np.uint32).view(np.float32)
    return frame.with_columns(pl.Series("score", scores))
