"""Fusion by score: scale every list, then combine what the lists say of a document.

CombSUM and its kin are of Fox and Shaw (TREC-2, 1993) and Lee (SIGIR 1997); definitions as in ranx, weights of the plan
multiplied in. For scores of different encoders choose a scaling, a calibration (`periti calibrate`), or ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from periti.errors import ConfigError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.parts import fused
from periti.rankers.fusion.ranks import NoOptions
from periti.rankers.fusion.scaling import check, scaled
from periti.rankers.fusion.valued import Valued
from periti.types import Plan, Run


@dataclass(frozen=True)
class ScaledOptions:
    """How the lists are made comparable (`periti.rankers.fusion.scaling`), and what a missing document gets."""

    scaling: str = "min-max"
    missing: str = "zero"

    def __post_init__(self) -> None:
        check("fusion", self.scaling, self.missing)


class ScoreFusion:
    """A rule over the values of one document: `score` combines what `Valued` knows of it."""

    Options: ClassVar[type[Any]] = ScaledOptions
    rule: ClassVar[str]

    def __init__(self, options: Any = None) -> None:
        self.options = options or self.Options()

    @classmethod
    def open(cls, options: Any) -> Self:
        """The fusion rule."""
        return cls(options)

    def score(self, valued: Valued) -> Values:
        """Scores of the candidates, float64 (candidates,)."""
        raise NotImplementedError

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        return fused(runs, plan, self._scores, f"{self.rule}({self.options.scaling})")

    def _scores(self, ballots: Ballots) -> Values:
        return self.score(scaled(ballots, self.options.scaling, self.options.missing))


class CombSum(ScoreFusion):
    """Σ w s: with weights other than 1 the linear combination."""

    rule = "comb-sum"

    def score(self, valued: Valued) -> Values:
        """The sum."""
        return valued.total


class CombMnz(ScoreFusion):
    """h · Σ w s, h the lists that have the document."""

    rule = "comb-mnz"

    def score(self, valued: Valued) -> Values:
        """The sum times h."""
        return valued.hits * valued.total


class CombAnz(ScoreFusion):
    """The mean Σ w s / Σ w over the lists that have the document; `missing` is without effect."""

    rule = "comb-anz"

    def score(self, valued: Valued) -> Values:
        """Σ / Σ w."""
        return valued.own / valued.weights


class CombMax(ScoreFusion):
    """The largest w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-max"

    def score(self, valued: Valued) -> Values:
        """The largest."""
        return valued.top


class CombMin(ScoreFusion):
    """The smallest w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-min"

    def score(self, valued: Valued) -> Values:
        """The smallest."""
        return valued.bottom


class CombMed(ScoreFusion):
    """The median of w s over the lists that have the document; `missing` is without effect."""

    rule = "comb-med"

    def score(self, valued: Valued) -> Values:
        """The median."""
        return valued.middle


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

    def score(self, valued: Valued) -> Values:
        """The sum times a power of h."""
        boost: Values = valued.hits**self.options.gamma
        return boost * valued.total


class WeightedMnz(ScoreFusion):
    """Σ s · Σ w, the weights those of the lists that have the document (Wu, Crestani; CIKM 2002)."""

    rule = "wmnz"

    def score(self, valued: Valued) -> Values:
        """Σ s · Σ w."""
        return valued.plain * valued.weights


class Mixed(ScoreFusion):
    """√h · Σ w s (Wu, Crestani; CIKM 2002, as ranx spells it)."""

    rule = "mixed"

    def score(self, valued: Valued) -> Values:
        """√h · Σ."""
        return np.sqrt(valued.hits) * valued.total


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
        return fused(runs, plan, lambda ballots: scaled(ballots, "none", "list_min").total, "sum")
