"""A simulation as curves of value by budget: what a report draws, and a file that other tools read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from periti.evaluation.adjudication.summary import Row, Summary

SCHEMA = pl.Schema(
    {
        "quantity": pl.String,
        "budget": pl.Float64,
        "method": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)
OF_PAIRS = {"recall": "share of significant pairs kept", "spurious": "spurious significant pairs"}
OF_RANKS = {"tau": "Kendall's τ-b", "tau_ap": "τ_AP", "rmse": "RMSE of means", "relevant": "relevant documents found"}
"""Numbers that are the same under every test."""


def curves(summary: Summary) -> pl.DataFrame:
    """One row for every quantity, budget and method, quantities together; of `SCHEMA`.

    Value is the mean over seeds, low and high are the ends of its interval, null where there is none. A value that is
    defined under no seed has no row.
    """
    return pl.DataFrame(list(_points(summary)), schema=SCHEMA, orient="row")


def _points(summary: Summary) -> Iterator[tuple[str, float, str, float, float | None, float | None]]:
    """The rows of the frame."""
    tests = list(dict.fromkeys(row.test for row in summary.rows))
    for test in tests:
        for name, words in OF_PAIRS.items():
            yield from _curve([row for row in summary.rows if row.test == test], name, f"{words}, {test}")
    for name, words in OF_RANKS.items():
        yield from _curve([row for row in summary.rows if row.test == tests[0]], name, words)


def _curve(
    rows: list[Row], name: str, quantity: str
) -> Iterator[tuple[str, float, str, float, float | None, float | None]]:
    """The points of one quantity."""
    for row in rows:
        spread = row.values[name]
        if not np.isnan(spread.mean):
            known = not np.isnan(spread.low)
            ends = (spread.low, spread.high) if known else (None, None)
            yield quantity, float(row.budget.amount), row.method, spread.mean, *ends
