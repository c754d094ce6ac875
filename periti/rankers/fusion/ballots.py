"""What every fusion rule reads: the experts' lists side by side, in integers and floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.rankers.fusion.candidates import Candidates
from periti.rankers.fusion.codes import Places, coded, taken
from periti.rankers.fusion.ties import Standings, settle
from periti.types import Run

Values = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Ballots:
    """The lists of several experts, n rows in all: query by query, expert by expert (by name), each best first.

    Sums over a document's rows so are the same, to the last bit, in any order of experts and in any batch.

    Attributes:
        queries: distinct ids in ascending order.
        docs: distinct ids, in no order that means anything.
        doc: intp (n,), places in `docs`.
        score: float64 (n,).
        starts: intp (lists,), the row at which each list begins.
        query: intp (lists,), places in `queries`.
        weights: float64 (lists,), above 0.
        asked: expert of each list.
    """

    queries: pl.Series
    docs: pl.Series
    doc: Places
    score: Values
    starts: Places
    query: Places
    weights: Values
    asked: tuple[str, ...]

    @classmethod
    def of(cls, runs: Mapping[str, Run], given: Mapping[tuple[str, str], float]) -> Ballots:
        """The lists of the runs, at least one, that are given a weight: (query, expert) -> weight."""
        names = sorted(runs)
        frames = [runs[name].frame for name in names]
        firsts = [np.flatnonzero(frame["rank"].to_numpy() == 1) for frame in frames]
        offsets = np.cumsum([0, *(frame.height for frame in frames)])
        start = np.concatenate([own + offset for own, offset in zip(firsts, offsets, strict=False)])
        experts = [name for name, own in zip(names, firsts, strict=True) for _ in range(len(own))]
        asked = taken(pl.concat([frame["query_id"] for frame in frames]), start).to_list()
        weight = [given.get(pair, 0.0) for pair in zip(asked, experts, strict=True)]
        # Python sorts text by code point, as UTF-8 bytes sort; equal queries stay in the order of experts.
        order = sorted((i for i, w in enumerate(weight) if w > 0), key=asked.__getitem__)
        length = np.diff(start, append=offsets[-1])
        ids, score = (
            pl.concat([frame["doc_id"] for frame in frames]),
            np.concatenate([f["score"].to_numpy() for f in frames]),
        )
        begin, length = start[order], length[order]
        starts = np.cumsum(length) - length
        if order != list(range(len(start))):
            rows = np.repeat(begin - starts, length) + np.arange(length.sum())
            ids, score = taken(ids, rows), score[rows]
        doc, docs = coded(ids)
        queries = sorted({asked[i] for i in order})
        place = {query_id: i for i, query_id in enumerate(queries)}
        return cls(
            pl.Series(queries, dtype=pl.String),
            docs,
            doc,
            score.astype(np.float64),
            starts,
            np.array([place[asked[i]] for i in order], np.intp),
            np.array([weight[i] for i in order]),
            tuple(experts[i] for i in order),
        )

    @cached_property
    def lengths(self) -> Places:
        """Rows of each list, intp (lists,)."""
        return np.diff(self.starts, append=len(self.doc))

    @cached_property
    def rank(self) -> Places:
        """Ranks in their lists, from 1, intp (n,)."""
        rank: Places = np.arange(1, len(self.doc) + 1) - self.spread(self.starts)
        return rank

    @cached_property
    def weight(self) -> Values:
        """Each row's list's weight, float64 (n,)."""
        return self.spread(self.weights)

    @cached_property
    def candidates(self) -> Candidates:
        """Every document of every query, once."""
        rows = np.bincount(self.query, self.lengths, len(self.queries)).astype(np.intp)
        return Candidates.of(rows, self.doc, len(self.docs))

    @cached_property
    def best(self) -> Places:
        """Of every candidate the smallest rank that an expert gave it, intp (candidates,)."""
        best = np.full(len(self.candidates.doc), len(self.doc) + 1)
        np.minimum.at(best, self.candidates.of_row, self.rank)
        return best

    def spread(self, per_list: NDArray[Number]) -> NDArray[Number]:
        """A value for each list, (lists,), repeated for its rows, (n,)."""
        return np.repeat(per_list, self.lengths)

    def by_expert(self) -> Mapping[str, NDArray[np.bool_]]:
        """Expert -> its rows, bool (n,); by name."""
        names = np.array(self.asked)
        return {name: self.spread(names == name) for name in sorted(set(self.asked))}

    def settled(self, score: Values, name: str) -> Run:
        """Every query's candidates by score, float64 (candidates,), with ties settled (`ties.settle`), as a run.

        Raises:
            SchemaError: a score is not finite.
        """
        found, lowest = self.candidates, score.astype(np.float32)
        queries = taken(self.queries, found.query)
        if not np.isfinite(lowest).all():
            docs = taken(self.docs, found.doc)
            return Run.of(pl.DataFrame({"query_id": queries, "doc_id": docs, "score": lowest}), name)
        docs, lowest = settle(Standings(lowest, self.best, found), self.docs)
        rank = (np.arange(1, len(lowest) + 1) - np.repeat(found.starts, found.sizes)).astype(np.int32)
        return Run(name, pl.DataFrame({"query_id": queries, "doc_id": docs, "score": lowest, "rank": rank}))
