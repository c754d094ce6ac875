"""Scorers that are one linear map of the query vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from periti.protocols import Vectors
from periti.retrievers.routing.base import Explanation, Scorer, Scores
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.similarity import Floats, dots


@dataclass(frozen=True, eq=False)
class LinearMap:
    """x to x W' + b.

    Attributes:
        weights: float64 (m, d).
        bias: float64 (m,).
    """

    weights: Floats
    bias: Floats

    def __call__(self, vectors: Vectors) -> Floats:
        """float64 (q, m) of float32 (q, d)."""
        return dots(vectors, self.weights) + self.bias


@dataclass(frozen=True, eq=False)
class LinearScorer(Scorer):
    """What the experts are predicted to be worth, less what they cost.

    Attributes:
        experts: E names.
        map: predicts E values.
        penalty: float64 (E,), subtracted from the prediction.
        known: centroids of the table's datasets, to say what a query is like.
    """

    experts: tuple[str, ...]
    map: LinearMap
    penalty: Floats
    known: Centroids

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E)."""
        return (self.map(vectors) - self.penalty).astype(np.float32)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:
        """The three nearest datasets, and what each expert costs where there are costs."""
        told = self.known.explain(vectors, texts)
        if not self.penalty.any():
            return told
        costs = {name: float(cost) for name, cost in zip(self.experts, self.penalty, strict=True)}
        return [{**one, "penalty": costs} for one in told]
