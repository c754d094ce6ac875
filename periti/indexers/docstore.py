"""Texts by row number and by id, memory-mapped: one JSON line a document, offsets, and the order of ids.

The docstore is the authority on row numbers ("ordinals"): every other index of a collection maps its rows to them.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import digest
from periti.errors import SchemaError, UnknownName
from periti.indexers.manifest import Manifest, open_verified, versions_of, write_manifest
from periti.types import Document

RECORDS, OFFSETS, IDS, ORDER = "records.jsonl", "offsets.npy", "ids.arrow", "by_id.npy"
_IDS_CHUNK = 65_536


class DocIds:
    """The ids of a corpus by ordinal, and the order that breaks ties.

    Args:
        ids: doc_id of every ordinal.
        by_id: ordinals in ascending byte order of their ids, int64 (n,).
    """

    def __init__(self, ids: pl.Series, by_id: NDArray[np.int64]) -> None:
        self.ids = ids
        self.by_id = by_id
        self.tie_rank = np.empty(len(ids), dtype=np.int64)
        """int64 (n,): position of each ordinal when ids are sorted descending, the order among equal scores."""
        self.tie_rank[by_id] = np.arange(len(ids) - 1, -1, -1)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, ordinals: NDArray[np.int64]) -> pl.Series:
        """doc_id of each ordinal, in order."""
        return self.ids.gather(ordinals)

    def ordinal(self, doc_id: str) -> int:
        """The ordinal of an id.

        Raises:
            UnknownName: no document has the id.
        """
        # Python compares strings by code point, which is the byte order of UTF-8.
        place = bisect_left(range(len(self)), doc_id, key=lambda i: self.ids[int(self.by_id[i])])
        if place < len(self):
            found = int(self.by_id[place])
            if self.ids[found] == doc_id:
                return found
        raise UnknownName(f"no document {doc_id!r} in this collection of {len(self):,}")


class Docstore:
    """The documents of a collection; a `Corpus`.

    Args:
        folder: a directory written by `write_docstore`.
        manifest: its manifest, already verified.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._offsets = np.load(folder / OFFSETS, mmap_mode="r", allow_pickle=False)
        self.ids = DocIds(
            pl.read_ipc(folder / IDS)["doc_id"],
            np.load(folder / ORDER, allow_pickle=False),
        )
        with (folder / RECORDS).open("rb") as file:
            empty = manifest.documents == 0
            self._records = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @classmethod
    def open(cls, folder: Path) -> Docstore:
        """A verified docstore; raises IndexUnusable as `open_verified` does."""
        return cls(folder, open_verified(folder, "docstore"))

    @property
    def corpus_digest(self) -> str:
        """SHA-256 over all records in order: which corpus this is."""
        return self.manifest.corpus_digest

    def __len__(self) -> int:
        return self.manifest.documents

    def __iter__(self) -> Iterator[Document]:
        return (self.at(ordinal) for ordinal in range(len(self)))

    def at(self, ordinal: int) -> Document:
        """The document of a row number 0..n-1."""
        start, end = int(self._offsets[ordinal]), int(self._offsets[ordinal + 1])
        doc_id, title, text, metadata = json.loads(self._records[start:end])
        return Document(doc_id, text, title, metadata)

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        """The documents of these ids, in the order asked; UnknownName if one is absent."""
        return [self.at(self.ids.ordinal(doc_id)) for doc_id in doc_ids]


def record(document: Document) -> bytes:
    """The line that stores a document, and that the corpus digest is taken over.

    Raises:
        SchemaError: a text holds half a character, or the metadata is not what JSON can hold.
    """
    fields = [document.doc_id, document.title, document.text, dict(document.metadata)]
    try:
        line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"document {document.doc_id!r} can not be stored as JSON: {error}; mend its metadata"
        ) from error
    try:
        return line.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise SchemaError(
            f"document {document.doc_id!r} holds half a character (a lone surrogate); mend its text"
        ) from error


def write_docstore(documents: Iterable[Document], folder: Path, source: Mapping[str, Any]) -> Manifest:
    """Write the documents as a docstore in an existing, empty folder; ids are kept in memory, texts are not.

    Args:
        documents: read once, in order.
        folder: where to write.
        source: what the documents are, for the manifest.

    Raises:
        SchemaError: an id is empty, holds whitespace (TREC files could not name it) or occurs twice; no documents.
    """
    seen = hashlib.sha256()
    offsets = array("Q", [0])
    ids: list[pl.Series] = []
    chunk: list[str] = []
    empty = 0
    with (folder / RECORDS).open("wb") as file:
        for document in documents:
            _check_id(document.doc_id, len(offsets) - 1)
            line = record(document)
            seen.update(line)
            file.write(line)
            offsets.append(offsets[-1] + len(line))
            empty += not document.default_text()
            chunk.append(document.doc_id)
            if len(chunk) == _IDS_CHUNK:
                ids.append(pl.Series("doc_id", chunk, dtype=pl.String))
                chunk = []
    ids.append(pl.Series("doc_id", chunk, dtype=pl.String))
    all_ids = pl.concat(ids, rechunk=True)
    if not len(all_ids):
        raise SchemaError("the corpus has no documents; give at least one")
    np.save(folder / OFFSETS, np.frombuffer(offsets, dtype=np.uint64))
    np.save(folder / ORDER, _order(all_ids))
    all_ids.to_frame().write_ipc(folder / IDS, compression="uncompressed")
    manifest = Manifest(
        kind="docstore",
        corpus_digest=seen.hexdigest(),
        documents=len(all_ids),
        config=dict(source),
        config_digest=digest(source),
        facts={"empty_documents": empty},
        versions=versions_of("polars"),
    )
    return write_manifest(folder, manifest)


def _order(ids: pl.Series) -> NDArray[np.int64]:
    """Ordinals in ascending byte order of their ids; refuses a repeated id."""
    order = ids.arg_sort()
    ordered = ids.gather(order)
    repeated = (ordered == ordered.shift(1)).fill_null(value=False)
    if repeated.any():
        raise SchemaError(f"the document id {ordered.filter(repeated)[0]!r} occurs more than once; ids must be unique")
    return order.to_numpy().astype(np.int64)


def _check_id(doc_id: str, position: int) -> None:
    if not doc_id or any(character.isspace() for character in doc_id):
        raise SchemaError(
            f"document {position} has the id {doc_id!r}; an id must not be empty or hold white space, "
            "since run and qrels files separate columns by it"
        )
