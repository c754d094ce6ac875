"""What an expert learns from: queries, the rows of their relevant documents, and the vectors of all documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import digest
from periti.errors import InputError
from periti.protocols import Vectors
from periti.training.settings import TrainingOptions
from periti.types import Qrels, Queries

Rows = NDArray[np.int64]
EASY, ALL_FROM = 0.25, 0.5
"""A curriculum begins with this share of the queries, and all take part from this share of the steps on."""


@dataclass(frozen=True)
class Hints:
    """What a source knows about its queries beside judgements, by query id.

    Attributes:
        weights: how often a query is drawn, relative to the others; empty draws all alike.
        order: difficulty, or any number by which easy ones come first; empty knows no order.
        ignored: ids of documents that may well be relevant though nobody says so: neither answer nor negative.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    order: Mapping[str, float] = field(default_factory=dict)
    ignored: Mapping[str, Sequence[str]] = field(default_factory=dict)


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
        weights: how often each query is drawn, relative to the others, float64 (n,), positive; None: all alike.
        order: easy ones first, float64 (n,); None knows no order.
        ignored: for each query, sorted rows that are neither answer nor negative; empty where there are none at all.
        read: rows of documents to their texts, for trainings in which documents learn too; None where none are at hand.
    """

    name: str
    texts: tuple[str, ...]
    positives: tuple[Rows, ...]
    gains: tuple[NDArray[np.float64], ...]
    documents: Vectors
    left_out: int = 0
    weights: NDArray[np.float64] | None = None
    order: NDArray[np.float64] | None = None
    ignored: tuple[Rows, ...] = ()
    read: Callable[[Rows], list[str]] | None = None

    @classmethod
    def of(  # noqa: PLR0913  (what a join of three things needs, and what is known beside)
        cls,
        name: str,
        queries: Queries,
        qrels: Qrels,
        row_ids: Sequence[str],
        documents: Vectors,
        *,
        hints: Hints | None = None,
    ) -> Self:
        """Join queries, judgements and the ids of the document rows.

        Args:
            name: the source.
            queries: the queries to learn from.
            qrels: their judgements; grades above zero are positives.
            row_ids: D ids, those of the rows of `documents`.
            documents: float32 (D, d).
            hints: weights, an order, documents to ignore; ids that are not among queries or documents are passed over.

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
        ids, hints = found["query_id"].to_list(), hints or Hints()
        return cls(
            name,
            tuple(found["text"]),
            tuple(row.to_numpy().astype(np.int64) for row in found["row"]),
            tuple(gain.to_numpy().astype(np.float64) for gain in found["relevance"]),
            documents,
            len(queries) - found.height,
            _by_query(hints.weights, ids),
            _by_query(hints.order, ids),
            _ignored(hints.ignored, ids, row_ids),
        )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def digest(self) -> str:
        """Digest of everything that is learnt from, the documents' vectors apart."""
        known = [
            self.weights is not None and ["weights", self.weights.tolist()],
            self.order is not None and ["order", self.order.tolist()],
            bool(self.ignored) and ["ignored", [rows.tolist() for rows in self.ignored]],
        ]
        positives, gains = [rows.tolist() for rows in self.positives], [gain.tolist() for gain in self.gains]
        return digest([self.texts, positives, gains, *filter(None, known)])


def _by_query(values: Mapping[str, float], ids: Sequence[str]) -> NDArray[np.float64] | None:
    """The value of each query; None where all are the same, which says nothing."""
    found = np.array([values[one] for one in ids], np.float64) if values else np.empty(0)
    return found if np.unique(found).size > 1 else None


def _ignored(values: Mapping[str, Sequence[str]], ids: Sequence[str], row_ids: Sequence[str]) -> tuple[Rows, ...]:
    if not any(values.get(one) for one in ids):
        return ()
    rows = {doc_id: row for row, doc_id in enumerate(row_ids)}
    return tuple(np.array(sorted(rows[d] for d in values.get(one, ()) if d in rows), np.int64) for one in ids)


