"""MED: SMART files with CR LF and trailing blanks; no titles; queries and documents are numbered independently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.smart import read_smart, read_smart_documents
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels
from periti.types import Document, Qrels, Queries


@dataclass(frozen=True)
class MedMedline:
    """The loader of `med-medline`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """1033 abstracts."""
        return read_smart_documents(self.folder / "MED.ALL.gz")

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """30 queries."""
        path = self.folder / "MED.QRY"
        return located_queries(((0, record.number, record.text()) for record in read_smart(path)), path)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """Relevant pairs only."""
        return read_qrels(self.folder / "MED.REL")
