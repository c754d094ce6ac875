"""From scores of pairs to a run: what every ranker that scores pairs has in common.

A ranker scores the first `depth` documents of each query, orders them by logit, breaks ties by first-stage rank, and
appends what it did not score below, in first-stage order. Nothing else decides a rank: `finished` lowers scores that
would tie, or that float32 can not tell apart, by the least step, so that the one order of runs (`periti.types.ranked`)
is the ranker's.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import EncoderError
from periti.protocols import Corpus, Reranked
from periti.rankers.early_exit import EarlyExit, score_until
from periti.types import SCORED, Document, Queries, Run

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Logits of pairs, and what had to be cut to make them.

    Attributes:
        logits: float64 (n,), larger is more relevant; comparable within a query at least.
        notes: counts such as truncated_pairs, truncated_queries, capped_documents; zero counts left out.
    """

    logits: Logits
    notes: Mapping[str, int] = field(default_factory=dict)


class PairScorer(Protocol):
    """Relevance of pairs; the score of a pair does not depend on the other pairs of the call (to 1e-5)."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What determines its scores: model and its revision, max length, dtype, ..."""
        ...

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Logits of the pairs (queries[i], documents[i]), in that order."""
        ...


class PairRanker:
    """A ranker made of a scorer of pairs.

    Args:
        scorer: says how relevant each pair is.
        depth: documents of a query that are scored; the others follow in first-stage order.
        chunk: pairs whose texts are held at a time, and the rest of the last one's query.
        until: when a list is not read to its end; it always is by default.
    """

    def __init__(self, scorer: PairScorer, depth: int, *, chunk: int = 4096, until: EarlyExit | None = None) -> None:
        self.scorer, self.depth, self._chunk, self._until = scorer, depth, chunk, until or EarlyExit()

    @property
    def identity(self) -> Mapping[str, Any]:
        """The scorer's identity and the depth; with the digest of the first stage it determines the run."""
        return {**self.scorer.identity, "depth": self.depth, **self._until.identity}

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """The run in the scorer's order; raises as `reranked`."""
        return self.reranked(queries, run, corpus).run

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run in the scorer's order, with counts of what was cut.

        Raises:
            UnknownName: a candidate is not in the corpus.
            EncoderError: a logit is NaN or infinite; names the pair.
        """
        pairs = run.frame.filter(pl.col("rank") <= self.depth).join(queries.frame, on="query_id", how="inner")
        pairs = pairs.sort("query_id", "rank")
        notes: Counter[str] = Counter()
        parts = [pairs.clear().with_columns(logit=pl.lit(0.0))]
        for part in _whole_queries(pairs, self._chunk):
            scored, counts = score_until(self.scorer, part, corpus, self._until)
            require_finite(scored["logit"].to_numpy(), scored)
            parts.append(scored)
            notes.update(counts)
        return Reranked(finished(run, pl.concat(parts).select("query_id", "doc_id", "logit")), notes)


def _whole_queries(pairs: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Consecutive pairs, at least `size` of them and all of a query: a query that is cut is then counted once."""
    ends = pairs.with_row_index("end").group_by("query_id").agg(pl.col("end").max() + 1)["end"].sort().to_list()
    start = 0
    for end in ends:
        if end - start >= size or end == pairs.height:
            yield pairs.slice(start, end - start)
            start = end


def require_finite(logits: Logits, pairs: pl.DataFrame) -> None:
    """Refuse NaN and infinity, which no order can hold.

    Args:
        logits: float64 (n,).
        pairs: n rows with query_id and doc_id.

    Raises:
        EncoderError: names the first pair.
    """
    bad = np.flatnonzero(~np.isfinite(logits))
    if len(bad):
        query_id, doc_id = pairs["query_id"][int(bad[0])], pairs["doc_id"][int(bad[0])]
        raise EncoderError(
            f"the ranker gave {logits[bad[0]]} for query {query_id!r} and document {doc_id!r} ({len(bad)} of "
            f"{len(logits)} pairs); its weights or its input are damaged"
        )


def finished(run: Run, scored: pl.DataFrame) -> Run:
    """The run with its scored documents in order of their logits and the others below, as they were.

    Args:
        run: the first stage.
        scored: columns query_id, doc_id, logit (Float64) of some of its pairs; pairs that are not the run's are left
            out.

    Returns:
        A run of the same pairs and name. Scores are the logits in float32, lowered by the least step where two would
        tie; documents that were not scored continue downwards in steps of one.
    """
    joined = run.frame.join(scored, on=["query_id", "doc_id"], how="left")
    ordered = joined.sort("query_id", "logit", "rank", descending=[False, True, False], nulls_last=True)
    parts = [_strict(part) for part in ordered.partition_by("query_id", maintain_order=True)]
    if not parts:
        return Run.empty(run.name)
    return Run.of(pl.concat(parts).select(SCORED.names()), run.name)


def _strict(ordered: pl.DataFrame) -> pl.DataFrame:
    """Strictly decreasing float32 scores for the rows of one query, already in their order."""
    known = ordered["logit"].drop_nulls().to_numpy()
    floor = float(known[-1]) if len(known) else 0.0
    below = floor - np.arange(1, ordered.height - len(known) + 1)
    scores = np.concatenate([known, below]).astype(np.float32)
    for place in np.flatnonzero(scores[1:] >= scores[:-1]) + 1:
        at = int(place)
        while at < len(scores) and scores[at] >= scores[at - 1]:
            scores[at] = np.nextafter(scores[at - 1], np.float32(-np.inf))
            at += 1
    return ordered.with_columns(score=pl.Series(scores))


def run_digest(run: Run) -> str:
    """SHA-256 over the pairs of a run in their order: says which first stage a ranker had before it."""
    lines = pl.concat_str("query_id", "doc_id", separator="\t").str.join("\n")
    return hashlib.sha256(run.frame.sort("query_id", "rank").select(lines).item().encode()).hexdigest()
