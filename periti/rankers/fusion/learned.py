"""Fusion by what a rank was worth on held-out queries: Pos-, Slide-, Seg-, Prob-, Bayes- and MAPFuse, as in ranx.

Nothing of a list but the order is read, save by SegFuse, which also reads min-max scores. All are fitted on dev or
train (`periti fuse --tune`), and a query that an expert did not answer there counts against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.parts import fused
from periti.rankers.fusion.scaling import scaled
from periti.rankers.fusion.valued import Valued
from periti.registry import nearest
from periti.types import Plan, Qrels, Run

SEGMENTS = np.array([0, *(10 * 2 ** (k - 1) - 5 for k in range(1, 12))])
"""Borders of SegFuse's segments: ten documents, then twice as many each time, shifted by five (Shokouhi, ECIR 2007)."""
BAYES_BINS = np.array([0, 5, 10, 15, 20, 30, 100, 200, 500, 1000, 10_000])
"""Borders of BayesFuse's bins: the ranks at which trec_eval reports precision, and all that follow."""
LEAST = 0.001
"""Chance of relevance that BayesFuse never goes below, nor its complement; that of a document not returned."""


@dataclass(frozen=True)
class LearnedOptions:
    """ProbFuse cuts a list into `segments`; SlideFuse averages over `window` ranks on either side."""

    segments: int = 25
    window: int = 5

    def __post_init__(self) -> None:
        if self.segments < 1 or self.window < 1:
            raise ConfigError(
                f"learned fusion: segments is {self.segments} and window {self.window}; both must be at least 1"
            )


