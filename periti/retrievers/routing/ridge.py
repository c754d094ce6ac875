"""Utility regression with cost flags: Tryage (Hari and Thomson, 2023) with a ridge head over the base query vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from periti.apart import apart
from periti.errors import ConfigError
from periti.retrievers.routing.base import FittedRouter
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.costs import CostOptions, penalty
from periti.retrievers.routing.linear import LinearMap, LinearScorer
from periti.retrievers.routing.similarity import Floats, dots
from periti.retrievers.routing.table import UtilityTable


@dataclass(frozen=True)
class RidgeOptions(CostOptions):
    """How utilities are predicted, and what experts cost."""

    table: Path = Path("router")
    strength: float = 1.0
    """Of the penalty on the weights; the intercept is free."""

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"ridge router: strength is {self.strength}; it must be positive")


class Ridge(LinearScorer):
    """Predicted utility of every expert, less its cost."""

    @classmethod
    def fit(cls, table: UtilityTable, options: RidgeOptions | None = None) -> Self:
        """Minimise |U - XW' - b|² + strength |W|², each expert for itself.

        Raises:
            ConfigError: as `penalty`.
        """
        options = options or RidgeOptions()
        x = table.vectors.astype(np.float64)
        centre = x.mean(axis=0)
        gram = (x - centre).T @ (x - centre) + options.strength * np.eye(table.dimension)
        solver = _solved(gram, (x - centre).T)
        # One product an expert: adding an expert leaves the others as they were, bit for bit.
        mean = table.utilities.mean(axis=0)
        weights = dots((table.utilities - mean).T, solver)
        bias = mean - dots(centre[None], weights)[0]
        cost = penalty(table.experts, options.costs, options.lambdas)
        return cls(table.experts, LinearMap(weights, bias), cost, Centroids.of_all(table))


def _solved(left: Floats, right: Floats) -> Floats:
    """X with left X = right."""
    return np.asarray(apart(np.linalg.solve, left, right), np.float64)


class RidgeRouter(FittedRouter):
    """Routes by predicted utility, less cost."""

    Options = RidgeOptions
    fit = Ridge.fit
