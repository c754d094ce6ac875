"""NovelEval: 21 questions with 20 judged passages each; a passage may hold tabs, only the first one separates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.reading import tab_pairs
from periti.datasets.trec import read_qrels, read_topics
from periti.types import Document, Qrels, Queries


@dataclass(frozen=True)
class NovelEval:
    """The loader of `noveleval`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """420 passages."""
        for _, doc_id, text in tab_pairs(self.folder / "corpus.tsv.gz"):
            yield Document(doc_id, text)

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """21 questions."""
        return read_topics(self.folder / "queries.tsv")

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """Every passage judged for its question."""
        return read_qrels(self.folder / "qrels.txt")