@dataclass(frozen=True)
class Learned:
    """What the ranks of each expert are worth.

    Attributes:
        method: one of METHODS.
        tables: expert -> chances of relevance by rank (posfuse, slidefuse), segment (segfuse, probfuse), bin
            (bayesfuse: log odds), or its mean average precision alone (mapfuse).
    """

    method: str
    tables: Mapping[str, tuple[float, ...]]
    options: LearnedOptions = field(default_factory=LearnedOptions)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once.

        Raises:
            InputError: no runs, or one of an expert that has no table.
        """
        return fused(runs, plan, self._scores, self.method)

    def _scores(self, ballots: Ballots) -> Values:
        value, absent = np.zeros(len(ballots.doc)), np.zeros(len(ballots.starts))
        for name, own in ballots.by_expert().items():
            if name not in self.tables:
                raise InputError(f"{self.method}: nothing was learned of {name!r}; {nearest(name, self.tables)}")
            lists = np.array(ballots.asked) == name
            value[own], absent[lists] = self._values(name, ballots, own)
        return Valued(ballots, value, absent).total

    def _values(self, name: str, ballots: Ballots, own: NDArray[np.bool_]) -> tuple[Values, float]:
        table = np.array(self.tables[name])
        rank, length = ballots.rank[own], ballots.spread(ballots.lengths)[own]
        if self.method == "mapfuse":
            return table[0] / rank, 0.0
        if self.method == "posfuse":
            return _at(table, rank - 1), 0.0
        if self.method == "slidefuse":
            return _window(table, rank, length, self.options.window), 0.0
        if self.method == "probfuse":
            segment = (rank - 1) // np.ceil(length / len(table)).astype(np.int64)
            return table[segment] / (segment + 1), 0.0
        if self.method == "segfuse":
            value = scaled(ballots, "min-max", "zero").value[own]
            return (value + 1) * table[_bin(SEGMENTS, rank)], 0.0
        return table[_bin(BAYES_BINS, rank)], float(np.log(LEAST / (1 - LEAST)))


def learn(
    method: str, runs: Mapping[str, Run], qrels: Qrels, *, level: int = 1, options: LearnedOptions | None = None
) -> Learned:
    """Fit one of METHODS.

    Args:
        method: posfuse, slidefuse, segfuse, probfuse, bayesfuse or mapfuse.
        runs: expert -> its answers to the held-out queries.
        qrels: judgements of the held-out queries; all of them count, answered or not.
        level: the lowest relevant grade.
        options: numbers that are not fitted.

    Raises:
        ConfigError: no such method.
        InputError: no runs.
    """
    if method not in METHODS:
        raise ConfigError(f"fusion: {method!r} is no learned rule; {nearest(method, METHODS)}")
    if not runs:
        raise InputError(f"{method} got no runs; give at least one expert")
    tables, options = {}, options or LearnedOptions()
    for name in sorted(runs):
        hits = _Hits.of(runs[name], qrels, level)
        table = _prob(hits, options.segments) if method == "probfuse" else METHODS[method](hits)
        tables[name] = tuple(float(value) for value in table)
    return Learned(method, MappingProxyType(tables), options)


@dataclass(frozen=True)
class _Hits:
    """Ranks of a run's relevant documents.

    Attributes:
        rank, length: int64 (h,), of the hits: their ranks and the lengths of their lists.
        average_precision: of each hit the number of hits up to it over rank and over relevant documents, summed.
        depth: the longest list.
        queries: judged queries.
    """

    rank: NDArray[np.int64]
    length: NDArray[np.int64]
    average_precision: float
    depth: int
    queries: int

    @classmethod
    def of(cls, run: Run, qrels: Qrels, level: int) -> _Hits:
        good = qrels.frame.filter(pl.col("relevance") >= level)
        wanted = good.group_by("query_id").agg(pl.len().alias("wanted"))
        judged = run.frame.filter(pl.col("query_id").is_in(qrels.query_ids))
        rows = (
            judged.with_columns(length=pl.len().over("query_id"))
            .join(good, on=["query_id", "doc_id"])
            .sort("query_id", "rank")
            .join(wanted, on="query_id", maintain_order="left")
            .with_columns(found=pl.int_range(1, pl.len() + 1).over("query_id"))
        )
        gained = rows.select((pl.col("found") / (pl.col("rank") * pl.col("wanted"))).sum()).item()
        return cls(
            rows["rank"].to_numpy().astype(np.int64),
            rows["length"].to_numpy().astype(np.int64),
            float(gained or 0.0),
            int(run.frame["rank"].max() or 1),  # type: ignore[arg-type]
            len(qrels.query_ids),
        )


def _positions(hits: _Hits) -> Values:
    """Chance of relevance at each rank, float64 (depth,)."""
    return np.bincount(hits.rank - 1, minlength=hits.depth) / hits.queries


def _binned(hits: _Hits, borders: NDArray[np.int64]) -> Values:
    """Mean chance of relevance between borders, float64 (bins,); ranks that no list has count as not relevant."""
    return np.histogram(hits.rank - 1, borders)[0] / np.diff(borders) / hits.queries


def _bayes(hits: _Hits) -> Values:
    chance = _binned(hits, BAYES_BINS).clip(LEAST, 1 - LEAST)
    odds: Values = np.log(chance / (1 - chance))
    return odds


def _prob(hits: _Hits, segments: int) -> Values:
    """Mean over queries of the share of relevant documents in each of a list's segments; the last one may be short."""
    size = np.ceil(hits.length / segments).astype(np.int64)
    segment = (hits.rank - 1) // size
    actual = np.minimum(size, hits.length - segment * size)
    return np.bincount(segment, 1 / actual, minlength=segments) / hits.queries


METHODS: Mapping[str, Callable[[_Hits], Values]] = MappingProxyType(
    {
        "posfuse": _positions,
        "slidefuse": _positions,
        "segfuse": lambda hits: _binned(hits, SEGMENTS),
        "probfuse": lambda hits: _prob(hits, 25),
        "bayesfuse": _bayes,
        "mapfuse": lambda hits: np.array([hits.average_precision / hits.queries]),
    }
)
"""Rule -> what it learns of one expert's hits."""


def _bin(borders: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Between which borders each rank lies; the last two also hold all that follow."""
    found: NDArray[np.int64] = np.minimum(np.searchsorted(borders, rank), len(borders) - 1) - 1
    return found


def _at(table: Values, places: NDArray[np.int64]) -> Values:
    """Entries of a table, 0 beyond its end."""
    inside = places < len(table)
    return np.where(inside, table[np.minimum(places, len(table) - 1)], 0.0)


def _window(table: Values, rank: NDArray[np.int64], length: NDArray[np.int64], width: int) -> Values:
    """Mean of the table over the ranks around each rank that its list has."""
    size = int(length.max(initial=0))
    sums = np.concatenate([[0.0], np.cumsum(_at(table, np.arange(size)))])
    begin, end = np.maximum(rank - 1 - width, 0), np.minimum(rank + width, length)
    means: Values = (sums[end] - sums[begin]) / (end - begin)
    return means