@dataclass(frozen=True)
class Batch:
    """One step: texts, the candidate documents that all of them are compared with, and what the answer should be.

    Attributes:
        texts: b queries.
        rows: the candidates' rows in their corpus, int64 (c,).
        candidates: their frozen vectors, float32 (c, d).
        target: float32 (b, c), each row sums to one over the query's drawn positives.
        masked: bool (b, c), neither answer nor negative: known positives that are not the target, ignored documents.
        source: where queries and candidates are from.
    """

    texts: list[str]
    rows: Rows
    candidates: Vectors
    target: NDArray[np.float32]
    masked: NDArray[np.bool_]
    source: TrainingSet

    def passages(self) -> list[str]:
        """Texts of the candidates.

        Raises:
            InputError: the source has vectors of its documents only.
        """
        if self.source.read is None:
            raise InputError(
                f"{self.source.name}: the texts of its documents are not at hand, and documents learn too; "
                "train on the query's side, or bring a docstore"
            )
        return self.source.read(self.rows)


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
    places = _places(source, options, step, rng)
    positives = [_positives(source, int(place), options, rng) for place in places]
    wanted = options.negatives or len(source.documents)
    if wanted >= len(source.documents):
        rows = np.arange(len(source.documents))
    else:
        random = rng.choice(len(source.documents), size=wanted, replace=False)
        mined = [hard[chosen][place] for place in places] if len(hard[chosen]) else []
        rows = np.unique(np.concatenate([random, *(p for p, _ in positives), *mined]))
    return _laid_out(source, places, positives, rows)


def _places(source: TrainingSet, options: TrainingOptions, step: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The queries of a step: without replacement where all are alike, with replacement where they have weights.

    Only so are draws proportional to weights: without replacement, a batch that is large beside its source would hold
    every query, whatever it weighs.
    """
    size = min(options.batch, len(source))
    if source.order is None and source.weights is None:
        return rng.choice(len(source), size=size, replace=False)
    begun = np.arange(len(source)) if source.order is None else _begun(source.order, step, options)
    if source.weights is None:
        return rng.choice(begun, size=min(size, len(begun)), replace=False)
    shares = source.weights[begun] / source.weights[begun].sum()
    return rng.choice(begun, size=size, p=shares)


def _begun(order: NDArray[np.float64], step: int, options: TrainingOptions) -> NDArray[np.int64]:
    """Queries that a curriculum has come to: the first EASY of them at the start, linearly more, all from ALL_FROM on.

    Queries of the same place in the order join together. The pacing function is the linear one of Hacohen and Weinshall
    2019, On the power of curriculum learning in training deep networks.
    """
    share = min(1.0, EASY + (1 - EASY) * (step - 1) / (ALL_FROM * options.steps))
    last = np.sort(order)[int(np.ceil(share * len(order))) - 1]
    return np.flatnonzero(order <= last)


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
        masked[line, _columns(rows, source.positives[place])] = True
        if source.ignored:
            masked[line, _columns(rows, source.ignored[place])] = True
        column = np.searchsorted(rows, drawn)
        target[line, column], masked[line, column] = shares, False
    candidates = source.documents if len(rows) == len(source.documents) else source.documents[rows]
    return Batch([source.texts[place] for place in places], rows, candidates, target, masked, source)


def _columns(rows: Rows, wanted: Rows) -> NDArray[np.int64]:
    """Places in `rows`, which is sorted, of those of `wanted` that are there."""
    found = np.searchsorted(rows, wanted).clip(max=len(rows) - 1)
    return np.compress(rows[found] == wanted, found)


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
        if source.ignored:
            scores[source.ignored[place]] = -np.inf
        scores[scores > bound] = -np.inf
        nearest = np.argsort(-scores, kind="stable")[: options.hard_negatives]
        found.append(nearest[np.isfinite(scores[nearest])])
    return found
