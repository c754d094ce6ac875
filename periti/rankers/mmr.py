"""Maximal marginal relevance (Carbonell, Goldstein; SIGIR 1998): the baseline of diversity.

The next document is the one with the largest λ · relevance - (1 - λ) · similarity to the most similar one before it.
Relevance is the first stage's score, brought to 0..1 within the query.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.indexers.dense import normalised
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.protocols import Corpus, Encoder, Reranked, Vectors
from periti.rankers.reranking import finished
from periti.registry import nearest
from periti.types import Queries, Run

Values = NDArray[np.float64]
Similar = Callable[[int], Values]
"""Number of a document -> its similarity to each of the n documents, float64 (n,), at most 1."""

SIMILARITIES = ("tokens", "vectors")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class MmrOptions:
    """How much relevance counts, and what is similar.

    Attributes:
        relevance: λ, 0..1; 1 leaves the run as it is.
        depth: documents of a query that are ordered anew; the others follow in first-stage order.
        similarity: "tokens", shared words over all words of two documents (Jaccard); "vectors", the cosine of an
            encoder's document vectors.
        encoder, model: the registered encoder and, where it takes one, its model; for vectors.
    """

    relevance: float = 0.7
    depth: int = 100
    similarity: str = "tokens"
    encoder: str = "minilm"
    model: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.relevance <= 1:
            raise ConfigError(f"ranker mmr: relevance is {self.relevance}; it must be between 0 and 1")
        if self.depth < 1:
            raise ConfigError(f"ranker mmr: depth is {self.depth}; it must be at least 1")
        if self.similarity not in SIMILARITIES:
            raise ConfigError(
                f"ranker mmr: similarity is {self.similarity!r}; {nearest(self.similarity, SIMILARITIES)}"
            )


class MmrRanker:
    """Orders the first documents of every query by marginal relevance.

    Scores are places from the end: a marginal relevance depends on what stands before it.

    Args:
        options: the settings.
        encoder: makes document vectors, for similarity = "vectors".
    """

    Options = MmrOptions

    def __init__(self, options: MmrOptions, encoder: Encoder | None = None) -> None:
        self.options, self._encoder = options, encoder

    @classmethod
    def open(cls, options: MmrOptions) -> Self:
        """The ranker; raises UnknownName or EncoderError if its encoder can not be loaded."""
        if options.similarity == "tokens":
            return cls(options)
        return cls(
            options, load_encoder(EncoderSource(options.encoder, {"model": options.model} if options.model else {}))
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """The options and the encoder's weights."""
        model = {} if self._encoder is None else {"model_sha256": self._encoder.identity.weights_sha256}
        return {"ranker": "mmr", **asdict(self.options), **model}

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """The run in the order of marginal relevance; raises as `reranked`."""
        return self.reranked(queries, run, corpus).run

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run in the order of marginal relevance, and how many documents the encoder cut (truncated_documents).

        Raises:
            UnknownName: a candidate is not in the corpus.
        """
        notes: Counter[str] = Counter()
        kept = run.frame.join(queries.frame, on="query_id", how="semi").filter(pl.col("rank") <= self.options.depth)
        parts = []
        for rows in kept.sort("query_id", "rank").partition_by("query_id", maintain_order=True):
            # One query at a time, so that vectors do not depend on which other queries are asked.
            texts = [document.default_text() for document in corpus.get(rows["doc_id"].to_list())]
            similar = self._similar(texts, notes)
            order = marginal_order(scaled(rows["score"].to_numpy()), similar, self.options.relevance)
            logits = np.empty(len(texts))
            logits[order] = np.arange(len(texts), 0, -1)
            parts.append(rows.select("query_id", "doc_id").with_columns(logit=pl.Series(logits)))
        if not parts:
            return Reranked(run, {})
        return Reranked(finished(run, pl.concat(parts)), {name: count for name, count in notes.items() if count})

    def _similar(self, texts: Sequence[str], notes: Counter[str]) -> Similar:
        if self._encoder is None:
            return shared_words(texts)
        encoded = self._encoder.encode_documents(texts)
        notes["truncated_documents"] += encoded.coverage.truncated_texts
        return cosines(encoded.vectors)


def marginal_order(relevance: Values, similar: Similar, weight: float) -> NDArray[np.int64]:
    """Documents by maximal marginal relevance; equal ones in the order given.

    Args:
        relevance: float64 (n,), 0..1.
        similar: similarities of a document to all.
        weight: λ.

    Returns:
        Numbers of the documents, int64 (n,).
    """
    order: list[int] = []
    closest, free = np.zeros(len(relevance)), np.ones(len(relevance), np.bool_)
    while len(order) < len(relevance):
        worth = weight * relevance - (1 - weight) * closest
        # Rounded, so that equal documents whose similarities differ in the last bits keep their order.
        best = int(np.where(free, np.round(worth, 9), -np.inf).argmax())
        order.append(best)
        free[best] = False
        own = similar(best)
        closest = own if len(order) == 1 else np.maximum(closest, own)
    return np.array(order, np.int64)


def scaled(scores: NDArray[np.float32]) -> Values:
    """Scores float32 (n,) to 0..1, float64; equal scores all get 1."""
    wide = scores.astype(np.float64)
    low, high = wide.min(), wide.max()
    values: Values = (wide - low) / (high - low) if high > low else np.ones(len(wide))
    return values


def shared_words(texts: Sequence[str]) -> Similar:
    """Jaccard similarity of the sets of words, case folded; two texts without words are equal."""
    sets = [set(_WORD.findall(text.casefold())) for text in texts]
    number = {word: i for i, word in enumerate(sorted(set().union(*sets)))}
    sizes = np.array([len(words) for words in sets], np.int64)
    owner = np.repeat(np.arange(len(sets)), sizes)
    tokens = np.array([number[word] for words in sets for word in words], np.int64)

    def similar(i: int) -> Values:
        mine = np.zeros(len(number))
        mine[tokens[owner == i]] = 1.0
        common = np.bincount(owner, mine[tokens], minlength=len(sets))
        union = sizes + sizes[i] - common
        values: Values = np.where(union > 0, common / np.maximum(union, 1), 1.0)
        return values

    return similar


def cosines(vectors: Vectors) -> Similar:
    """Cosine similarity of vectors float32 (n, d)."""
    unit = normalised(vectors).astype(np.float64)

    def similar(i: int) -> Values:
        values: Values = np.einsum("nd,d->n", unit, unit[i])
        return values

    return similar
