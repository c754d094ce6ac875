"""Fitness to a plan: whom to ask about what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.retrievers.policies.rows import Plain
from periti.types import PLAN, Plan, Queries


class AllExperts(Plain):
    """Every expert answers every query, weighted by its fitness."""

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
