"""What a gate reads: every query's candidates with their calibrated scores by source, and its text in figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import IndexMismatch, InputError
from periti.rankers.calibration import Calibration
from periti.registry import nearest
from periti.types import Plan, Queries, Run

Values = NDArray[np.float64]
Places = NDArray[np.int64]

FEATURES = ("words", "word_length", "numbers", "capitals", "question")
"""Of a query's text: log(1 + words), letters a word, shares of words with a digit and with a capital, a final '?'."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Slates:
    """The candidates of q queries, n in all, scored by K sources.

    Attributes:
        query_ids: (q,).
        doc_ids: (n,), query by query.
        starts: int64 (q,), the row at which each query begins; every query has a candidate.
        values: float64 (n, K), calibrated; 0 where the source has not returned the document.
        ranks: int64 (n, K), from 1; 0 where it has not.
        weights: float64 (q, K), the plan's; 0 for a source that was not asked or found nothing.
    """

    query_ids: list[str]
    doc_ids: pl.Series
    starts: Places
    values: Values
    ranks: Places
    weights: Values

    @classmethod
    def of(cls, runs: Mapping[str, Run], plan: Plan, calibration: Calibration) -> Slates:
        """The candidates of runs by name; columns in the order of the calibration's names.

        Raises:
            InputError: no runs.
            IndexMismatch: a run is of a source that the gate was not trained for.
        """
        sources = sorted(calibration.curves)
        require_known(runs, sources)
        frames = [
            _scored(runs[name], plan, name, number, calibration) for number, name in enumerate(sources) if name in runs
        ]
        rows = pl.concat(frames)
        query_ids = rows["query_id"].unique().sort()
        query = query_ids.search_sorted(rows["query_id"]).to_numpy().astype(np.int64)
        doc = rows["doc_id"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)
        _, first, row = np.unique((query << 32) | doc, return_index=True, return_inverse=True)
        source = rows["source"].to_numpy()
        values, ranks = np.zeros((len(first), len(sources))), np.zeros((len(first), len(sources)), np.int64)
        values[row, source], ranks[row, source] = rows["value"].to_numpy(), rows["rank"].to_numpy()
        weights = np.zeros((len(query_ids), len(sources)))
        weights[query, source] = rows["weight"].to_numpy()
        starts = np.searchsorted(query[first], np.arange(len(query_ids))).astype(np.int64)
        return cls(query_ids.to_list(), rows["doc_id"].gather(first), starts, values, ranks, weights)

    @property
    def query(self) -> Places:
        """Query of each candidate, int64 (n,)."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(self.values)))


def require_known(names: Mapping[str, object], sources: Sequence[str]) -> None:
    """Raise InputError without sources, IndexMismatch for one that a gate was not trained for."""
    if not names:
        raise InputError("fusion got no runs; ask at least one expert")
    for name in names:
        if name not in sources:
            raise IndexMismatch(
                f"the gate was not trained for the source {name!r}; {nearest(name, sources)}; train it with "
                "`periti train gate`"
            )


def _scored(run: Run, plan: Plan, name: str, number: int, calibration: Calibration) -> pl.DataFrame:
    """query_id, doc_id, rank, weight, value, source of the queries that were asked of the source."""
    asked = plan.frame.filter(pl.col("expert") == name).select("query_id", "weight")
    rows = run.frame.join(asked, on="query_id", how="inner", maintain_order="left")
    value = calibration.values(name, rows["score"].to_numpy().astype(np.float64))
    return rows.select("query_id", "doc_id", "rank", pl.col("weight").cast(pl.Float64)).with_columns(
        pl.Series("value", value), pl.lit(number, pl.Int64).alias("source")
    )


def text_features(texts: Sequence[str]) -> Values:
    """FEATURES of query texts, float64 (q, 5)."""
    return np.array([_features(text) for text in texts], np.float64).reshape(len(texts), len(FEATURES))


def _features(text: str) -> tuple[float, ...]:
    words = _WORD.findall(text)
    count = max(1, len(words))
    return (
        float(np.log1p(len(words))),
        sum(map(len, words)) / count,
        sum(any(c.isdigit() for c in word) for word in words) / count,
        sum(any(c.isupper() for c in word) for word in words) / count,
        float(text.rstrip().endswith("?")),
    )


def features_of(query_ids: Sequence[str], queries: Queries | None) -> Values:
    """Features of these queries, float64 (q, 5); NaN for one whose text is not known."""
    texts = dict(queries.frame.iter_rows()) if queries is not None else {}
    unknown = (float("nan"),) * len(FEATURES)
    rows = [_features(texts[query_id]) if query_id in texts else unknown for query_id in query_ids]
    return np.array(rows, np.float64).reshape(len(query_ids), len(FEATURES))
