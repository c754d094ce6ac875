"""A linear classifier over hashed n-grams: what can score a whole pool once a slower judge has labelled a sample.

Logistic regression with an L2 penalty, by limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4 with
backtracking), in NumPy alone. A text is its n-grams' counts over the square root of their number, near unit length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.features import Features, Occurrences

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

_MEMORY, _ROUNDS, _TOLERANCE = 8, 60, 1e-4


@dataclass(frozen=True)
class HashedLinear:
    """A function of texts that only adds up weights.

    Attributes:
        features: the n-grams.
        weights: float32 (buckets,).
        bias: added to every text.
    """

    features: Features
    weights: NDArray[np.float32]
    bias: float

    def of(self, found: Occurrences) -> Floats:
        """Log-odds of texts whose n-grams were found already, float64 (n,)."""
        return found.sums(self.weights) * scales(found) + self.bias

    def score(self, texts: Sequence[str]) -> Floats:
        """Log-odds of texts, float64 (n,)."""
        return self.of(self.features.of(texts))


def scales(found: Occurrences) -> Floats:
    """1 / sqrt(n-grams) of each text, float64 (n,)."""
    return 1 / np.sqrt(np.maximum(np.diff(found.indptr), 1))


def fit_linear(texts: Sequence[str], labels: NDArray[np.bool_], features: Features, penalty: float) -> HashedLinear:
    """Learn to tell texts apart; both classes count the same in total, whatever their sizes.

    Args:
        texts: n texts.
        labels: (n,), each class present.
        features: the n-grams.
        penalty: half of it times the squared length of the weights is added to the mean loss.
    """
    found = features.of(texts)
    scale, sizes = scales(found), np.diff(found.indptr)
    importance = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    signs = np.where(labels, 1.0, -1.0)

    def objective(point: Floats) -> tuple[float, Floats]:
        margins = signs * (found.sums(point[:-1]) * scale + point[-1])
        loss = (importance * np.logaddexp(0, -margins)).sum() + penalty / 2 * (point[:-1] ** 2).sum()
        slopes = -importance * signs * 0.5 * (1 - np.tanh(margins / 2))
        gradient = np.empty_like(point)
        spread = np.repeat(slopes * scale, sizes)
        gradient[:-1] = np.bincount(found.bucket, weights=spread, minlength=features.buckets) + penalty * point[:-1]
        gradient[-1] = slopes.sum()
        return float(loss), gradient

    point = minimised(objective, np.zeros(features.buckets + 1))
    return HashedLinear(features, point[:-1].astype(np.float32), float(point[-1]))


def minimised(objective: Objective, start: Floats) -> Floats:
    """The point where a smooth convex function is least, near enough that its slope is 1e-4 of that at the start.

    Sums are taken without BLAS, so that the result does not depend on its threads.
    """
    point = start
    value, gradient = objective(point)
    first = np.sqrt((gradient**2).sum())
    steps: list[tuple[Floats, Floats, float]] = []
    for _ in range(_ROUNDS):
        if np.sqrt((gradient**2).sum()) <= _TOLERANCE * first:
            break
        direction = -_through(steps, gradient)
        slope, rate = float((direction * gradient).sum()), 1.0
        while True:
            tried = point + rate * direction
            new_value, new_gradient = objective(tried)
            if new_value <= value + 1e-4 * rate * slope or rate < 1e-10:
                break
            rate /= 2
        moved, turned = tried - point, new_gradient - gradient
        curvature = float((moved * turned).sum())
        if curvature > 0:
            steps = [*steps[1 - _MEMORY :], (moved, turned, curvature)]
        point, value, gradient = tried, new_value, new_gradient
    return point


def _through(steps: list[tuple[Floats, Floats, float]], gradient: Floats) -> Floats:
    """The approximate inverse Hessian times a gradient: the two-loop recursion."""
    result, factors = gradient.copy(), []
    for moved, turned, curvature in reversed(steps):
        factors.append(float((moved * result).sum()) / curvature)
        result -= factors[-1] * turned
    if steps:
        _, turned, curvature = steps[-1]
        result *= curvature / float((turned**2).sum())
    for (moved, turned, curvature), factor in zip(steps, reversed(factors), strict=True):
        result += (factor - float((turned * result).sum()) / curvature) * moved
    return result
