"""The documents that runs put before an assessor, as arrays: what methods order and what scores are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation.ranking import Ints, Mask
from periti.registry import nearest
from periti.types import Qrels, Run

Unjudged = Literal["nonrelevant", "leave-out"]
UNJUDGED = -1
"""The grade of a document that nobody judged."""


@dataclass(frozen=True)
class TopicPool:
    """The pool of one query.

    Args:
        query_id: the query.
        doc_ids: the n pooled documents, ascending by bytes; numbers of documents index this list.
        ranks: int64 (k, n), the rank of each document in each run, 0 where it is not among the run's first `depth`.
        grades: int64 (n,), the true grades, `UNJUDGED` where nobody knows.
        depth: K, how much of each run went into the pool.
    """

    query_id: str
    doc_ids: tuple[str, ...]
    ranks: Ints
    grades: Ints
    depth: int

    def __len__(self) -> int:
        return len(self.doc_ids)

    @cached_property
    def retrieved(self) -> Mask:
        """Which run has which document among its first K, bool (k, n)."""
        held: Mask = self.ranks > 0
        return held

    @cached_property
    def lists(self) -> tuple[list[int], ...]:
        """Each run's documents among the first K, best first."""
        return tuple([int(doc) for doc in np.argsort(row, kind="stable") if row[doc] > 0] for row in self.ranks)

    @cached_property
    def padded_ranks(self) -> Ints:
        """int64 (k, n): as `ranks`, with K + 1 in the place of 0."""
        padded: Ints = np.where(self.retrieved, self.ranks, self.depth + 1)
        return padded


