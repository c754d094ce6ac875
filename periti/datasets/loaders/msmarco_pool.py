"""TREC Deep Learning 2019 and 2020, pooled passages of five retrievers.

Only the judged topics are queries: of the 200 topics of 2020, 146 have neither judgements nor passages here. Many
judged passages have no text (no system of the pool returned them). Mojibake is MS MARCO's own and is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.jsonl import read_documents
from periti.datasets.splits import queries_among
from periti.datasets.trec import read_qrels, read_topics
from periti.types import Document, Qrels, Queries

TOPICS = {"dl19": "topics.dl19-passage.txt.gz", "dl20": "topics.dl20.txt.gz"}


@dataclass(frozen=True)
class MsmarcoPool:
    """The loader of `msmarco-dl19-dl20-pool`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """24884 passages, of both years."""
        return read_documents(self.folder / "passages.jsonl.gz")

    def queries(self, split: str) -> Queries:
        """The year's judged topics."""
        return queries_among(read_topics(self.folder / TOPICS[split]), self.qrels(split).frame["query_id"].unique())

    def qrels(self, split: str) -> Qrels:
        """The year's judgements, of passages without text too."""
        return read_qrels(self.folder / f"qrels.{split}-passage.txt.gz")
