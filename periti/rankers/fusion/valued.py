"""Lists whose documents have a value each, and documents to the weighted sum of their values."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from periti.rankers.fusion.ballots import Ballots, Values


@dataclass(frozen=True)
class Valued:
    """What each list says of its documents, and of all others.

    Attributes:
        ballots: n rows in lists.
        value: float64 (n,), of the document in the row.
        absent: float64 (n,), of a document that the row's list has not; the same in all rows of a list.
    """

    ballots: Ballots
    value: Values
    absent: Values

    def frame(self) -> pl.DataFrame:
        """The ballots with the columns value and absent."""
        return self.ballots.frame.with_columns(pl.Series("value", self.value), pl.Series("absent", self.absent))

    def base(self, *, weighted: bool = True) -> pl.DataFrame:
        """query, base: what a document gets if no list has it, the sum of the lists' absent values."""
        share = pl.col("absent") * pl.col("weight") if weighted else pl.col("absent")
        lists = self.ballots.lists().with_columns(pl.Series("absent", self.absent[self.ballots.starts]))
        return lists.group_by("query", maintain_order=True).agg(share.sum().alias("base"))


def summed(valued: Valued) -> pl.DataFrame:
    """query, doc, score, best: the sum of weight · value over all lists, absent values included."""
    gain = (pl.col("weight") * (pl.col("value") - pl.col("absent"))).sum()
    fused = valued.frame().group_by("query", "doc", maintain_order=True)
    return (
        fused.agg(gain.alias("gain"), pl.col("rank").min().alias("best"))
        .join(valued.base(), on="query", maintain_order="left")
        .with_columns(score=pl.col("gain") + pl.col("base"))
    )
