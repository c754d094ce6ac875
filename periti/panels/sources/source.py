"""The seam between kinds of training queries and panels, and what all kinds over a dataset have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from periti.datasets.dataset import Dataset
from periti.indexers.build import BuildConfig
from periti.indexers.lexical import LexicalConfig
from periti.panels.collection import CollectionConfig
from periti.training.pairs import Hints
from periti.types import QRELS, Document, Qrels, Queries


@dataclass(frozen=True)
class Asked:
    """The queries to learn from.

    Attributes:
        queries: all of them, not divided yet.
        qrels: their judgements.
        hints: weights, an order, documents to ignore.
        groups: query id -> what it is divided by; empty where the source does not say.
        notes: counts of what was read, merged and left out, for cards.
    """

    queries: Queries
    qrels: Qrels
    hints: Hints = field(default_factory=Hints)
    groups: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)


class Source(Protocol):
    """Documents, queries to learn from, and what is known about them."""

    @property
    def domain(self) -> str:
        """Of its texts."""
        ...

    @property
    def licence(self) -> str:
        """Of its texts and judgements."""
        ...

    @property
    def min_rel(self) -> int:
        """The least grade that counts as relevant in binary measures."""
        ...

    @property
    def folder(self) -> str:
        """Name of its index's folder: another corpus has another one."""
        ...

    @property
    def recipe(self) -> BuildConfig:
        """How its index is built."""
        ...

    def documents(self) -> Iterable[Document]:
        """What its index is built of."""
        ...

    def asked(self, documents: Iterable[Document]) -> Asked:
        """The queries to learn from, given the documents as they are in the index."""
        ...

    def test(self, split: str) -> tuple[Queries, Qrels]:
        """Queries and judgements of a split that is evaluated as it is."""
        ...


@dataclass(frozen=True)
class OfDataset:
    """What kinds share whose documents are a dataset's."""

    name: str
    config: CollectionConfig
    dataset: Dataset

    @property
    def domain(self) -> str:
        """The configuration's, else the dataset's."""
        return self.config.domain or self.dataset.facts.domain

    @property
    def licence(self) -> str:
        """The configuration's, else the dataset's."""
        return self.config.licence or self.dataset.facts.licence

    @property
    def min_rel(self) -> int:
        """The dataset's."""
        return self.dataset.facts.min_rel

    @property
    def folder(self) -> str:
        """The dataset's name, as a file's."""
        return self.config.dataset.replace(":", "-").replace("/", "-")

    @property
    def recipe(self) -> BuildConfig:
        """Words and vectors."""
        lexical = LexicalConfig(analyser=self.dataset.facts.language)
        return BuildConfig(name=self.name, lexical=lexical, source=built_of(self.config))

    def documents(self) -> Iterable[Document]:
        """The dataset's."""
        return self.dataset.documents()

    def test(self, split: str) -> tuple[Queries, Qrels]:
        """The dataset's."""
        return self.dataset.queries(split), self.dataset.qrels(split)


def built_of(config: CollectionConfig) -> dict[str, str]:
    """What an index's manifest says of its source."""
    return {"dataset": config.dataset, "queries": config.queries}


def one_to_one(pairs: list[tuple[str, str]]) -> Asked:
    """(document id, query) pairs as queries that are named after their one relevant document."""
    rows = [(doc_id, doc_id, 1) for doc_id, _ in pairs]
    return Asked(Queries.from_pairs(pairs), Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row")))
