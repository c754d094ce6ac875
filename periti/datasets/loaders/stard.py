"""STARD, relevant statutes only: Chinese questions of lay people and the articles that answer them.

`match_id` and `match_name` of a query are ordered differently, so judgements come from the derived `qrels.tsv`, which
was made from the names. The official training and development split is given by the query files in `example/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import json_document, json_lines, tab_pairs
from periti.datasets.splits import qrels_among, queries_among
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels
from periti.types import Document, Qrels, Queries


@dataclass(frozen=True)
class Stard:
    """The loader of `stard-relevant-statutes`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """1445 articles; the law's name and the article's number are the title."""
        for _, record in json_lines(self.folder / "statutes.jsonl.gz"):
            yield Document(record["id"], record["text"].strip(), record["name"])

    def queries(self, split: str) -> Queries:
        """The split's questions."""
        path = self.folder / "queries.json.gz"
        records = json_document(path)
        queries = located_queries(((0, str(row["query_id"]), row["问题"].strip()) for row in records), path)
        return queries if split == "all" else queries_among(queries, self._ids(split))

    def qrels(self, split: str) -> Qrels:
        """The split's relevant articles."""
        qrels = read_qrels(self.folder / "qrels.tsv.gz")
        return qrels if split == "all" else qrels_among(qrels, self._ids(split))

    def _ids(self, split: str) -> pl.Series:
        pairs = tab_pairs(self.folder / "example" / f"{split}.query.txt.gz")
        return pl.Series([query_id for _, query_id, _ in pairs], dtype=pl.String)
