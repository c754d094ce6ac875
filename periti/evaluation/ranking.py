"""A run seen through judgements, as arrays: what every exact measure is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.types import Qrels, Run

Ints = NDArray[np.int64]
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """The judged queries q, the pooled documents a run retrieved for them h ("hits"), and all judgements j.

    Only pooled documents can change a measure, so unjudged ones are kept as counts, not as rows.

    Args:
        query_ids: the judged queries, sorted; numbers below index this list.
        query: int64 (h,), the query of each hit, ascending.
        rank: int64 (h,), from 1, ascending within a query.
        grade: int64 (h,); negative means pooled but not judged.
        retrieved: int64 (q,), how many documents the run has for each query, judged or not.
        judged_query: int64 (j,), the query of each judgement, ascending.
        judged_grade: int64 (j,), descending within a query.
        stratum: int64 (h,), the stratum each hit was sampled in; None where judgements were not sampled in strata.
        judged_stratum: int64 (j,), the same for each judgement.
    """

    query_ids: list[str]
    query: Ints
    rank: Ints
    grade: Ints
    retrieved: Ints
    judged_query: Ints
    judged_grade: Ints
    stratum: Ints | None = None
    judged_stratum: Ints | None = None

    def condensed(self) -> Ranking:
        """The same ranking with every unjudged document dropped and ranks closed up (trec_eval -J)."""
        keep = self.grade >= 0
        query = self.query[keep]
        ones = np.ones(len(query), dtype=np.bool_)
        stratum = None if self.stratum is None else self.stratum[keep]
        kept = replace(self, query=query, rank=running_count(query, ones), grade=self.grade[keep], stratum=stratum)
        return replace(kept, retrieved=kept.count(ones))

    def count(self, mask: Mask) -> Ints:
        """int64 (q,): how many hits of each query satisfy the mask (h,)."""
        return np.bincount(self.query[mask], minlength=len(self.query_ids)).astype(np.int64)

    def total(self, amounts: Values) -> Values:
        """float64 (q,): the sum of amounts (h,) over each query's hits, added in rank order."""
        return np.bincount(self.query, weights=amounts, minlength=len(self.query_ids)).astype(np.float64)

    def relevant(self, level: int) -> Ints:
        """int64 (q,): how many documents are judged at `level` or above, retrieved or not."""
        chosen = self.judged_query[self.judged_grade >= level]
        return np.bincount(chosen, minlength=len(self.query_ids)).astype(np.int64)

    def within(self, cutoff: int | None) -> Mask:
        """Which hits are among the first `cutoff` documents, bool (h,); all without a cutoff."""
        return np.ones(len(self.rank), dtype=np.bool_) if cutoff is None else self.rank <= cutoff

    @property
    def answered(self) -> Mask:
        """Which judged queries the run has documents for, bool (q,)."""
        return self.retrieved > 0


def running_count(group: Ints, mask: Mask) -> Ints:
    """int64 (h,): how many rows of the same group satisfy the mask up to and including this one.

    Args:
        group: int64 (h,), ascending.
        mask: bool (h,).
    """
    seen = np.cumsum(mask, dtype=np.int64)
    first = np.searchsorted(group, group, side="left")
    before = np.concatenate([np.zeros(1, dtype=np.int64), seen])[first]
    counted: Ints = seen - before
    return counted


class Sampling(Protocol):
    """What knows the stratum of every pooled document."""

    def numbers(self, frame: pl.DataFrame) -> Ints:
        """int64 (n,): the stratum of each row of a frame of query_id and doc_id."""
        ...


def judge(run: Run, qrels: Qrels, strata: Sampling | None = None) -> Ranking:
    """The run seen through the judgements; queries that are not judged are left aside.

    Args:
        run: the ranking.
        qrels: the judgements.
        strata: how the judged documents were sampled, where they were.
    """
    numbered = (
        pl.DataFrame({"query_id": qrels.query_ids}).with_row_index("query").with_columns(pl.col("query").cast(pl.Int64))
    )
    hits = (
        run.frame.join(qrels.frame, on=["query_id", "doc_id"], how="inner")
        .join(numbered, on="query_id", how="inner")
        .select("query", pl.col("rank", "relevance").cast(pl.Int64), *(("query_id", "doc_id") if strata else ()))
        .sort("query", "rank")
    )
    lengths = run.frame.group_by("query_id").agg(length=pl.col("rank").max().cast(pl.Int64))
    retrieved = numbered.join(lengths, on="query_id", how="left", maintain_order="left")["length"].fill_null(0)
    judged = (
        qrels.frame.join(numbered, on="query_id", how="inner")
        .select("query", pl.col("relevance").cast(pl.Int64), *(("query_id", "doc_id") if strata else ()))
        .sort("query", "relevance", descending=[False, True])
    )
    return Ranking(
        query_ids=numbered["query_id"].to_list(),
        query=hits["query"].to_numpy(),
        rank=hits["rank"].to_numpy(),
        grade=hits["relevance"].to_numpy(),
        retrieved=retrieved.to_numpy(),
        judged_query=judged["query"].to_numpy(),
        judged_grade=judged["relevance"].to_numpy(),
        stratum=strata.numbers(hits) if strata else None,
        judged_stratum=strata.numbers(judged) if strata else None,
    )
