"""How near documents are to the examples of a target: by the best single example, or on average over all.

Source: BETR, benchmark-targeted ranking (2025): each example ranks the documents, and a document is worth its best rank
by any example. Averages and centroids follow the examples' middle and miss small groups of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

AGGREGATES, VALUES = ("max", "mean"), ("rank", "cosine")
_ROWS = 128
"""Examples compared at once: what bounds memory."""


def nearness(examples: Vectors, documents: Vectors, aggregate: str = "max", value: str = "rank") -> Floats:
    """What each document is worth to a set of examples.

    Args:
        examples: unit vectors (m, d), m at least 1.
        documents: unit vectors (n, d).
        aggregate: over examples, "max" or "mean".
        value: of a document to one example: "rank", 1 for its nearest document falling to 1/n for the farthest; or
            "cosine".

    Returns:
        float64 (n,), larger is nearer. Of equal best ranks, the larger cosine is nearer.

    Raises:
        ConfigError: aggregate or value is not known.
    """
    check_options(aggregate, value)
    total = np.full(len(documents), -np.inf if aggregate == "max" else 0.0)
    best = np.full(len(documents), -np.inf)
    for start in range(0, len(examples), _ROWS):
        cosines = (examples[start : start + _ROWS] @ documents.T).astype(np.float64)
        best = np.maximum(best, cosines.max(axis=0))
        worth = _ranked(cosines) if value == "rank" else cosines
        total = np.maximum(total, worth.max(axis=0)) if aggregate == "max" else total + worth.sum(axis=0)
    if aggregate == "mean":
        return total / len(examples)
    # Ranks are 1/n apart, and cosines are at most 2 apart.
    return total + best / (4 * len(documents)) if value == "rank" else total


def check_options(aggregate: str, value: str) -> None:
    """Refuse what `nearness` does not know.

    Raises:
        ConfigError: names what is known.
    """
    if aggregate not in AGGREGATES:
        raise ConfigError(f"aggregate {aggregate!r} is not known; choose one of {', '.join(AGGREGATES)}")
    if value not in VALUES:
        raise ConfigError(f"value {value!r} is not known; choose one of {', '.join(VALUES)}")


def _ranked(cosines: Floats) -> Floats:
    """1 - (rank - 1) / n of each cell within its row, equal cosines by their place."""
    order = np.argsort(-cosines, axis=1, kind="stable")
    worth = np.empty_like(cosines)
    np.put_along_axis(worth, order, 1 - np.arange(cosines.shape[1])[None, :] / cosines.shape[1], axis=1)
    return worth
