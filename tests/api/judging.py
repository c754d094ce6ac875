"""A desk over six documents, two queries and two runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from periti.api.desk import Desk
from periti.errors import UnknownName
from periti.evaluation.adjudication.log import Log
from periti.evaluation.adjudication.pool import build_pool
from periti.evaluation.adjudication.session import Session, Terms
from periti.types import Document, Run
from tests.api.conftest import NASTY

QUERIES = {"q1": "does vitamin D prevent falls?", "q2": f"aspirin {NASTY}"}
DOCUMENTS = {
    "d1": Document("d1", "Vitamins prevented a fall in older adults.", "Vitamin D and falls"),
    "d2": Document("d2", "Statins can cause muscle pain."),
    "d3": Document("d3", f"Aspirin as markup: {NASTY}", f"Aspirin {NASTY}"),
    "d4": Document("d4", "Aspirin thins the blood."),
}
"""d5 is pooled and not in the collection."""


class Texts:
    def get(self, doc_ids: Sequence[str], /) -> list[Document]:
        if absent := [doc_id for doc_id in doc_ids if doc_id not in DOCUMENTS]:
            raise UnknownName(f"no document {absent[0]!r}")
        return [DOCUMENTS[doc_id] for doc_id in doc_ids]


def run(name: str, **rankings: str) -> Run:
    rows = [
        (query, doc, rank, 10.0 - rank) for query, docs in rankings.items() for rank, doc in enumerate(docs.split(), 1)
    ]
    frame = pl.DataFrame(rows, schema=["query_id", "doc_id", "rank", "score"], orient="row")
    return Run.of(frame.select("query_id", "doc_id", "score"), name)


def desk(path: Path, double: float = 0.0, batch: int = 20) -> Desk:
    """Three documents for each query; depth order hands them out by rank."""
    runs = [run("one", q1="d1 d2 d5", q2="d3 d4 d2"), run("two", q1="d1 d5 d2", q2="d3 d2 d4")]
    session = Session(Log(path), build_pool(runs, depth=10), Terms(method="depth", double=double, batch=batch))
    return Desk(session, QUERIES, Texts())
