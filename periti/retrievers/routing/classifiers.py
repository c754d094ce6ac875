"""The paper's two trained baselines (Lee et al., AAAI 2025): a classifier over experts, and one head an expert.

Both learn from the queries with a unique best expert only, and every expert counts the same in total. An expert that
is never uniquely best can not be learnt and gets the lowest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.protocols import Vectors
from periti.retrievers.routing.base import Explanation, FittedRouter, Scorer, Scores
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.learners import logistic, sigmoid, softmax
from periti.retrievers.routing.linear import LinearMap
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class ClassifierOptions:
    """How strongly the weights are held back."""

    table: Path = Path("router")
    inverse_strength: float = 1.0
    """Large is a weak penalty on the weights."""

    def __post_init__(self) -> None:
        if not self.inverse_strength > 0:
            raise ConfigError(f"classifier router: inverse_strength is {self.inverse_strength}; it must be positive")


@dataclass(frozen=True, eq=False)
class Classifier(Scorer):
    """Probability of every learnt expert, 0 for the others.

    Attributes:
        experts: E names.
        map: log-odds of m experts.
        columns: int64 (m,), the experts' columns.
        joint: whether the m experts share one softmax, or have a sigmoid each.
        known: centroids of the table's datasets, to say what a query is like.
    """

    experts: tuple[str, ...]
    map: LinearMap
    columns: NDArray[np.int64]
    joint: bool
    known: Centroids

    @classmethod
    def fit(cls, table: UtilityTable, options: ClassifierOptions | None = None, *, joint: bool = True) -> Self:
        """Learn from the queries with a unique best expert.

        Raises:
            InputError: no query has one, or it is always the same expert of several.
        """
        options = options or ClassifierOptions()
        labels = table.best("drop")
        rows = np.flatnonzero(labels >= 0)
        columns, classes = np.unique(labels[rows], return_inverse=True)
        known = Centroids.of_all(table)
        if len(table.experts) == 1:
            constant = LinearMap(np.zeros((1, table.dimension)), np.zeros(1))
            return cls(table.experts, constant, np.zeros(1, np.int64), joint, known)
        if len(columns) < 2:
            always = [f"it is {table.experts[column]!r} wherever it is unique" for column in columns]
            found = always[0] if always else "it is never unique"
            raise InputError(
                f"classifier router: the utility table has {len(table.experts)} experts, but of the best one "
                f"{found}, so there is nothing to learn; use another router"
            )
        x, strength = table.vectors[rows], options.inverse_strength
        if joint:
            learnt = logistic(x, classes, strength, balanced=True)
            if len(columns) == 2:
                # One row of log-odds, of the second against the first, is shared out so that softmax gives it back.
                halves = np.array([[-0.5], [0.5]])
                learnt = LinearMap(halves * learnt.weights, (halves * learnt.bias)[:, 0])
            return cls(table.experts, learnt, columns, joint, known)
        binary = [logistic(x, (classes == i).astype(np.int64), strength, balanced=True) for i in range(len(columns))]
        heads = LinearMap(np.concatenate([m.weights for m in binary]), np.concatenate([m.bias for m in binary]))
        return cls(table.experts, heads, columns, joint, known)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E)."""
        logits = self.map(vectors)
        scores = np.zeros((len(vectors), len(self.experts)))
        scores[:, self.columns] = softmax(logits) if self.joint else sigmoid(logits)
        return scores.astype(np.float32)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:
        """The three nearest datasets."""
        return self.known.explain(vectors, texts)


class ClassifierRouter(FittedRouter):
    """ExpertClassifierRouter: one multinomial classifier over the experts."""

    Options = ClassifierOptions
    fit = Classifier.fit


class ClassifierHeadRouter(FittedRouter):
    """ClassificationHeadRouter: a binary head for every expert."""

    Options = ClassifierOptions
    fit = partial(Classifier.fit, joint=False)
