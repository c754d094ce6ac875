"""What every fusion rule reads and how it ends: the experts' lists in one frame, and ties settled in one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError
from periti.types import Plan, Run

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Ballots:
    """The lists of several experts, one after the other, each best first.

    Attributes:
        frame: n rows of query, doc (UInt32, places in `queries` and `docs`), score, rank, weight (Float64); sorted by
            expert name, so that sums in float64, and with them all ties, are the same in any order of experts.
        starts: int64 (lists,), the row at which each list begins.
        asked: expert of each list.
        queries, docs: ids in ascending order, so that places compare as ids do, and faster.
    """

    frame: pl.DataFrame
    starts: NDArray[np.int64]
    asked: pl.Series
    queries: pl.Series
    docs: pl.Series

    @classmethod
    def of(cls, runs: Mapping[str, Run], plan: Plan) -> Ballots:
        """The lists of the (query, expert) pairs of the plan; raises InputError without runs."""
        if not runs:
            raise InputError("fusion got no runs; ask at least one expert")
        hits = pl.concat([runs[name].frame.with_columns(expert=pl.lit(name)) for name in sorted(runs)])
        first = hits.filter(pl.col("rank") == 1).select("query_id", "expert")
        weight = first.join(plan.frame, on=["query_id", "expert"], how="left", maintain_order="left")["weight"]
        length = np.diff(np.flatnonzero(hits["rank"].to_numpy() == 1), append=hits.height)
        weights = np.repeat(weight.cast(pl.Float64).fill_null(0.0).to_numpy(), length)
        if not weights.all():
            kept = pl.Series(weights > 0)
            hits, weights = hits.filter(kept), weights[weights > 0]
        query, queries = _coded(hits["query_id"])
        doc, docs = _coded(hits["doc_id"])
        number = hits.select(pl.col("score", "rank").cast(pl.Float64))
        frame = number.with_columns(query, doc, pl.Series("weight", weights)).rename(
            {"query_id": "query", "doc_id": "doc"}
        )
        starts = np.flatnonzero(frame["rank"].to_numpy() == 1).astype(np.int64)
        return cls(frame, starts, hits["expert"].gather(starts), queries, docs)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 (lists,)."""
        return np.diff(self.starts, append=self.frame.height)

    def column(self, name: str) -> Values:
        """A numeric column, float64 (n,)."""
        return self.frame[name].to_numpy()

    def spread(self, per_list: Values) -> Values:
        """A value for each list, float64 (lists,), repeated for its rows, float64 (n,)."""
        return np.repeat(per_list, self.lengths)

    def lists(self) -> pl.DataFrame:
        """Query and weight of every list, in order."""
        first: pl.DataFrame = self.frame[self.starts.tolist()]
        return first.select("query", "weight")

    def by_expert(self) -> Mapping[str, NDArray[np.bool_]]:
        """Expert -> its rows, bool (n,); by name."""
        names = self.asked.to_numpy()
        return {name: np.repeat(names == name, self.lengths) for name in self.asked.unique().sort()}

    def settled(self, fused: pl.DataFrame, name: str) -> Run:
        """Fused documents in order: score (float32) descending, best rank in any list, then doc_id descending.

        A Run orders equal scores by doc_id alone. So where a tie was broken by rank, the later document's score is
        lowered to the next float32: the one rule, and every evaluator that sorts, then reads the order meant.

        Args:
            fused: query, doc, score, and `best`, the smallest rank that an expert gave.
            name: the run's name.

        Raises:
            SchemaError: a score is not finite.
        """
        query, doc = fused["query"].to_numpy().astype(np.int64), fused["doc"].to_numpy().astype(np.int64)
        score, best = fused["score"].to_numpy().astype(np.float32), fused["best"].to_numpy()
        if not np.isfinite(score).all():
            return Run.of(self._decoded(query, doc, score), name)
        steps = _steps(score)
        order = _order(query, steps, best, doc)
        query, doc, steps = query[order], doc[order], steps[order]
        follows = np.append(False, query[1:] == query[:-1])[: len(query)]
        rises = follows & np.append(False, doc[1:] > doc[:-1])[: len(query)]
        if (rises & np.append(False, steps[1:] == steps[:-1])[: len(query)]).any():
            steps = _lowered(steps, rises, query)
        begins = np.flatnonzero(~follows)
        rank = np.arange(len(query)) - np.repeat(begins, np.diff(begins, append=len(query))) + 1
        frame = self._decoded(query, doc, _scores(steps))
        return Run(name, frame.with_columns(pl.Series("rank", rank, pl.Int32)))

    def _decoded(self, query: NDArray[np.int64], doc: NDArray[np.int64], score: NDArray[np.float32]) -> pl.DataFrame:
        return pl.DataFrame(
            {"query_id": self.queries.gather(query), "doc_id": self.docs.gather(doc), "score": pl.Series(score)}
        )


def _coded(ids: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Each id's place among the sorted distinct ids, UInt32, and those ids."""
    distinct = ids.unique().sort()
    return ids.cast(pl.Enum(distinct)).to_physical().cast(pl.UInt32), distinct


def _steps(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Float32 values as integers in their order: neighbours differ by one."""
    bits = score.view(np.int32).astype(np.int64)
    steps: NDArray[np.int64] = np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
    return steps


def _scores(steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """The float32 values of `_steps`."""
    magnitude = np.abs(steps) | np.where(steps < 0, 0x80000000, 0)
    return magnitude.astype(np.uint32).view(np.float32)


def _order(
    query: NDArray[np.int64], steps: NDArray[np.int64], best: Values, doc: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Places of the rows by query, score descending, best rank, doc descending, int64 (n,).

    One sort of one key, and another only of those rows whose query and score are equal: few, and much slower.
    """
    key = (query << 33) - steps
    order = np.argsort(key)
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return order
    tied = np.flatnonzero(np.append(False, same) | np.append(same, False))
    rows = order[tied]
    order[tied] = rows[np.lexsort((-doc[rows], best[rows], key[rows]))]
    return order


def _lowered(steps: NDArray[np.int64], rises: NDArray[np.bool_], query: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scores lowered no further than the one rule needs to find the same order."""
    frame = pl.DataFrame({"steps": steps, "drop": rises.astype(np.int64), "query": query})
    drops = pl.col("drop").cum_sum().over("query")
    lowest = (pl.col("steps") + drops).cum_min().over("query") - drops
    found: NDArray[np.int64] = frame.select(lowest).to_series().to_numpy()
    return found
