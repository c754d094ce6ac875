"""Token vectors of a collection on disk, whole or in few bits, for collections that fit.

    tokens/
      ids.arrow, by_id.npy   documents in row order, and the order of their ids
      offsets.npy, cut.npy   where the tokens of each document begin; how many were left out of it
      vectors.npy            float32 or float16 (t, d), where nothing is compressed; otherwise
      centroids.npy, buckets.npy, cutoffs.npy, codes.npy, residuals.npy

A directory is whole or absent, and every file is verified when it is opened, as those of all other indexes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.encoders.tokens import EncodedTokens, TokenVectors
from periti.errors import ConfigError, IndexMismatch, UnknownName
from periti.indexers.docstore import DocIds
from periti.indexers.manifest import Manifest, open_verified
from periti.protocols import Vectors
from periti.rankers.late_interaction.residuals import NBITS, Codec

KIND = "tokens"
IDS, BY_ID, OFFSETS, CUT, VECTORS = "ids.arrow", "by_id.npy", "offsets.npy", "cut.npy", "vectors.npy"
CENTROIDS, BUCKETS, CUTOFFS, CODES, RESIDUALS = (
    "centroids.npy", "buckets.npy", "cutoffs.npy", "codes.npy", "residuals.npy",
)  # fmt: skip
DTYPES = ("float32", "float16")
BLOCK_TOKENS = 1 << 14
"""Tokens decoded at a time."""
_OF_QUERIES = ("query_budget", "expand", "attend", "model")
"""Parts of an encoder's identity that do not touch document vectors, and its name, which a moved folder changes."""


@dataclass(frozen=True)
class TokenIndexConfig:
    """How token vectors are stored.

    Attributes:
        nbits: bits of each dimension's residual: 1, 2 or 4; 0 stores the vectors as they are.
        dtype: float32 (exact) or float16 (half the size), for nbits = 0.
        seed: of the centroids' start and of the samples.
        iterations: rounds of k-means.
        sample: tokens that centroids and buckets are fitted on at most.
    """

    nbits: int = 2
    dtype: str = "float32"
    seed: int = 0
    iterations: int = 4
    sample: int = 1 << 17

    def __post_init__(self) -> None:
        if self.nbits not in (0, *NBITS):
            raise ConfigError(f"token index: nbits is {self.nbits}; take 1, 2 or 4, or 0 for whole vectors")
        if self.dtype not in DTYPES:
            raise ConfigError(f"token index: dtype is {self.dtype!r}; take {' or '.join(DTYPES)}")
        if self.nbits and self.dtype != DTYPES[0]:
            raise ConfigError("token index: dtype is for whole vectors; leave it out, or set nbits to 0")
        for name in ("iterations", "sample"):
            if getattr(self, name) < 1:
                raise ConfigError(f"token index: {name} is {getattr(self, name)}; it must be at least 1")


def of_documents(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What of an encoder's identity determines the vectors of documents."""
    own = {key: value for key, value in identity.items() if key not in _OF_QUERIES}
    return {**own, **{key: identity[key][1] for key in ("markers", "prompts")}}


class TokenIndex:
    """Token vectors by document id.

    Args:
        folder: a directory that `periti.rankers.late_interaction.build` wrote.

    Raises:
        IndexUnusable: it is missing, damaged or of another kind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, open_verified(folder, KIND)
        self.ids = DocIds(pl.read_ipc(folder / IDS)["doc_id"], self._array(BY_ID))
        self._offsets, self._cut = self._array(OFFSETS), self._array(CUT)
        self.nbits, self.dimension = (
            int(self.manifest.config["nbits"]),
            int(self.manifest.facts["encoder"]["dimension"]),
        )
        if self.nbits:
            self._codec = Codec(self._array(CENTROIDS), self._array(CUTOFFS), self._array(BUCKETS))
            self._codes, self._residuals = self._array(CODES), self._array(RESIDUALS)
        else:
            self._vectors = self._array(VECTORS)

    @classmethod
    def open(cls, folder: Path, identity: Mapping[str, Any]) -> Self:
        """The index of a folder, for queries of an encoder.

        Args:
            folder: where it is.
            identity: of the encoder (`TokenEncoder.identity`).

        Raises:
            IndexUnusable: as the class; IndexMismatch where documents were encoded otherwise.
        """
        index = cls(folder)
        built, asked = index.manifest.facts["encoder"], of_documents(identity)
        differing = sorted(key for key in {*built, *asked} if built.get(key) != asked.get(key))
        if differing:
            key = differing[0]
            raise IndexMismatch(
                f"token index {folder} was built with {key} = {str(built.get(key))[:40]!r} and the encoder has "
                f"{str(asked.get(key))[:40]!r}; build it again with this encoder"
            )
        return index

    def __len__(self) -> int:
        """Documents."""
        return len(self.ids)

    def _array(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        return array

    def require_corpus(self, digest: str) -> None:
        """Refuse another corpus than the one indexed; raises IndexMismatch."""
        if digest != self.manifest.corpus_digest:
            raise IndexMismatch(
                f"token index {self.folder} is of corpus {self.manifest.corpus_digest[:12]} and the collection is "
                f"{digest[:12]}; build it again from this collection"
            )

    def tokens(self, rows: Sequence[int]) -> TokenVectors:
        """Token vectors of the documents of these row numbers, decoded."""
        spans = [range(int(self._offsets[row]), int(self._offsets[row + 1])) for row in rows]
        places = np.concatenate([np.empty(0, np.int64), *[np.arange(s.start, s.stop) for s in spans]])
        offsets = np.concatenate([[0], np.cumsum([len(span) for span in spans])]).astype(np.int64)
        return TokenVectors(self._decoded(places), offsets)

    def _decoded(self, places: NDArray[np.int64]) -> Vectors:
        if self.nbits:
            return self._codec.decode(self._codes[places], self._residuals[places])
        return np.asarray(self._vectors[places], np.float32)

    def blocks(self, doc_ids: Sequence[str]) -> Iterator[EncodedTokens]:
        """Token vectors of these documents, a block at a time, with their places in the list.

        Raises:
            UnknownName: a document is not in the index.
        """
        rows = [self._row(doc_id) for doc_id in doc_ids]
        start, held = 0, 0
        for place, row in enumerate(rows):
            own = int(self._offsets[row + 1] - self._offsets[row])
            if place > start and held + own > BLOCK_TOKENS:
                yield self._block(rows, start, place)
                start, held = place, 0
            held += own
        if rows:
            yield self._block(rows, start, len(rows))

    def _block(self, rows: Sequence[int], start: int, stop: int) -> EncodedTokens:
        return EncodedTokens(np.arange(start, stop), self.tokens(rows[start:stop]), self._cut[list(rows[start:stop])])

    def _row(self, doc_id: str) -> int:
        try:
            return self.ids.ordinal(doc_id)
        except UnknownName as error:
            raise UnknownName(f"token index {self.folder}: {error}; build it again from the collection") from error


def manifest_of(config: Mapping[str, Any], corpus_digest: str, documents: int, facts: Mapping[str, Any]) -> Manifest:
    """The manifest of a token index before its files are listed."""
    from periti.config import digest
    from periti.indexers.manifest import versions_of

    return Manifest(
        kind=KIND,
        corpus_digest=corpus_digest,
        documents=documents,
        config=dict(config),
        config_digest=digest(dict(config)),
        facts=dict(facts),
        versions=versions_of("numpy", "torch", "transformers"),
    )
