"""Fusion by rank: needs no comparable scores, so it also takes foreign encoders and listwise language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from periti.errors import ConfigError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.parts import fused
from periti.types import Plan, Run


class RankSum:
    """Weighted sum over the experts that returned a document of a share that depends on its rank r (1-based) alone."""

    Options: ClassVar[type[Any]]

    def __init__(self, options: Any = None) -> None:
        self.options = options or self.Options()

    @classmethod
    def open(cls, options: Any) -> Self:
        """The fusion rule."""
        return cls(options)

    @property
    def name(self) -> str:
        """The rule and its options, the name of its runs."""
        raise NotImplementedError

    def share(self, rank: Values) -> Values:
        """What a document gets at each rank, float64 (ranks,)."""
        raise NotImplementedError

    def total(self, shares: Values, ballots: Ballots) -> Values:  # noqa: ARG002  (rules below use it)
        """Scores of the candidates from the sums of their shares, float64 (candidates,)."""
        return shares

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once.

        Args:
            runs: the experts' runs by name.
            plan: whose answer counts how much for which query.

        Raises:
            InputError: no runs.
        """
        return fused(runs, plan, self._scores, self.name)

    def _scores(self, ballots: Ballots) -> Values:
        by_rank = self.share(np.arange(1.0, ballots.lengths.max(initial=0) + 1))
        shares = ballots.candidates.sum(ballots.weight * by_rank[ballots.rank - 1])
        return self.total(shares, ballots)


@dataclass(frozen=True)
class RrfOptions:
    """`k` dampens the first ranks; 60 is the paper's value."""

    k: int = 60

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(f"rrf: k is {self.k}; it must be at least 0")


class ReciprocalRankFusion(RankSum):
    """Sum of weight / (k + r) over the experts that returned a document (Cormack, Clarke, Büttcher; SIGIR 2009)."""

    Options = RrfOptions

    @property
    def name(self) -> str:
        """The rule and its k."""
        return f"rrf(k={self.options.k})"

    def share(self, rank: Values) -> Values:
        """1 / (k + r)."""
        shares: Values = 1.0 / (self.options.k + rank)
        return shares


@dataclass(frozen=True)
class NoOptions:
    """None."""


class InverseSquareRank(RankSum):
    """h · Σ weight / r², h the number of experts that returned the document (Mourão et al., 2014)."""

    Options: ClassVar[type[Any]] = NoOptions

    @property
    def name(self) -> str:
        """The rule."""
        return "isr"

    def share(self, rank: Values) -> Values:
        """1 / r²."""
        return 1.0 / rank**2

    def total(self, shares: Values, ballots: Ballots) -> Values:
        """The sum times h."""
        return ballots.candidates.hits * shares


@dataclass(frozen=True)
class LogIsrOptions:
    """`sigma` keeps documents of one expert above zero."""

    sigma: float = 0.01

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise ConfigError(f"log-isr: sigma is {self.sigma}; it must be positive")


class LogInverseSquareRank(InverseSquareRank):
    """ln(h + σ) · Σ weight / r² (Mourão et al., 2014, with the σ of ranx's logN_ISR)."""

    Options = LogIsrOptions

    @property
    def name(self) -> str:
        """The rule and its σ."""
        return f"log-isr(sigma={self.options.sigma:g})"

    def total(self, shares: Values, ballots: Ballots) -> Values:
        """The sum times ln(h + σ)."""
        seen: Values = np.log(ballots.candidates.hits + self.options.sigma)
        return seen * shares


@dataclass(frozen=True)
class RbcOptions:
    """`p` is the reader's persistence: the chance of going on to the next rank."""

    p: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.p < 1:
            raise ConfigError(f"rbc: p is {self.p}; it must be between 0 and 1")


class RankBiasedCentroids(RankSum):
    """Σ weight · (1 - p) · p^(r - 1) (Bailey, Moffat, Scholer, Thomas; SIGIR 2017)."""

    Options = RbcOptions

    @property
    def name(self) -> str:
        """The rule and its p."""
        return f"rbc(p={self.options.p:g})"

    def share(self, rank: Values) -> Values:
        """(1 - p) · p^(r - 1)."""
        p = self.options.p
        shares: Values = (1 - p) * p ** (rank - 1)
        return shares
