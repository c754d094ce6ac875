"""Document vectors by doc_id, as a collection's dense index holds them: for rankers, so that no text is read anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from periti.errors import IndexMismatch
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.protocols import Corpus, EncoderIdentity, Vectors

DOCSTORE, DENSE = "docstore", "dense"


class StoredVectors:
    """The vectors of an index.

    Args:
        docstore: the collection.
        index: its dense index.
    """

    def __init__(self, docstore: Docstore, index: DenseIndex) -> None:
        self._docstore, self._index = docstore, index
        self._ordinals = index.ordinals

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Those of the folder of a collection's indexes (`periti index build`); raises IndexUnusable."""
        docstore = Docstore.open(folder / DOCSTORE)
        return cls(docstore, DenseIndex(folder / DENSE, docstore.ids, docstore.corpus_digest))

    @property
    def identity(self) -> EncoderIdentity:
        """The encoder that made them."""
        return self._index.identity

    def require(self, corpus: Corpus) -> None:
        """Refuse another corpus than that of the index; raises IndexMismatch."""
        if isinstance(corpus, Docstore) and corpus.corpus_digest != self._docstore.corpus_digest:
            raise IndexMismatch(
                f"{self._index.folder} holds vectors of another corpus than the one that is searched; name its index"
            )

    def of(self, doc_ids: Sequence[str]) -> Vectors:
        """Vectors float32 (n, d), decoded; zero where the index has none, as of an empty document.

        Raises:
            UnknownName: the collection has no such document.
        """
        asked = np.array([self._docstore.ids.ordinal(doc_id) for doc_id in doc_ids], np.int64)
        rows = np.minimum(np.searchsorted(self._ordinals, asked), max(0, len(self._ordinals) - 1))
        found = np.zeros((len(asked), self.identity.dimension), np.float32)
        there = np.flatnonzero(self._ordinals[rows] == asked) if len(self._ordinals) else rows[:0]
        if len(there):
            found[there] = self._index.decoded(rows[there])
        return found
