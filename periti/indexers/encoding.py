"""A corpus to vectors on disk, in bounded memory; and which encoder an index needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import EncoderError
from periti.indexers.dense import normalised
from periti.indexers.manifest import Manifest
from periti.passages.splitting import Splitter
from periti.progress import Progress
from periti.protocols import Encoder, Vectors
from periti.registry import ENCODERS
from periti.types import Coverage, Document

WINDOW_DOCUMENTS = 2048
"""Documents sorted by length together: enough for even batches, little enough for memory."""
WINDOW_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class EncoderSource:
    """How to load an encoder: its registered name and that loader's options."""

    name: str = "minilm"
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Self:
        """The encoder that a dense index was built with."""
        return cls(**manifest.config["encoder"])


def load_encoder(source: EncoderSource) -> Encoder:
    """The encoder, loaded once per process.

    Raises:
        UnknownName: no encoder is registered under the name.
        EncoderError: it can not be loaded, or its options are not the loader's.
    """
    return _load(source.name, tuple(sorted(source.options.items())))


@lru_cache(maxsize=16)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Encoder:
    loader = ENCODERS.load(name)
    try:
        encoder: Encoder = loader(**dict(options))
    except TypeError as error:
        raise EncoderError(f"encoder {name!r} can not be loaded with options {dict(options)}: {error}") from error
    return encoder


@dataclass(frozen=True)
class EncodedCorpus:
    """Vectors of a corpus in a file of raw float32, and what making them cut or left out."""

    path: Path
    rows: NDArray[np.int64]
    """int64 (n,): docstore ordinal of each vector, ascending."""
    dimension: int
    coverage: Coverage
    empty: int
    largest_norm: float
    notes: Mapping[str, int] = field(default_factory=dict)
    """What splitting left out, where documents were split."""

    def blocks(self, size: int = 16_384) -> Iterator[Vectors]:
        """The vectors in order, float32 (b, d) at a time."""
        with self.path.open("rb") as file:
            while len(block := np.fromfile(file, np.float32, size * self.dimension)):
                yield block.reshape(-1, self.dimension)

    def all(self) -> Vectors:
        """All vectors, memory-mapped, float32 (n, d)."""
        return np.memmap(self.path, np.float32, mode="r", shape=(len(self.rows), self.dimension))

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the encoding."""
        return {
            **asdict(self.coverage),
            "empty_documents": self.empty,
            "largest_norm": self.largest_norm,
            **self.notes,
        }


def encode_corpus(  # noqa: PLR0913  (what is encoded, by what, to where)
    documents: Iterable[Document],
    encoder: Encoder,
    path: Path,
    *,
    cosine: bool,
    progress: Progress,
    splitter: Splitter | None = None,
) -> EncodedCorpus:
    """Encode documents in order into a file; memory holds one window of texts, whatever the size of the corpus.

    Args:
        documents: the corpus, in the docstore's order. Documents without title and text get no vector.
        encoder: makes the vectors.
        path: the file to write, float32 (n, d) row by row.
        cosine: whether to scale vectors to length one.
        progress: told of every document.
        splitter: makes the passages that get a vector each; without it every document gets one.
    """
    notes: Counter[str] = Counter()
    rows: list[NDArray[np.int64]] = []
    coverage, empty, largest = Coverage(), 0, 0.0
    with path.open("wb") as file:
        for window in _windows(documents):
            filled = [(ordinal, document) for ordinal, document in window if document.default_text()]
            empty += len(window) - len(filled)
            texts = _texts(filled, splitter, notes)
            if texts:
                encoded = encoder.encode_documents([text for _, text in texts])
                vectors = normalised(encoded.vectors) if cosine else encoded.vectors
                file.write(np.ascontiguousarray(vectors, np.float32).tobytes())
                largest = max(largest, float(np.linalg.norm(vectors, axis=1).max()))
                rows.append(np.array([ordinal for ordinal, _ in texts], np.int64))
                coverage += encoded.coverage
            progress.advance(len(window))
    placed = np.concatenate(rows) if rows else np.empty(0, np.int64)
    return EncodedCorpus(path, placed, encoder.identity.dimension, coverage, empty, largest, notes)


def _texts(
    documents: Sequence[tuple[int, Document]], splitter: Splitter | None, notes: Counter[str]
) -> list[tuple[int, str]]:
    """(ordinal, text) of what gets a vector: documents, or their passages."""
    if splitter is None:
        return [(ordinal, document.default_text()) for ordinal, document in documents]
    found = splitter.split([document for _, document in documents])
    notes.update(found.notes)
    return [(documents[owner][0], text) for owner, text in zip(found.owners, found.texts, strict=True)]


def _windows(documents: Iterable[Document]) -> Iterator[list[tuple[int, Document]]]:
    """Ordinals of consecutive documents and these, bounded in number and in characters."""
    window: list[tuple[int, Document]] = []
    characters = 0
    for ordinal, document in enumerate(documents):
        window.append((ordinal, document))
        characters += len(document.title) + len(document.text)
        if len(window) == WINDOW_DOCUMENTS or characters > WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window
