"""NFCorpus, original release: `id<TAB>text` files, some without a last newline; four kinds of query share their ids.

The kinds beside the titles are offered as splits of their own (`dev-nontopic`, `train-video`, ...), whose judgements
are those of the kind's queries. Grades are those of `3-2-1.qrel`. Train judgements name 433 documents whose text is
not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.reading import tab_pairs
from periti.datasets.splits import qrels_among
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels
from periti.types import Document, Qrels, Queries

KINDS = {"": "titles", "nontopic": "nontopic-titles", "video": "vid-titles", "video-description": "vid-desc"}


@dataclass(frozen=True)
class NFCorpus:
    """The loader of `nfcorpus-traindev`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """3193 abstracts, lower-cased and stripped of stop words by the collection's authors."""
        for _, doc_id, text in tab_pairs(self.folder / "dev.docs.gz"):
            yield Document(doc_id, text)

    def queries(self, split: str) -> Queries:
        """The queries of one part and kind."""
        part, _, kind = split.partition("-")
        packed = ".gz" if part == "train" else ""
        path = self.folder / f"{part}.{KINDS[kind]}.queries{packed}"
        return located_queries(tab_pairs(path), path)

    def qrels(self, split: str) -> Qrels:
        """The part's judgements, restricted to the kind's queries where a kind is asked for."""
        part, _, kind = split.partition("-")
        qrels = read_qrels(self.folder / f"{part}.3-2-1.qrel.gz")
        return qrels_among(qrels, self.queries(split).frame["query_id"]) if kind else qrels
