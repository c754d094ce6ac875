"""A dense index with one row a passage, whose answers are documents.

Exactness. The n best passages by score are fetched exactly (`periti.indexers.dense`); s is the score of the worst of
them. Every passage of a document that was not met scores s at most, so the document scores `Aggregation.bound` at most.
The documents that were met are scored from all of their passages. Once the k-th of them lies above the bound, no other
document can come before it and the k are the true ones (Fagin's threshold argument); else n is doubled. For MaxP a
document's score is that of its first passage in the list, so that k documents in sight are enough: passages that tie
stand in the order of their documents' ids.

An approximate index gives no such bound: it answers MaxP only, from the passages that it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.encoders.sentence import SentenceEncoder
from periti.errors import ConfigError, EncoderError
from periti.indexers.approximate import SearchSettings
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.passages.aggregation import Aggregation, padded
from periti.passages.splitting import PassageConfig, Splitter
from periti.protocols import Encoder, Vectors

KIND = "passages"
_SLACK = 16
_BLOCK = 1 << 14
"""Passages scored at a time."""


@dataclass(frozen=True)
class Found:
    """Documents of some queries, and what finding them took.

    Attributes:
        scores: float32 (q, k), best first; -inf where there is none.
        ordinals: int64 (q, k); -1 where there is none.
        fetched: int64 (q,), passages that were fetched of each query.
    """

    scores: Vectors
    ordinals: NDArray[np.int64]
    fetched: NDArray[np.int64]


class PassageIndex:
    """Passages searched, documents answered; an `Index`.

    Args:
        passages: the open index of passages; those of one document are neighbours.
        aggregation: how scores of passages become one of their document.

    Raises:
        ConfigError: the index is approximate and the aggregation needs more than the best passage.
    """

    def __init__(self, passages: DenseIndex, aggregation: Aggregation | None = None) -> None:
        self.passages, self.aggregation = passages, aggregation or Aggregation()
        if not passages.exact and self.aggregation.rule != "max":
            raise ConfigError(
                f"passages: {self.aggregation.rule!r} needs all passages of a document and {passages.folder} is "
                "approximate; use max, or build the index with the preset exact"
            )
        rows = passages.ordinals
        self._counts = np.bincount(rows, minlength=len(passages.ids))
        self._first = np.searchsorted(rows, np.arange(len(passages.ids)))
        self._documents = int(np.count_nonzero(self._counts))

    @classmethod
    def open(
        cls,
        folder: Path,
        docstore: Docstore,
        aggregation: Aggregation | None = None,
        settings: SearchSettings | None = None,
    ) -> Self:
        """The verified index of a folder; raises IndexUnusable as `DenseIndex` does."""
        return cls(DenseIndex(folder, docstore.ids, docstore.corpus_digest, settings, KIND), aggregation)

    def __len__(self) -> int:
        """Documents that have a passage."""
        return self._documents

    def search(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Scores float32 (q, k) and docstore ordinals int64 (q, k); raises as `find`."""
        found = self.find(vectors, k)
        return found.scores, found.ordinals

    def find(self, vectors: Vectors, k: int) -> Found:
        """The k best documents of each query by (score descending, doc_id descending).

        Args:
            vectors: float32 (q, d).
            k: 1..10,000.

        Raises:
            InputError: k or the vectors are out of range.
        """
        vectors = self.passages.check(vectors, k)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        ordinals = np.full((len(vectors), k), -1, np.int64)
        fetched = np.zeros(len(vectors), np.int64)
        pending = np.arange(len(vectors))
        total = len(self.passages)
        wanted = min(k * -(-total // max(1, self._documents)) + _SLACK, total)
        while len(pending):
            near, owners = self.passages.nearest(vectors[pending], wanted)
            settled = np.zeros(len(pending), bool)
            for row, query in enumerate(pending):
                kept = owners[row] >= 0
                best, found, settled[row] = self._documents_of(vectors[query], near[row][kept], owners[row][kept], k)
                scores[query, : len(best)], ordinals[query, : len(found)] = best, found
            fetched[pending] = wanted
            if wanted == total:
                break
            pending, wanted = pending[~settled], min(2 * wanted, total)
        return Found(scores, ordinals, fetched)

    def _documents_of(
        self, vector: Vectors, scores: Vectors, owners: NDArray[np.int64], k: int
    ) -> tuple[Vectors, NDArray[np.int64], bool]:
        """At most k documents among the owners of fetched passages, and whether they are certain to be the best."""
        met, first = np.unique(owners, return_index=True)
        if self.aggregation.rule == "max":
            place = np.sort(first)[:k]
            return scores[place], owners[place], len(place) == min(k, self._documents)
        values = self.scored(vector, met)
        order = np.lexsort((self.passages.ids.tie_rank[met], -values))[:k]
        best = values[order]
        if len(met) == self._documents:
            return best, met[order], True
        bound = self.aggregation.bound(scores[-1:], int(self._counts.max())).astype(np.float32)
        certain = len(best) == k and bool(best[-1] > np.nextafter(bound[0], np.float32(np.inf)))
        return best, met[order], certain

    def scored(self, vector: Vectors, ordinals: NDArray[np.int64]) -> Vectors:
        """Scores of documents that have passages, from all of these.

        Args:
            vector: float32 (d,), as `DenseIndex.check` returns it.
            ordinals: int64 (n,).

        Returns:
            float32 (n,).
        """
        counts = self._counts[ordinals]
        owners = np.repeat(np.arange(len(ordinals)), counts)
        starts = np.cumsum(counts) - counts
        rows = np.arange(len(owners)) - starts[owners] + self._first[ordinals][owners]
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        scores = np.concatenate([self.passages.rescored(vector[None], block[None])[0] for block in blocks])
        values: Vectors = self.aggregation(*padded(scores, owners, len(ordinals))).astype(np.float32)
        return values


def splitter_of(encoder: Encoder, config: PassageConfig) -> Splitter:
    """Splits documents as this encoder counts tokens.

    Raises:
        EncoderError: the encoder shows no tokenizer.
        ConfigError: passages are longer than what the encoder reads.
    """
    if not isinstance(encoder, SentenceEncoder):
        raise EncoderError(
            f"the encoder {encoder.identity.name!r} shows no tokenizer to split documents by; use one of "
            "sentence-transformers, or leave passages out"
        )
    splitter = Splitter(encoder.model.tokenizer, config)
    prompt = len(splitter.offsets([encoder.identity.prompts[1]])[0].words)
    room = encoder.identity.max_length - splitter.special_tokens - prompt
    config.require_room(room, f"the encoder {encoder.identity.name!r}")
    return splitter
