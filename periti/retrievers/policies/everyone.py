"""Fitness to a plan: whom to ask about what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.types import PLAN, Plan, Queries


class AllExperts:
    """Every expert answers every query, weighted by its fitness."""

    @dataclass(frozen=True)
    class Options:
        """None."""

    @classmethod
    def open(cls, options: Options) -> Self:  # noqa: ARG003  (the seam's signature)
        """The policy."""
        return cls()

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """A row for every query and expert with positive fitness."""
        frame = pl.DataFrame(
            {
                "query_id": np.repeat(queries.ids, len(experts)),
                "expert": list(experts) * len(queries),
                "weight": scores.ravel(),
            },
            schema=PLAN,
        )
        return Plan.of(frame.filter(pl.col("weight") > 0), queries)
