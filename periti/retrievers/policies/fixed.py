"""Policies that ask a fixed number of experts: the best, the best k, or all of them by weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.retrievers.policies.rows import (
    Plain,
    Softening,
    at_top,
    best,
    checked,
    descending,
    plan_of,
    renormalised,
    shares,
)
from periti.types import Plan, Queries


class Argmax(Plain):
    """The best expert answers alone; of equals, the first on the panel."""

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """One row a query, of weight 1."""
        rows = checked(queries, experts, scores)
        weights = np.zeros_like(rows)
        weights[np.arange(len(rows)), best(rows)] = 1.0
        return plan_of(queries, experts, weights)


@dataclass(frozen=True)
class TopKOptions(Softening):
    """How many experts answer, and with what weights."""

    k: int = 2
    """All, where the panel is smaller."""
    weights: str = "softmax"
    """equal or softmax."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1:
            raise ConfigError(f"top-k policy: k is {self.k}; it must be at least 1")
        if self.weights not in ("equal", "softmax"):
            raise ConfigError(f"top-k policy: weights is {self.weights!r}; choose equal or softmax")


class TopK:
    """The k best experts answer; of equals, the first on the panel.

    Args:
        options: how many, and with what weights.
    """

    Options = TopKOptions

    def __init__(self, options: TopKOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: TopKOptions) -> Self:
        """The policy."""
        return cls(options)

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """min(k, E) rows a query, weights summing to one."""
        rows = checked(queries, experts, scores)
        chosen = at_top(descending(rows), np.full(len(rows), self.options.k))
        soft = shares(rows, self.options) if self.options.weights == "softmax" else np.ones_like(rows)
        return plan_of(queries, experts, renormalised(soft, chosen))


@dataclass(frozen=True)
class WeightedOptions(Softening):
    """How sharp the weights are."""


class Weighted:
    """Every expert answers every query, weighted by the softmax of its standardised score.

    Args:
        options: how sharp the weights are.
    """

    Options = WeightedOptions

    def __init__(self, options: WeightedOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: WeightedOptions) -> Self:
        """The policy."""
        return cls(options)

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """A row for every query and expert, weights summing to one."""
        rows = checked(queries, experts, scores)
        soft = shares(rows, self.options)
        return plan_of(queries, experts, renormalised(soft, np.ones(soft.shape, np.bool_)))
