"""Pairwise utility: for every two experts, which one is better for the query.

LTRR (2025) finds that a ranker over retrievers learns best from pairs. For every pair (a, b) a logistic regression of
"a beats b" is fitted on the queries where they differ, each weighted by how much; S_a is the mean over b of
P(a beats b | q), less the cost as in Tryage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from periti.errors import ConfigError
from periti.protocols import Vectors
from periti.retrievers.routing.base import FittedRouter, Scores
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.costs import CostOptions, penalty
from periti.retrievers.routing.learners import logistic, sigmoid
from periti.retrievers.routing.linear import LinearMap, LinearScorer
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class PairwiseOptions(CostOptions):
    """How pairs are learnt, and what experts cost."""

    table: Path = Path("router")
    inverse_strength: float = 1.0
    """Large is a weak penalty on the weights."""

    def __post_init__(self) -> None:
        if not self.inverse_strength > 0:
            raise ConfigError(f"pairwise router: inverse_strength is {self.inverse_strength}; it must be positive")


@dataclass(frozen=True, eq=False)
class Pairwise(LinearScorer):
    """The mean probability to beat another expert, less the cost.

    Its `map` predicts the log-odds of E (E - 1) / 2 pairs, in the order of `pairs`.
    """

    @classmethod
    def fit(cls, table: UtilityTable, options: PairwiseOptions | None = None) -> Self:
        """One logistic regression a pair; where one expert always wins, or none ever does, only a constant.

        Raises:
            ConfigError: as `penalty`.
        """
        options = options or PairwiseOptions()
        weights, biases = [np.empty((0, table.dimension))], [np.empty(0)]
        for a, b in pairs(len(table.experts)):
            gap = table.utilities[:, a] - table.utilities[:, b]
            differ = np.flatnonzero(gap)
            won = (gap[differ] > 0).astype(np.int64)
            if 0 < won.sum() < len(won):
                # Weights of mean one: the penalty means the same whatever the scale of the utilities.
                counts = np.abs(gap[differ]) / np.abs(gap[differ]).mean()
                learnt = logistic(table.vectors[differ], won, options.inverse_strength, counts)
            else:
                # Laplace's rule of succession.
                odds = (won.sum() + 1) / (len(won) - won.sum() + 1)
                learnt = LinearMap(np.zeros((1, table.dimension)), np.log([odds]))
            weights.append(learnt.weights)
            biases.append(learnt.bias)
        linear = LinearMap(np.concatenate(weights), np.concatenate(biases))
        cost = penalty(table.experts, options.costs, options.lambdas)
        return cls(table.experts, linear, cost, Centroids.of_all(table))

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E); 1/2 for a panel of one."""
        experts = len(self.experts)
        if experts == 1:
            return np.full((len(vectors), 1), 0.5 - self.penalty, np.float32)
        chances = sigmoid(self.map(vectors))
        total = np.zeros((len(vectors), experts))
        for i, (a, b) in enumerate(pairs(experts)):
            total[:, a] += chances[:, i]
            total[:, b] += 1 - chances[:, i]
        return (total / (experts - 1) - self.penalty).astype(np.float32)


def pairs(experts: int) -> list[tuple[int, int]]:
    """Every two columns (a, b) with a < b, in a fixed order."""
    return [(a, b) for a in range(experts) for b in range(a + 1, experts)]


class PairwiseRouter(FittedRouter):
    """Routes to the expert that most probably beats the others, less cost."""

    Options = PairwiseOptions
    fit = Pairwise.fit
