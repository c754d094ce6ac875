"""Vaswani / NPL: TREC documents without titles, topics in capitals on mixed line layouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.sgml import read_trec_documents
from periti.datasets.trec import read_qrels, read_topics
from periti.types import Document, Qrels, Queries


@dataclass(frozen=True)
class Vaswani:
    """The loader of `vaswani-npl`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """11429 short abstracts."""
        return read_trec_documents(self.folder / "doc-text.trec.gz")

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """93 queries."""
        return read_topics(self.folder / "query-text.trec")

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """Relevant pairs only."""
        return read_qrels(self.folder / "qrels")
