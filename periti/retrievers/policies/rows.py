"""What policies share: scores checked and made comparable, and weights made a plan.

Every function works on each row alone, so a query is decided the same in every batch. Ties go to the expert that
comes first on the panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.types import PLAN, Plan, Queries

Rows = NDArray[np.float64]
LEAST = 1e-12
"""The smallest weight of an expert that is asked: softmax may round to nothing, which a plan does not allow."""


@dataclass(frozen=True)
class Softening:
    """How scores become shares that sum to one."""

    temperature: float = 1.0
    """Below 1 the best expert gets more, above 1 the others do."""
    scale: float = 0.0
    """What a difference of scores is divided by first; 0 is the standard deviation of the query's own scores. Routers
    differ in scale by orders of magnitude (cosines lie .1 apart), so raw scores are never softened. A panel of two has
    the same standardised scores for every query: give a scale there, if confidence shall count."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"policy: temperature is {self.temperature}; it must be positive")
        if not self.scale >= 0:
            raise ConfigError(f"policy: scale is {self.scale}; it must be positive, or 0 for each query's own")


@dataclass(frozen=True)
class NoOptions:
    """None."""


class Plain:
    """A policy without options."""

    Options = NoOptions

    @classmethod
    def open(cls, options: NoOptions) -> Self:  # noqa: ARG003  (the seam's signature)
        """The policy."""
        return cls()


def checked(queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Rows:
    """The scores as float64 (q, E).

    Raises:
        InputError: the shape does not fit, a score is not finite, or there is no expert.
    """
    if scores.shape != (len(queries), len(experts)) or not experts:
        raise InputError(
            f"policy: scores of shape {scores.shape} for {len(queries)} queries and {len(experts)} experts; "
            "give one for each pair"
        )
    wrong = np.argwhere(~np.isfinite(scores))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"policy: the score of expert {experts[column]!r} for query {queries.ids[row]!r} is "
            f"{scores[row, column]}; mend the router"
        )
    return np.ascontiguousarray(scores, np.float64)


def best(scores: Rows) -> NDArray[np.int64]:
    """The column of the best expert of every row, int64 (q,); the first of equals."""
    column: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    return column


def descending(scores: Rows) -> NDArray[np.int64]:
    """Columns from best to worst, int64 (q, E); equals in the order of the panel."""
    return np.argsort(-scores, axis=1, kind="stable").astype(np.int64)


def shares(scores: Rows, softening: Softening) -> Rows:
    """Softmax of the standardised scores of each row, float64 (q, E); equal scores give equal shares."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True))
    scale = np.full_like(spread, softening.scale) if softening.scale else np.where(spread > 0, spread, 1.0)
    raised = centred / scale / softening.temperature
    powers = np.exp(raised - raised.max(axis=1, keepdims=True))
    soft: Rows = powers / powers.sum(axis=1, keepdims=True)
    return soft


def at_top(columns: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bool (q, E): the first `kept` int64 (q,) of each row of `columns` int64 (q, E)."""
    chosen = np.zeros(columns.shape, np.bool_)
    np.put_along_axis(chosen, columns, np.arange(columns.shape[1]) < kept[:, None], axis=1)
    return chosen


def renormalised(weights: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """Weights of the chosen experts that sum to one in each row, 0 for the others."""
    kept = np.where(chosen, np.maximum(weights, LEAST), 0.0)
    weighed: Rows = kept / kept.sum(axis=1, keepdims=True)
    return weighed


def plan_of(queries: Queries, experts: Sequence[str], weights: Rows) -> Plan:
    """The plan of weights float64 (q, E), 0 for an expert that is not asked; rows by query, then by panel order."""
    row, column = np.nonzero(weights)
    frame = pl.DataFrame(
        {
            "query_id": queries.frame["query_id"].gather(row),
            "expert": pl.Series(list(experts), dtype=pl.String).gather(column),
            "weight": np.maximum(weights[row, column], LEAST).astype(np.float32),
        },
        schema=PLAN,
    )
    return Plan.of(frame, queries)
