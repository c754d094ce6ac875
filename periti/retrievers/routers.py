"""Queries to the fitness of each expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.retrievers.experts import Expert
from periti.types import Queries


class ConstantRouter:
    """The same fitness for every query: each expert's declared weight."""

    @dataclass(frozen=True)
    class Options:
        """None."""

    def __init__(self, experts: Sequence[Expert]) -> None:
        self._experts = tuple(experts)

    @classmethod
    def open(cls, experts: Sequence[Expert], options: Options) -> Self:  # noqa: ARG003  (the seam's signature)
        """The router of a panel."""
        return cls(experts)

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the experts, in the order of the columns of `scores`."""
        return tuple(expert.name for expert in self._experts)

    def scores(self, queries: Queries) -> NDArray[np.float32]:
        """float32 (n_queries, n_experts)."""
        weights = np.array([expert.weight for expert in self._experts], np.float32)
        return np.tile(weights, (len(queries), 1))
