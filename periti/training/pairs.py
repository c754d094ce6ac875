"""What an expert learns from: queries, the rows of their relevant documents, and the vectors of all documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError
from periti.protocols import Vectors
from periti.training.settings import TrainingOptions
from periti.types import Qrels, Queries

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingSet:
    """Queries of one corpus with at least one relevant document each.

    Attributes:
        name: the source, e.g. "scifact:train".
        texts: n queries.
        positives: for each query, rows of its relevant documents, int64.
        gains: for each query, the grade of each of them, float64, positive.
        documents: vectors of the corpus by the frozen base, float32 (D, d).
        left_out: queries without a relevant document that has a vector.
    """

    name: str
    texts: tuple[str, ...]
    positives: tuple[Rows, ...]
    gains: tuple[NDArray[np.float64], ...]
    documents: Vectors
    left_out: int = 0

    @classmethod
    def of(cls, name: str, queries: Queries, qrels: Qrels, row_ids: Sequence[str], documents: Vectors) -> Self:
        """Join queries, judgements and the ids of the document rows.

        Args:
            name: the source.
            queries: the queries to learn from.
            qrels: their judgements; grades above zero are positives.
            row_ids: D ids, those of the rows of `documents`.
            documents: float32 (D, d).

        Raises:
            InputError: no query has a relevant document with a vector.
        """
        rows = pl.DataFrame({"doc_id": row_ids, "row": np.arange(len(row_ids))})
        found = (
            qrels.frame.filter(pl.col("relevance") > 0)
            .join(rows, on="doc_id")
            .join(queries.frame, on="query_id")
            .sort("query_id", "row")
            .group_by("query_id", maintain_order=True)
            .agg(pl.col("text").first(), pl.col("row"), pl.col("relevance"))
        )
        if not found.height:
            raise InputError(
                f"{name}: none of its {len(queries)} training queries has a relevant document in the index; "
                "check that the index is of the same collection"
            )
        return cls(
            name,
            tuple(found["text"]),
            tuple(row.to_numpy().astype(np.int64) for row in found["row"]),
            tuple(gain.to_numpy().astype(np.float64) for gain in found["relevance"]),
            documents,
            len(queries) - found.height,
        )

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Batch:
    """One step: texts, the candidate documents that all of them are compared with, and what the answer should be.

    Attributes:
        texts: b queries.
        candidates: float32 (c, d).
        target: float32 (b, c), each row sums to one over the query's drawn positives.
        masked: bool (b, c), known positives that are not the target: neither answer nor negative.
    """

    texts: list[str]
    candidates: Vectors
    target: NDArray[np.float32]
    masked: NDArray[np.bool_]


def draw(
    sets: Sequence[TrainingSet], hard: Sequence[Sequence[Rows]], options: TrainingOptions, seed: int, step: int
) -> Batch:
    """The batch of one step; it depends on seed and step only, so a resumed training sees the same batches.

    Args:
        sets: the sources; a step takes all its queries from one, whose corpus gives the negatives.
        hard: for each source and query, rows of mined hard negatives; empty where none are wanted.
        options: batch size, negatives, how positives are drawn.
        seed: of the training.
        step: 1, 2, ...
    """
    rng = np.random.default_rng([seed, step])
    sizes = np.array([len(one) for one in sets], np.float64) ** options.mix
    chosen = int(rng.choice(len(sets), p=sizes / sizes.sum()))
    source = sets[chosen]
    places = rng.choice(len(source), size=min(options.batch, len(source)), replace=False)
    positives = [_positives(source, int(place), options, rng) for place in places]
    wanted = options.corpus_negatives or len(source.documents)
    if wanted >= len(source.documents):
        rows = np.arange(len(source.documents))
    else:
        random = rng.choice(len(source.documents), size=wanted, replace=False)
        mined = [hard[chosen][place] for place in places] if len(hard[chosen]) else []
        rows = np.unique(np.concatenate([random, *(p for p, _ in positives), *mined]))
    return _laid_out(source, places, positives, rows)


def _positives(
    source: TrainingSet, place: int, options: TrainingOptions, rng: np.random.Generator
) -> tuple[Rows, NDArray[np.float64]]:
    """The positives that count in this step, and their shares."""
    shares = source.gains[place] ** options.gain_power
    shares = shares / shares.sum()
    if options.positives == "all":
        return source.positives[place], shares
    one = rng.choice(len(shares), p=shares)
    return source.positives[place][one : one + 1], np.ones(1)


def _laid_out(
    source: TrainingSet, places: NDArray[np.int64], positives: Sequence[tuple[Rows, NDArray[np.float64]]], rows: Rows
) -> Batch:
    target = np.zeros((len(places), len(rows)), np.float32)
    masked = np.zeros(target.shape, np.bool_)
    for line, (place, (drawn, shares)) in enumerate(zip(places, positives, strict=True)):
        known = np.searchsorted(rows, source.positives[place]).clip(max=len(rows) - 1)
        masked[line, known[rows[known] == source.positives[place]]] = True
        column = np.searchsorted(rows, drawn)
        target[line, column], masked[line, column] = shares, False
    candidates = source.documents if len(rows) == len(source.documents) else source.documents[rows]
    return Batch([source.texts[place] for place in places], candidates, target, masked)


def mined(source: TrainingSet, vectors: Vectors, options: TrainingOptions) -> list[Rows]:
    """Hard negatives of every query: nearest documents by the base that are neither relevant nor suspiciously good.

    Args:
        source: the queries and documents.
        vectors: base vectors of the queries, float32 (n, d).
        options: how many, and the margin of the false-negative guard.
    """
    if not options.hard_negatives:
        return []
    found = []
    for place, vector in enumerate(vectors):
        scores = source.documents @ vector
        bound = scores[source.positives[place]].max() - options.margin
        scores[source.positives[place]] = -np.inf
        scores[scores > bound] = -np.inf
        nearest = np.argsort(-scores, kind="stable")[: options.hard_negatives]
        found.append(nearest[np.isfinite(scores[nearest])])
    return found
