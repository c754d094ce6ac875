"""What a query is like: the nearest pilots, centroids or queries, as a router tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.retrievers.routing.base import Explanation
from periti.retrievers.routing.similarity import Floats

TOLD = 3


def most_alike(similarities: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The largest similarities of float64 (q, n) and their columns, (q, 3) or fewer, best first, ties by column."""
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :TOLD]
    return np.take_along_axis(similarities, order, axis=1), order.astype(np.int64)


def told(similarities: Floats, rows: NDArray[np.int64], entry: Callable[[int], Mapping[str, Any]]) -> list[Explanation]:
    """For every query under `nearest` the entries of its rows (q, k), each with its similarity."""
    return [
        {"nearest": [{**entry(int(i)), "similarity": float(one)} for i, one in zip(near, similar, strict=True)]}
        for near, similar in zip(rows, similarities, strict=True)
    ]
