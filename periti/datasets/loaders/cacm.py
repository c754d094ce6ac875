"""CACM: one HTML file for each article, whose end is a table of citations that is cut off.

A document's id is its file's name (`CACM-0756`); the judgements write it without the padding (`CACM-756`) and are
padded here. The title is the first paragraph; the rest holds abstract, date, authors, keywords and codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path, PurePosixPath

import polars as pl

from periti.datasets.reading import decoded, tar_members
from periti.datasets.sgml import read_trec_documents
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels
from periti.types import Document, Qrels, Queries

_CITATION = re.compile(r"\d+\t\d+\t\d+\s*")
_MARKUP = re.compile(r"</?(html|pre)>")


@dataclass(frozen=True)
class Cacm:
    """The loader of `cacm`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """3204 articles; about half have no abstract."""
        path = self.folder / "cacm.tar.gz"
        for name, content in tar_members(path):
            text = unescape(_MARKUP.sub("", decoded(content, f"{path}: {name}")))
            kept = "\n".join(line for line in text.split("\n") if not _CITATION.fullmatch(line)).strip()
            title, _, rest = kept.partition("\n\n")
            yield Document(PurePosixPath(name).stem, " ".join(rest.split()), " ".join(title.split()))

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """64 topics, 12 of them without any judgement."""
        path = self.folder / "topics.cacm.txt"
        return located_queries(((0, topic.doc_id, topic.text) for topic in read_trec_documents(path)), path)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """Relevant pairs only, ids padded to four digits."""
        qrels = read_qrels(self.folder / "qrels.cacm.txt")
        number = pl.col("doc_id").str.strip_prefix("CACM-").str.zfill(4)
        return Qrels.of(qrels.frame.with_columns((pl.lit("CACM-") + number).alias("doc_id")))
