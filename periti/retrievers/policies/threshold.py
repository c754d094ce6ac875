"""The best expert where it is clearly fit, the declared fall-back elsewhere.

What keeps a panel from doing harm on queries unlike anything its experts were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.registry import nearest
from periti.retrievers.policies.rows import Rows, best, checked, plan_of
from periti.types import Plan, Queries


@dataclass(frozen=True)
class ThresholdOptions:
    """When the best expert is trusted, and who answers otherwise. Without a gate the policy is argmax."""

    fallback: str = ""
    """The expert, such as the generalist, that answers where the best one is not trusted."""
    score: float | None = None
    """The best score must reach this; `calibrated` finds it on held-out queries."""
    margin: float | None = None
    """The best score must exceed the fall-back's by this."""

    def __post_init__(self) -> None:
        if (self.score is not None or self.margin is not None) and not self.fallback:
            raise ConfigError("threshold policy: a threshold needs a fallback; name the expert that answers below it")


class Threshold:
    """The best expert answers if its score reaches the threshold and the margin, else the fall-back.

    Of equals, the first on the panel is the best.

    Args:
        options: the gates and the fall-back.
    """

    Options = ThresholdOptions

    def __init__(self, options: ThresholdOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: ThresholdOptions) -> Self:
        """The policy."""
        return cls(options)

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """One row a query, of weight 1; raises ConfigError if the fall-back is not on the panel."""
        rows = checked(queries, experts, scores)
        chosen = best(rows)
        if self.options.fallback:
            chosen = np.where(self._doubtful(experts, rows), self._column(experts), chosen)
        weights = np.zeros_like(rows)
        weights[np.arange(len(rows)), chosen] = 1.0
        return plan_of(queries, experts, weights)

    def fell_back(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Bool (q,): whether the query goes to the fall-back because the best expert was not trusted."""
        rows = checked(queries, experts, scores)
        return self._doubtful(experts, rows) if self.options.fallback else np.zeros(len(rows), np.bool_)

    def notes(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Mapping[str, int]:
        """How many queries fell back; empty when none."""
        count = int(self.fell_back(queries, experts, scores).sum())
        return {"fallback_queries": count} if count else {}

    def _column(self, experts: Sequence[str]) -> int:
        name = self.options.fallback
        if name not in experts:
            raise ConfigError(f"threshold policy: the fallback {name!r} is no expert; {nearest(name, experts)}")
        return list(experts).index(name)

    def _doubtful(self, experts: Sequence[str], rows: Rows) -> NDArray[np.bool_]:
        column = self._column(experts)
        top = rows.max(axis=1)
        doubtful = np.zeros(len(rows), np.bool_)
        if self.options.score is not None:
            doubtful |= top < self.options.score
        if self.options.margin is not None:
            doubtful |= (top - rows[:, column] < self.options.margin) & (best(rows) != column)
        return doubtful


def calibrated(scores: NDArray[np.float32], utilities: Rows, fallback: int) -> float:
    """The threshold on the best score that gives the highest mean utility.

    Args:
        scores: float32 (n, E) of held-out queries, which the router was not fitted on.
        utilities: float64 (n, E) of the same queries.
        fallback: the fall-back's column.

    Returns:
        A threshold for `ThresholdOptions.score`: the smallest of equally good ones; -inf trusts always, inf never.

    Raises:
        InputError: there are no queries, or the shapes differ.
    """
    if scores.shape != utilities.shape or not len(scores):
        raise InputError(
            f"threshold policy: scores of shape {scores.shape} and utilities of shape {utilities.shape}; "
            "calibrate on the same queries, at least one"
        )
    top, pick = scores.max(axis=1), scores.argmax(axis=1)
    gain = utilities[np.arange(len(pick)), pick] - utilities[:, fallback]
    candidates = np.concatenate([[-np.inf], np.unique(top), [np.inf]])
    # The queries at or above a candidate are trusted; a gain is only real if it is taken.
    order = np.argsort(-top, kind="stable")
    taken = np.concatenate([[0.0], np.cumsum(gain[order])])
    trusted = np.searchsorted(-top[order], -candidates, side="right")
    values = taken[trusted]
    return float(candidates[np.flatnonzero(values >= values.max() - 1e-12)[0]])
