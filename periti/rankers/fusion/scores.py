"""Fusion by score: scale every list, then combine what the lists say of a document.

CombSUM and its kin are of Fox and Shaw (TREC-2, 1993) and Lee (SIGIR 1997); definitions as in ranx, weights of the plan
multiplied in. For scores of different encoders choose a scaling, a calibration (`periti calibrate`), or ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import polars as pl

from periti.errors import ConfigError
from periti.rankers.fusion.ballots import Ballots
from periti.rankers.fusion.ranks import NoOptions
from periti.rankers.fusion.scaling import check, scaled
from periti.rankers.fusion.valued import Valued, summed
from periti.types import Plan, Run

HITS, TOTAL = pl.col("hits"), pl.col("total")
"""Lists that have the document; the weighted sum of its values, absent ones included."""


@dataclass(frozen=True)
class ScaledOptions:
    """How the lists are made comparable (`periti.rankers.fusion.scaling`), and what a missing document gets."""

    scaling: str = "min-max"
    missing: str = "zero"

    def __post_init__(self) -> None:
        check("fusion", self.scaling, self.missing)


class ScoreFusion:
    """A rule over the values of one document: `score` combines the columns that `combined` gives."""

    Options: ClassVar[type[Any]] = ScaledOptions
    rule: ClassVar[str]

    def __init__(self, options: Any = None) -> None:
        self.options = options or self.Options()

    @classmethod
    def open(cls, options: Any) -> Self:
        """The fusion rule."""
        return cls(options)

    def score(self) -> pl.Expr:
        """The fused score, of the columns of `combined`."""
        raise NotImplementedError

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        valued = scaled(Ballots.of(runs, plan), self.options.scaling, self.options.missing)
        fused = combined(valued).with_columns(score=self.score())
        return valued.ballots.settled(fused, f"{self.rule}({self.options.scaling})")


def combined(valued: Valued) -> pl.DataFrame:
    """One row a document, with what the rules combine.

    Returns:
        query, doc, best (rank), hits (lists that have it), weights (theirs, summed), own (their Σ w s),
        top, bottom and middle (extremes and median of their w s), total (Σ w s with absent values), plain (the
        same, unweighted).
    """
    own, share = pl.col("weight") * pl.col("value"), pl.col("value") - pl.col("absent")
    base, plain = valued.base(), valued.base(weighted=False).rename({"base": "flat"})
    return (
        valued.frame()
        .group_by("query", "doc", maintain_order=True)
        .agg(
            (pl.col("weight") * share).sum().alias("gain"),
            share.sum().alias("more"),
            own.sum().alias("own"),
            pl.col("weight").sum().alias("weights"),
            own.max().alias("top"),
            own.min().alias("bottom"),
            own.median().alias("middle"),
            pl.len().cast(pl.Float64).alias("hits"),
            pl.col("rank").min().alias("best"),
        )
        .join(base, on="query", maintain_order="left")
        .join(plain, on="query", maintain_order="left")
        .with_columns(total=pl.col("gain") + pl.col("base"), plain=pl.col("more") + pl.col("flat"))
    )


class CombSum(ScoreFusion):
    """Σ w s: with weights other than 1 the linear combination."""

    rule = "comb-sum"

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        valued = scaled(Ballots.of(runs, plan), self.options.scaling, self.options.missing)
        return valued.ballots.settled(summed(valued), f"{self.rule}({self.options.scaling})")


class CombMnz(ScoreFusion):
    """h · Σ w s, h the lists that have the document."""

    rule = "comb-mnz"

    def score(self) -> pl.Expr:
        """The sum times h."""
        return HITS * TOTAL


class CombAnz(ScoreFusion):
    """The mean Σ w s / Σ w over the lists that have the document; `missing` is without effect."""

    rule = "comb-anz"

    def score(self) -> pl.Expr:
        """Σ / Σ w."""
        return pl.col("own") / pl.col("weights")


class CombMax(ScoreFusion):
    """The largest w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-max"

    def score(self) -> pl.Expr:
        """The largest."""
        return pl.col("top")


class CombMin(ScoreFusion):
    """The smallest w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-min"

    def score(self) -> pl.Expr:
        """The smallest."""
        return pl.col("bottom")


class CombMed(ScoreFusion):
    """The median of w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-med"

    def score(self) -> pl.Expr:
        """The median."""
        return pl.col("middle")


@dataclass(frozen=True)
class GmnzOptions(ScaledOptions):
    """`gamma` is the power of h: 0 is CombSUM, 1 CombMNZ."""

    gamma: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma < 100:
            raise ConfigError(f"comb-gmnz: gamma is {self.gamma}; it must be at least 0 and below 100")


class CombGmnz(ScoreFusion):
    """Σ w s times h to the power of gamma (Lee, SIGIR 1997)."""

    Options = GmnzOptions
    rule = "comb-gmnz"

    def score(self) -> pl.Expr:
        """The sum times a power of h."""
        return HITS.pow(self.options.gamma) * TOTAL


class WeightedMnz(ScoreFusion):
    """Σ s · Σ w, the weights those of the lists that have the document (Wu, Crestani; CIKM 2002)."""

    rule = "wmnz"

    def score(self) -> pl.Expr:
        """Σ s · Σ w."""
        return pl.col("plain") * pl.col("weights")


class Mixed(ScoreFusion):
    """√h · Σ w s (Wu, Crestani; CIKM 2002, as ranx spells it)."""

    rule = "mixed"

    def score(self) -> pl.Expr:
        """√h · Σ."""
        return HITS.sqrt() * TOTAL


class ScoreSum:
    """Weighted sum of scores: for experts over one index and one base encoder, whose scores are comparable.

    A document that an expert did not return counts with that expert's lowest score for the query, the most it can have.
    For experts of different encoders use a calibration or rank fusion: their scores are not of one scale.
    """

    Options = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    @classmethod
    def open(cls, options: NoOptions) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        ballots = Ballots.of(runs, plan)
        return ballots.settled(summed(scaled(ballots, "none", "list_min")), "sum")
