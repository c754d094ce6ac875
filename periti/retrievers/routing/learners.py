"""Logistic regression: the one module that knows scikit-learn, which is imported at first use.

Only weights leave this module, so that scoring needs NumPy alone and is the same in every batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.retrievers.routing.linear import LinearMap
from periti.retrievers.routing.similarity import Floats

_ROUNDS = 2_000


def logistic(
    vectors: NDArray[np.floating],
    labels: NDArray[np.int64],
    inverse_strength: float,
    weights: Floats | None = None,
    *,
    balanced: bool = False,
) -> LinearMap:
    """Multinomial logistic regression with an L2 penalty.

    Args:
        vectors: (n, d).
        labels: int64 (n,), the classes 0..m-1, each present and m at least 2.
        inverse_strength: large is a weak penalty (scikit-learn's C).
        weights: float64 (n,), what each row counts; all the same if absent.
        balanced: whether every class counts the same in total, whatever its share of rows.

    Returns:
        The map to m log-odds; for two classes to one, that of class 1.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # it publishes no types

    model = LogisticRegression(
        C=inverse_strength, class_weight="balanced" if balanced else None, max_iter=_ROUNDS, tol=1e-6
    )
    model.fit(np.asarray(vectors, np.float64), labels, sample_weight=weights)
    return LinearMap(np.asarray(model.coef_, np.float64), np.asarray(model.intercept_, np.float64))


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + e^-x) of every cell, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def softmax(logits: Floats) -> Floats:
    """Softmax of each row, float64 (q, m)."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