@dataclass(frozen=True)
class Pool:
    """The pools of all queries, and where every run ranks every pooled document.

    Args:
        systems: names of the k runs, sorted.
        topics: one pool a query, by query id.
        depth: K.
        system, topic, rank, doc: int64 (h,), every pooled document that a run holds at any depth: the run, the query,
            its rank and the document's number among all pooled ones, ordered by system, topic, rank.
        retrieved: int64 (k, q), how many documents each run has for each query.
    """

    systems: tuple[str, ...]
    topics: tuple[TopicPool, ...]
    depth: int
    system: Ints
    topic: Ints
    rank: Ints
    doc: Ints
    retrieved: Ints

    @cached_property
    def sizes(self) -> Ints:
        """int64 (q,): pooled documents of each query."""
        return np.array([len(topic) for topic in self.topics], dtype=np.int64)

    @cached_property
    def offsets(self) -> Ints:
        """int64 (q + 1,): the first document of each query among all pooled ones, and their number."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.sizes)])

    @cached_property
    def topic_of(self) -> Ints:
        """int64 (N,): the query of each pooled document."""
        return np.repeat(np.arange(len(self.topics)), self.sizes)

    @cached_property
    def grades(self) -> Ints:
        """int64 (N,): the true grades of all pooled documents."""
        return np.concatenate([topic.grades for topic in self.topics])

    @cached_property
    def full_ranks(self) -> Ints:
        """int64 (k, N): the rank of each pooled document in each whole run, 0 where the run does not hold it."""
        ranks = np.zeros((len(self.systems), len(self)), dtype=np.int64)
        ranks[self.system, self.doc] = self.rank
        return ranks

    @property
    def query_ids(self) -> list[str]:
        """The queries, sorted."""
        return [topic.query_id for topic in self.topics]

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def without(self, systems: Sequence[str]) -> tuple[TopicPool, ...]:
        """The pools as they would be without these runs: documents that only they contributed are gone."""
        keep = np.array([name not in systems for name in self.systems])
        pools = []
        for topic in self.topics:
            held = topic.retrieved[keep].any(axis=0)
            names = tuple(np.array(topic.doc_ids, dtype=object)[held])
            pools.append(TopicPool(topic.query_id, names, topic.ranks[keep][:, held], topic.grades[held], topic.depth))
        return tuple(pools)


def build_pool(
    runs: Sequence[Run], qrels: Qrels | None = None, *, depth: int = 100, unjudged: Unjudged = "nonrelevant"
) -> Pool:
    """The union of every run's first `depth` documents of every query.

    Args:
        runs: two or more with different names for a simulation, one or more to judge for.
        qrels: the true judgements; their queries are the queries of the pool. Without them the pool has the queries
            of the runs and knows no grade.
        depth: K.
        unjudged: a pooled document that the true judgements lack is not relevant, or is left out of the pool.

    Raises:
        InputError: no run, two of the same name, a depth below 1, or nothing is pooled.
    """
    _require(runs, depth, unjudged)
    runs = sorted(runs, key=lambda run: run.name)
    wanted = qrels.query_ids if qrels else sorted({query for run in runs for query in run.query_ids})
    queries = pl.DataFrame({"query_id": wanted}, schema={"query_id": pl.String}).with_row_index("topic")
    rows = pl.concat(
        run.frame.select("query_id", "doc_id", pl.col("rank").cast(pl.Int64), system=pl.lit(number, dtype=pl.Int64))
        for number, run in enumerate(runs)
    ).join(queries.with_columns(pl.col("topic").cast(pl.Int64)), on="query_id")
    pooled = _pooled(rows, qrels, depth, unjudged)
    if not pooled.height:
        raise InputError("the runs share no query and document with the judgements; give runs of that collection")
    hits = rows.join(pooled, on=["topic", "doc_id"]).sort("system", "topic", "rank")
    lengths = np.zeros((len(runs), len(wanted)), dtype=np.int64)
    counted = rows.group_by("system", "topic").agg(pl.len().cast(pl.Int64))
    lengths[counted["system"].to_numpy(), counted["topic"].to_numpy()] = counted["len"].to_numpy()
    return Pool(
        systems=tuple(run.name for run in runs),
        topics=_topics(wanted, pooled, hits, (len(runs), depth)),
        depth=depth,
        system=hits["system"].to_numpy(),
        topic=hits["topic"].to_numpy(),
        rank=hits["rank"].to_numpy(),
        doc=hits["doc"].to_numpy(),
        retrieved=lengths,
    )


def _require(runs: Sequence[Run], depth: int, unjudged: str) -> None:
    """Refuse what makes no pool."""
    names = [run.name for run in runs]
    if not names:
        raise InputError("no run is given; a pool is the union of runs, give at least one")
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two runs are named {repeated!r}; rename one")
    if depth < 1:
        raise InputError(f"the pool's depth is {depth}; give the documents taken from each run, 1 or more")
    if unjudged not in get_args(Unjudged):
        raise InputError(f"unjudged={unjudged!r} is no rule; {nearest(unjudged, get_args(Unjudged))}")


def _pooled(rows: pl.DataFrame, qrels: Qrels | None, depth: int, unjudged: Unjudged) -> pl.DataFrame:
    """Columns topic, doc_id, grade, doc (the number among all), by topic and document id."""
    pooled = rows.filter(pl.col("rank") <= depth).select("topic", "query_id", "doc_id").unique()
    if qrels is None:
        pooled = pooled.with_columns(grade=pl.lit(UNJUDGED, dtype=pl.Int64))
    else:
        judged = qrels.frame.filter(pl.col("relevance") >= 0)
        known = judged.select("query_id", "doc_id", grade=pl.col("relevance").cast(pl.Int64))
        pooled = pooled.join(known, on=["query_id", "doc_id"], how="inner" if unjudged == "leave-out" else "left")
        pooled = pooled.with_columns(pl.col("grade").fill_null(0))
    pooled = pooled.select("topic", "doc_id", "grade").sort("topic", "doc_id")
    return pooled.with_row_index("doc").with_columns(pl.col("doc").cast(pl.Int64))


def _topics(
    query_ids: list[str], pooled: pl.DataFrame, hits: pl.DataFrame, shape: tuple[int, int]
) -> tuple[TopicPool, ...]:
    """One pool a query; shape is the number of runs and the depth."""
    systems, depth = shape
    ranks = np.zeros((systems, pooled.height), dtype=np.int64)
    within = hits.filter(pl.col("rank") <= depth)
    ranks[within["system"].to_numpy(), within["doc"].to_numpy()] = within["rank"].to_numpy()
    ends = np.searchsorted(pooled["topic"].to_numpy(), np.arange(len(query_ids) + 1))
    names, grades = pooled["doc_id"].to_list(), pooled["grade"].to_numpy()
    return tuple(
        TopicPool(query_id, tuple(names[begin:end]), ranks[:, begin:end].copy(), grades[begin:end].copy(), depth)
        for query_id, begin, end in zip(query_ids, ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    )
