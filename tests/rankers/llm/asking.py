"""What the tests of these rankers share: a corpus in memory, a first stage, settings without long waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from periti.errors import UnknownName
from periti.rankers.llm.settings import EndpointSettings
from periti.types import SCORED, Document, Queries, Run
from tests.endpoint import ModelServer

KEY = "sk-a-very-secret-key-0123456789"
VARIABLE = "PERITI_TEST_KEY"


class Shelf:
    """A corpus: ids to texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Document]:
        return iter([Document(doc_id, text) for doc_id, text in self._texts.items()])

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        for doc_id in doc_ids:
            if doc_id not in self._texts:
                raise UnknownName(f"no document {doc_id!r}")
        return [Document(doc_id, self._texts[doc_id]) for doc_id in doc_ids]


TEXTS = {
    "none": "whales sing under water",
    "one": "aspirin is a drug",
    "two": "aspirin lowers the risk of a heart failure",
    "three": "aspirin after a heart attack",
    "rest": "a heart attack needs aspirin",
}
SHELF = Shelf(TEXTS)
QUERIES = Queries.from_pairs([("q1", "aspirin heart attack"), ("q2", "whales")])


def first_stage(**lists: Sequence[str]) -> Run:
    """A run in which each query's documents stand in the order given."""
    rows = [(query, doc_id, -float(rank)) for query, ids in lists.items() for rank, doc_id in enumerate(ids)]
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), "first")


FIRST = first_stage(q1=["none", "one", "two", "three", "rest"], q2=["one", "none"])


def settings_of(server: ModelServer, **options: Any) -> EndpointSettings:
    """Settings that fail fast."""
    quick: dict[str, Any] = {"timeout_s": 10.0, "retries": 2, "backoff_s": 0.001}
    return EndpointSettings(server.url, "words", **(quick | options))
