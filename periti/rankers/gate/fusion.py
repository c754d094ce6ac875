"""The fusion "gated": a weighted sum of calibrated scores whose weights a gate finds for every query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from periti.rankers.gate.files import TrainedGate, read_gate
from periti.rankers.gate.slates import Slates, features_of
from periti.types import Plan, Queries, Run


@dataclass(frozen=True)
class GatedOptions:
    """`gate` is a folder that `periti train gate` wrote."""

    gate: Path = Path("gate")


class GatedFusion:
    """Σ_k g_k w_k s_k over the sources that answered: gate times the plan's weight, times the calibrated score.

    Equal scores are ordered by document id, descending.
    """

    Options = GatedOptions

    def __init__(self, trained: TrainedGate) -> None:
        self.trained = trained

    @classmethod
    def open(cls, options: GatedOptions) -> Self:
        """The fusion rule; raises IndexUnusable if the folder is missing, damaged or no gate."""
        return cls(read_gate(options.gate))

    def require(self, experts: Mapping[str, Mapping[str, str]]) -> None:
        """Raise IndexMismatch unless the gate was trained for these experts: name -> fingerprint."""
        self.trained.require(experts)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; queries whose text is not known count as average ones.

        Raises:
            InputError: no runs.
            IndexMismatch: the gate was not trained for one of the experts.
        """
        return self._fused(runs, plan, None)

    def fuse_queries(self, queries: Queries, runs: Mapping[str, Run], plan: Plan) -> Run:
        """`fuse`, with the gate reading the queries' texts too."""
        return self._fused(runs, plan, queries)

    def _fused(self, runs: Mapping[str, Run], plan: Plan, queries: Queries | None) -> Run:
        slates = Slates.of(runs, plan, self.trained.calibration)
        if not slates.query_ids:
            return Run.empty("gated")
        scores = self.trained.gate.scores(slates, features_of(slates.query_ids, queries))
        asked = pl.Series("query_id", slates.query_ids).gather(slates.query)
        found = pl.DataFrame([asked, slates.doc_ids.alias("doc_id"), pl.Series("score", scores.astype(np.float32))])
        return Run.of(found, "gated")
