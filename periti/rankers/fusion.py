"""Runs of several experts to one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl

from periti.errors import ConfigError, InputError
from periti.types import Plan, Run


@dataclass(frozen=True)
class RrfOptions:
    """`k` dampens the first ranks; 60 is the paper's value."""

    k: int = 60

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(f"rrf: k is {self.k}; it must be at least 0")


class ReciprocalRankFusion:
    """Sum of weight / (k + rank) over the experts that returned a document (Cormack, Clarke, Büttcher; SIGIR 2009)."""

    Options = RrfOptions

    def __init__(self, options: RrfOptions | None = None) -> None:
        self.options = options or RrfOptions()

    @classmethod
    def open(cls, options: RrfOptions) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once.

        Args:
            runs: the experts' runs by name.
            plan: whose answer counts how much for which query.

        Raises:
            InputError: no runs.
        """
        if not runs:
            raise InputError("fusion got no runs; ask at least one expert")
        # Sorted by expert and summed in float64: the sum, and with it every tie, is the same in any order of experts.
        hits = pl.concat([runs[name].frame.with_columns(expert=pl.lit(name)) for name in sorted(runs)])
        votes = hits.join(plan.frame, on=["query_id", "expert"], maintain_order="left")
        share = pl.col("weight").cast(pl.Float64) / (self.options.k + pl.col("rank").cast(pl.Float64))
        fused = votes.group_by("query_id", "doc_id", maintain_order=True).agg(share.sum().alias("score"))
        return Run.of(fused, f"rrf(k={self.options.k})")


class ScoreSum:
    """Weighted sum of scores: for experts over one index and one base encoder, whose scores are comparable.

    A document that an expert did not return counts with that expert's lowest score for the query, the most it can have.
    For experts of different encoders use rank fusion: their scores are not of one scale.
    """

    @dataclass(frozen=True)
    class Options:
        """None."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @classmethod
    def open(cls, options: Options) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        if not runs:
            raise InputError("fusion got no runs; ask at least one expert")
        hits = pl.concat([runs[name].frame.with_columns(expert=pl.lit(name)) for name in sorted(runs)])
        votes = hits.join(plan.frame, on=["query_id", "expert"], maintain_order="left")
        floors = votes.group_by("query_id", "expert", maintain_order=True).agg(
            pl.col("score").min().cast(pl.Float64).alias("floor"),
            pl.col("weight").first().cast(pl.Float64).alias("share"),
        )
        # What every document has at least: the floors of all experts; a hit adds what it exceeds the floor by.
        least = floors.group_by("query_id", maintain_order=True).agg(
            (pl.col("floor") * pl.col("share")).sum().alias("least")
        )
        above = votes.join(floors, on=["query_id", "expert"], maintain_order="left").with_columns(
            gain=(pl.col("score").cast(pl.Float64) - pl.col("floor")) * pl.col("share")
        )
        fused = (
            above.group_by("query_id", "doc_id", maintain_order=True)
            .agg(pl.col("gain").sum())
            .join(least, on="query_id", maintain_order="left")
            .with_columns(score=pl.col("gain") + pl.col("least"))
        )
        return Run.of(fused, "sum")
