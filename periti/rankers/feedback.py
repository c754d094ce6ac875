"""Pseudo-relevance feedback over document vectors: a document rises for being like those at the top of its list.

The first documents stand for what is relevant: their unit vectors, weighted by a softmax of the first stage's scores,
add up to a centroid, as Rocchio's (vector PRF; Li et al. 2023, "Pseudo Relevance Feedback with Deep Language Models and
Dense Retrievers", arXiv:2108.11044). With z for "less the list's mean, over its standard deviation",

    score = z(first-stage score) + weight * z(cosine with the centroid)

Vectors are brought to length one, taken less the list's mean, and brought to length one again: what all of a list share
says nothing of relevance. It asks for no judgements, and suits topics with many relevant documents; where one document
answers a query there is little to find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.indexers.dense import normalised
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.indexers.stored_vectors import StoredVectors
from periti.protocols import Corpus, Encoder, Reranked, Vectors
from periti.rankers.reranking import finished
from periti.types import Queries, Run

Values = NDArray[np.float64]
_LEAST = 1e-9


@dataclass(frozen=True)
class FeedbackOptions:
    """How much likeness counts, and to what.

    Attributes:
        weight: of likeness beside the first stage's score, both standardised within the list; 0 leaves the run as it
            is.
        top: documents that stand for what is relevant.
        temperature: of the softmax over their standardised scores; a small one trusts the first document alone.
        depth: documents of a query that are ordered anew; the others follow in first-stage order.
        index: folder of the collection's indexes, whose dense one holds the documents' vectors; without one, texts are
            encoded at every question.
        encoder: the registered encoder that encodes them then.
        model: of the encoder, where it takes one.
    """

    weight: float = 0.3
    top: int = 20
    temperature: float = 0.5
    depth: int = 100
    index: Path | None = None
    encoder: str = "minilm"
    model: str = ""

    def __post_init__(self) -> None:
        for name, least in (("weight", 0.0), ("temperature", _LEAST), ("top", 1), ("depth", 1)):
            found = getattr(self, name)
            if not found >= least or not np.isfinite(found):
                floor = "above 0" if name == "temperature" else f"at least {least:g}"
                raise ConfigError(f"ranker feedback: {name} is {found}; it must be {floor}")


class FeedbackRanker:
    """Orders the first documents of every query by score and likeness to the list's top.

    Args:
        options: the settings.
        vectors: of documents, those of an index or an encoder that makes them.
    """

    Options = FeedbackOptions

    def __init__(self, options: FeedbackOptions, vectors: StoredVectors | Encoder) -> None:
        self.options, self._vectors = options, vectors

    @classmethod
    def open(cls, options: FeedbackOptions) -> Self:
        """The ranker; raises IndexUnusable, or UnknownName or EncoderError if its encoder can not be loaded."""
        if options.index is not None:
            return cls(options, StoredVectors.open(options.index))
        given = {"model": options.model} if options.model else {}
        return cls(options, load_encoder(EncoderSource(options.encoder, given)))

    @property
    def identity(self) -> Mapping[str, Any]:
        """The options and the weights that made the vectors."""
        plain = {
            name: value for name, value in asdict(self.options).items() if name not in ("index", "encoder", "model")
        }
        made = self._vectors.identity
        return {"ranker": "feedback", **plain, "encoder": made.name, "model_sha256": made.weights_sha256}

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """The run in its new order; raises as `reranked`."""
        return self.reranked(queries, run, corpus).run

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run in its new order, and how many documents the encoder cut (truncated_documents).

        Raises:
            UnknownName: a candidate is not in the corpus.
            IndexMismatch: the index is of another corpus.
        """
        if isinstance(self._vectors, StoredVectors):
            self._vectors.require(corpus)
        notes: Counter[str] = Counter()
        kept = run.frame.join(queries.frame, on="query_id", how="semi").filter(pl.col("rank") <= self.options.depth)
        lists = kept.sort("query_id", "rank").partition_by("query_id", maintain_order=True)
        parts = [with_feedback(rows, self._of(rows["doc_id"].to_list(), corpus, notes), self.options) for rows in lists]
        if not parts:
            return Reranked(run, {})
        return Reranked(finished(run, pl.concat(parts)), {name: count for name, count in notes.items() if count})

    def _of(self, doc_ids: Sequence[str], corpus: Corpus, notes: Counter[str]) -> Vectors:
        """Vectors of the documents of one query: made for it alone, they do not depend on which others are asked."""
        if isinstance(self._vectors, StoredVectors):
            return self._vectors.of(doc_ids)
        texts = [document.default_text() for document in corpus.get(doc_ids)]
        encoded = self._vectors.encode_documents(texts)
        notes["truncated_documents"] += encoded.coverage.truncated_texts
        filled = np.array([bool(text) for text in texts])
        return np.where(filled[:, None], encoded.vectors, np.float32(0))  # as in an index


def with_feedback(rows: pl.DataFrame, vectors: Vectors, options: FeedbackOptions) -> pl.DataFrame:
    """Logits of the documents of one query.

    Args:
        rows: query_id, doc_id and score, best first.
        vectors: of the documents, float32 (n, d).
        options: the settings.

    Returns:
        Columns query_id, doc_id, logit (Float64).
    """
    scores = standardised(rows["score"].to_numpy().astype(np.float64))
    found = scores + options.weight * standardised(likeness(scores, vectors, options))
    # Rounded, so that equal documents whose products differ in the last bits keep their order.
    return rows.select("query_id", "doc_id").with_columns(logit=pl.Series(np.round(found, 9), dtype=pl.Float64))


def likeness(scores: Values, vectors: Vectors, options: FeedbackOptions) -> Values:
    """Inner product of each document's unit vector with the weighted mean of the first ones', float64 (n,).

    Args:
        scores: standardised, best first, float64 (n,).
        vectors: float32 (n, d); a zero one, as of an empty document, is like no other.
        options: the settings.
    """
    wide = normalised(vectors).astype(np.float64)
    there = wide.any(axis=1)
    wide[there] -= wide.sum(axis=0) / max(1, np.count_nonzero(there))
    unit = normalised(wide.astype(np.float32)).astype(np.float64)
    first = np.exp((scores[: options.top] - scores[0]) / options.temperature)
    values: Values = np.einsum("nd,d->n", unit, np.einsum("n,nd->d", first / first.sum(), unit[: options.top]))
    return values


def standardised(values: Values) -> Values:
    """Values less their mean, over their standard deviation, float64 (n,); all 0 where they do not differ."""
    apart = values - values.mean()
    spread = float(apart.std())
    result: Values = apart / spread if spread > _LEAST else np.zeros(len(values))
    return result
