"""Logistic regression by inner products, added to a prior belief.

f(x) = prior(x) + Σ_i a_i k(x, x_i) + b minimises Σ_i log(1 + exp(-y_i f(x_i))) + λ/2 a'Ka + δ/2 b², which is logistic
regression with an L2 penalty in the space of k. Without judgements f is the prior; with few it is near it, and one
class alone is enough. Newton's method with halved steps: the result depends on the judgements, not on their order.

Source: Zhu and Hastie, Kernel logistic regression and the import vector machine, JCGS 2005, eq. 10 to 13.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.apart import apart
from periti.retrievers.routing.learners import sigmoid

Floats = NDArray[np.float64]
_ROUNDS = 50
_INTERCEPT = 1e-2
"""δ: hardly a penalty, but it keeps b finite while all judgements agree."""
_FLAT, _LEAST_STEP, _CLOSE = 1e-10, 1e-6, 1e-10


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted addition to the prior.

    Attributes:
        weights: float64 (m,), a.
        bias: b.
    """

    weights: Floats
    bias: float

    def __call__(self, kernel: Floats, prior: Floats) -> Floats:
        """Log-odds float64 (n,) of kernel (n, m) with the judged documents and prior (n,)."""
        return kernel @ self.weights + self.bias + prior


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is minimised: kernel (m, m), labels as 0 and 1 (m,), prior (m,), penalty."""

    kernel: Floats
    labels: Floats
    prior: Floats
    penalty: float

    def loss(self, parts: Floats, bias: float) -> float:
        """The objective at (a, b)."""
        smooth = self.kernel @ parts
        margin = (2.0 * self.labels - 1.0) * (smooth + bias + self.prior)
        penalties = 0.5 * self.penalty * parts @ smooth + 0.5 * _INTERCEPT * bias**2
        return float(np.logaddexp(0.0, -margin).sum() + penalties)

    def newton(self, parts: Floats, bias: float) -> tuple[Floats, float]:
        """The minimum of the second-order expansion around (a, b)."""
        logits = self.kernel @ parts + bias
        chance = sigmoid(logits + self.prior)
        curvature = np.maximum(chance * (1.0 - chance), _FLAT)
        target = logits + (self.labels - chance) / curvature
        size = len(parts)
        system = np.empty((size + 1, size + 1))
        system[:size, :size] = self.kernel
        system[np.arange(size), np.arange(size)] += self.penalty / curvature
        system[:size, size], system[size, :size] = 1.0, -self.penalty
        # The gradient in b says δ b = Σ (y - p), and in a says λ a = y - p: so δ b = λ Σ a.
        system[size, size] = _INTERCEPT
        solved: Floats = apart(lambda: np.linalg.solve(system, np.append(target, 0.0)))
        return solved[:size], float(solved[size])


def fit(kernel: Floats, labels: NDArray[np.bool_], prior: Floats, penalty: float) -> Fitted:
    """Fit to judged documents.

    Args:
        kernel: float64 (m, m), positive semidefinite.
        labels: bool (m,).
        prior: float64 (m,), log-odds believed before.
        penalty: λ, above 0.
    """
    problem = _Problem(kernel, labels.astype(np.float64), prior, penalty)
    parts, bias = np.zeros(len(labels)), 0.0
    value = problem.loss(parts, bias)
    for _ in range(_ROUNDS):
        best, top = problem.newton(parts, bias)
        scale, reached = 1.0, problem.loss(best, top)
        while reached > value and scale > _LEAST_STEP:
            scale /= 2.0
            reached = problem.loss(parts + scale * (best - parts), bias + scale * (top - bias))
        if reached >= value:
            break
        parts, bias = parts + scale * (best - parts), bias + scale * (top - bias)
        gained, value = value - reached, reached
        if gained <= _CLOSE * (1.0 + abs(value)):
            break
    return Fitted(parts, bias)
