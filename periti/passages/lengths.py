"""How much scores follow the length of documents: sums over passages do, and a reader should see by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.types import Run


@dataclass(frozen=True)
class LengthCorrelation:
    """Spearman's rho and Kendall's tau-b between rank and length, means over queries; positive: long documents first.

    Attributes:
        rho: mean of the queries' rho, -1 to 1; NaN where no query has an order.
        tau: mean of their tau-b.
        queries: queries with two documents at least whose lengths differ.
    """

    rho: float
    tau: float
    queries: int


def length_correlation(run: Run, lengths: Mapping[str, int]) -> LengthCorrelation:
    """Whether a run puts long documents first.

    Args:
        run: ranked documents; their order counts, which a ranker's ties do not change.
        lengths: tokens, or any other measure, of every document of the run.

    Raises:
        InputError: the length of a document is missing.
    """
    table = pl.DataFrame({"doc_id": list(lengths), "length": list(lengths.values())})
    frame = run.frame.join(table, on="doc_id", how="left")
    lost = frame.filter(pl.col("length").is_null())
    if lost.height:
        raise InputError(
            f"run {run.name!r}: {lost.height} documents have no length, the first is {lost['doc_id'][0]!r}; give it"
        )
    rhos, taus = [], []
    for part in frame.partition_by("query_id"):
        if part["length"].n_unique() < 2:
            continue
        order, long = -part["rank"].to_numpy(), part["length"].rank("average").to_numpy()
        rhos.append(float(np.corrcoef(order, long)[0, 1]))
        signs = np.sign(order[:, None] - order[None, :]), np.sign(long[:, None] - long[None, :])
        taus.append(float((signs[0] * signs[1]).sum() / np.sqrt(np.abs(signs[0]).sum() * np.abs(signs[1]).sum())))
    rho, tau = (float(np.mean(values)) if values else float("nan") for values in (rhos, taus))
    return LengthCorrelation(rho, tau, len(rhos))
