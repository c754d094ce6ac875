"""Policies that ask as many experts as a query's scores call for.

`top-p` is the routing of Harder Tasks Need More Experts (Huang et al., 2024), `entropy` that of DynMoLE (Li et al.,
2025), with its gate expressed as a fraction, since the largest entropy depends on the number of experts: for two of
them the paper's fixed gate of .9 can never be passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.retrievers.policies.rows import Rows, Softening, at_top, checked, descending, plan_of, renormalised, shares
from periti.types import Plan, Queries


@dataclass(frozen=True)
class TopPOptions(Softening):
    """How much of the mass must be covered, by how many experts at least and at most."""

    p: float = 0.4
    least: int = 1
    most: int = 0
    """0 is no limit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.p <= 1:
            raise ConfigError(f"top-p policy: p is {self.p}; it must be between 0 and 1")
        if self.least < 1 or (self.most and self.most < self.least):
            raise ConfigError(
                f"top-p policy: least is {self.least} and most {self.most}; least must be at least 1 and most no less"
            )


def crossing(soft: Rows, options: TopPOptions) -> NDArray[np.bool_]:
    """Bool (q, E): the smallest set of the largest shares whose sum exceeds p, the crossing expert included.

    With p = 0 it is the best expert, with p = 1 all of them; of equals, the first on the panel comes first.
    """
    order = descending(soft)
    sums = np.cumsum(np.take_along_axis(soft, order, axis=1), axis=1)
    experts = soft.shape[1]
    # Sums that should be one may be rounded to slightly more.
    exceeds = sums > options.p if options.p < 1 else np.zeros(sums.shape, np.bool_)
    kept = np.where(exceeds.any(axis=1), exceeds.argmax(axis=1) + 1, experts)
    return at_top(order, np.clip(kept, options.least, options.most or experts))


class TopP:
    """The fewest experts that hold more than p of the mass.

    Args:
        options: how much, and how many.
    """

    Options = TopPOptions

    def __init__(self, options: TopPOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: TopPOptions) -> Self:
        """The policy."""
        return cls(options)

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """One row at least a query, weights summing to one."""
        soft = shares(checked(queries, experts, scores), self.options)
        return plan_of(queries, experts, renormalised(soft, crossing(soft, self.options)))


@dataclass(frozen=True)
class EntropyOptions(TopPOptions):
    """When a query is uncertain; `p`, `least` and `most` say whom a certain one asks."""

    p: float = 0.75
    least: int = 2
    q: float = 1.1
    """Order of the Tsallis entropy; 1 is Shannon's."""
    gate: float = 0.5
    """Fraction of the largest possible entropy above which all experts are asked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.q > 0:
            raise ConfigError(f"entropy policy: q is {self.q}; it must be positive")
        if not 0 <= self.gate <= 1:
            raise ConfigError(f"entropy policy: gate is {self.gate}; it is a fraction, between 0 and 1")


def tsallis(soft: Rows, q: float) -> NDArray[np.float64]:
    """Tsallis entropy (1 - Σ p^q) / (q - 1) of each row, as a fraction of its largest value, float64 (q,).

    The largest value is (1 - N^(1-q)) / (q - 1); a single expert has no entropy.
    """
    experts = soft.shape[1]
    if experts == 1:
        return np.zeros(len(soft))
    if q == 1:
        plain = -(soft * np.log(np.maximum(soft, np.finfo(np.float64).tiny))).sum(axis=1)
        return np.asarray(plain / np.log(experts), np.float64)
    entropy = (1 - (soft**q).sum(axis=1)) / (q - 1)
    return np.asarray(entropy / ((1 - experts ** (1 - q)) / (q - 1)), np.float64)


class EntropyGate:
    """All experts for an uncertain query, few for a certain one.

    Args:
        options: the gate, and whom a certain query asks.
    """

    Options = EntropyOptions

    def __init__(self, options: EntropyOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: EntropyOptions) -> Self:
        """The policy."""
        return cls(options)

    def uncertain(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Bool (q,): whether the query's entropy passes the gate."""
        return self._uncertain(shares(checked(queries, experts, scores), self.options))

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """One row at least a query, weights summing to one."""
        soft = shares(checked(queries, experts, scores), self.options)
        chosen = crossing(soft, self.options) | self._uncertain(soft)[:, None]
        return plan_of(queries, experts, renormalised(soft, chosen))

    def _uncertain(self, soft: Rows) -> NDArray[np.bool_]:
        passed: NDArray[np.bool_] = tsallis(soft, self.options.q) > self.options.gate
        return passed
