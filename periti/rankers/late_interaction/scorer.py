"""Pairs to MaxSim scores: each distinct query and document is encoded once a call, or read from an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from periti.encoders.tokens import EncodedTokens, TokenEncoder
from periti.rankers.late_interaction.index import TokenIndex
from periti.rankers.late_interaction.maxsim import maxsim
from periti.rankers.reranking import Scored
from periti.types import Document


class DocumentTokens(Protocol):
    """Where token vectors of documents come from."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its vectors depend on, beside the encoder."""
        ...

    def key(self, document: Document) -> str:
        """Documents of the same key have the same vectors."""
        ...

    def blocks(self, keys: Sequence[str]) -> Iterator[EncodedTokens]:
        """Token vectors of these keys, each once, some at a time, in any order."""
        ...


class EncodedNow:
    """Vectors made when they are asked for; documents of one text are one."""

    def __init__(self, encoder: TokenEncoder) -> None:
        self._encoder = encoder

    @property
    def identity(self) -> Mapping[str, Any]:
        """Nothing beside the encoder."""
        return {}

    def key(self, document: Document) -> str:
        """The text."""
        return document.default_text()

    def blocks(self, keys: Sequence[str]) -> Iterator[EncodedTokens]:
        """Batches as the encoder makes them."""
        return self._encoder.document_batches(keys)


class FromIndex:
    """Vectors read from an index, by document id."""

    def __init__(self, index: TokenIndex) -> None:
        self._index = index

    @property
    def identity(self) -> Mapping[str, Any]:
        """How the vectors are stored, and of which corpus."""
        manifest = self._index.manifest
        return {"index": dict(manifest.config), "corpus": manifest.corpus_digest}

    def key(self, document: Document) -> str:
        """The id."""
        return document.doc_id

    def blocks(self, keys: Sequence[str]) -> Iterator[EncodedTokens]:
        """Blocks as the index decodes them; raises UnknownName for a document that it lacks."""
        return self._index.blocks(keys)


class LateInteractionScorer:
    """MaxSim of pairs.

    Args:
        encoder: makes the vectors of queries.
        documents: where those of documents come from; the encoder by default.
    """

    def __init__(self, encoder: TokenEncoder, documents: DocumentTokens | None = None) -> None:
        self._encoder, self._documents = encoder, documents or EncodedNow(encoder)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The encoder's, and how document vectors are stored."""
        return {"score": "maxsim", "dtype": "float32", **self._encoder.identity, **self._documents.identity}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """MaxSim of the pairs (queries[i], documents[i]).

        Notes count truncated_pairs (the document was cut), truncated_queries, and pairs whose document has no token
        to compare (pairs_without_tokens); these score the least that there is.

        Raises:
            UnknownName: a document is not in the index.
            EncoderError: a vector is not finite.
        """
        texts, query_of = _distinct(queries)
        keys, document_of = _distinct([self._documents.key(document) for document in documents])
        asked = self._encoder.encode_queries(texts)
        logits, cut, bare = np.empty(len(query_of)), np.zeros(len(keys), bool), np.zeros(len(keys), bool)
        for block in self._documents.blocks(keys):
            cut[block.places] = block.cut > 0
            bare[block.places] = np.diff(block.vectors.offsets) == 0
            local = np.full(len(keys), -1)
            local[block.places] = np.arange(len(block.places))
            pairs = np.flatnonzero(local[document_of] >= 0)
            for query in np.unique(query_of[pairs]):
                own = pairs[query_of[pairs] == query]
                logits[own] = maxsim(asked.vectors[int(query)], block.vectors.take(local[document_of[own]]))
        counts = {
            "truncated_pairs": int(cut[document_of].sum()),
            "truncated_queries": int(np.count_nonzero(asked.cut)),
            "pairs_without_tokens": int(bare[document_of].sum()),
        }
        return Scored(logits, {name: count for name, count in counts.items() if count})


def _distinct(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The texts once each in order of appearance, and which of them each is, int64 (n,)."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return list(places), np.array([places[text] for text in texts], np.int64)
