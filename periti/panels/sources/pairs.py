"""Pairs of a query and a document it asks for, from a file: question-answer pairs, clicks, a selected pool.

Columns: `query` and `document` (a text, with `title` and `doc_id` if there are), or `query` and `doc_id` over the
documents of a dataset; `grade` or `gain` (a whole number, 1 by default, 0 is not relevant), `weight` (how often the
query is drawn, relative to the others, 1 by default) and `order` (easy ones first).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.datasets import load_dataset
from periti.errors import FormatError
from periti.panels.collection import CollectionConfig
from periti.panels.sources.own import own_documents
from periti.panels.sources.records import Record, number_of, records, text_of, whole
from periti.panels.sources.source import Asked, OfDataset, Source
from periti.panels.sources.table import Pair, PairTable
from periti.panels.sources.texts import text_id
from periti.registry import nearest
from periti.types import Document

COLUMNS = ("query", "document", "doc_id", "title", "grade", "gain", "weight", "order")


@dataclass(frozen=True)
class PairsOverDataset(OfDataset):
    """Pairs that name documents of a dataset, whose collection is searched."""

    table: PairTable

    def asked(self, documents: Iterable[Document]) -> Asked:
        """The queries of the file.

        Raises:
            FormatError: a document is not in the dataset.
        """
        known = {document.doc_id for document in documents}
        for pair in self.table.pairs:
            if pair.doc_id not in known:
                raise FormatError(
                    f"{pair.where}: dataset {self.config.dataset!r} has no document {pair.doc_id!r}; "
                    "check the doc_id, or leave `dataset` out and give texts as `document`"
                )
        return self.table.asked()


def open_pairs(name: str, config: CollectionConfig) -> Source:
    """The source of a collection.

    Raises:
        FormatError: no such file, nothing in it, or a line that can not be used; names the line.
        UnknownName, DatasetError: as datasets raise them.
    """
    path = config.file or Path()
    if config.dataset:
        pairs = [_pair(record, where, _named(record, where)) for where, record in _read(path)]
        return PairsOverDataset(name, config, load_dataset(config.dataset), PairTable.of(path, pairs))
    reader = _Reader()
    pairs = [reader.pair(record, where) for where, record in _read(path)]
    table = PairTable.of(path, pairs, {"repeated documents": reader.repeated})
    return own_documents(name, config, list(reader.documents.values()), table.asked())


def _read(path: Path) -> Iterator[tuple[str, Record]]:
    """Places and records.

    Raises:
        FormatError: a record has a column that means nothing.
    """
    for where, record in records(path):
        for key in record:
            if key not in COLUMNS:
                raise FormatError(f"{where}: unknown column {key!r}; {nearest(key, COLUMNS)}")
        yield where, record


def _pair(record: Record, where: str, doc_id: str) -> Pair:
    """The pair of a record, whose document is called so."""
    if "grade" in record and "gain" in record:
        raise FormatError(f"{where}: both grade and gain are given; keep one of them")
    graded = "gain" if "gain" in record else "grade"
    grade, weight = number_of(record, graded, where, 1), number_of(record, "weight", where, 1)
    if grade < 0 or grade != int(grade):
        raise FormatError(f"{where}: {graded} is {record[graded]!r}; write a whole number, 0 if it is not relevant")
    if weight <= 0:
        raise FormatError(f"{where}: weight is {record['weight']!r}; write a positive number, or take the record out")
    order = number_of(record, "order", where) if "order" in record else None
    return Pair(where, text_of(record, "query", where), doc_id, int(grade), weight, order)


def _named(record: Record, where: str) -> str:
    """The record's document id.

    Raises:
        FormatError: it is missing, or holds white space.
    """
    value = record.get("doc_id", "")
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(record, "doc_id", where)
    if any(character.isspace() for character in name):
        raise FormatError(f"{where}: doc_id is {name!r}; an id must not hold white space")
    return name


class _Reader:
    """Documents met so far: texts that are the same become one document, whatever they are called."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        """By what their texts have in common."""
        self.repeated = 0
        """Further ids of a text that was there already."""
        self._named: dict[str, tuple[str, str]] = {}

    def pair(self, record: Record, where: str) -> Pair:
        """The pair of a record, whose document is remembered."""
        if "document" not in record and "doc_id" in record:
            raise FormatError(
                f"{where}: no document; give its text, or name the `dataset` whose documents doc_id means"
            )
        text, title = text_of(record, "document", where), record.get("title", "")
        if not isinstance(title, str):
            raise FormatError(f"{where}: title is {title!r}, which is no text; write a string")
        key = text_id(whole(title, "title", where), text)
        name = _named(record, where) if "doc_id" in record else key
        before = self._named.setdefault(name, (key, where))
        if before[0] != key:
            raise FormatError(
                f"{where}: doc_id {name!r} has another text at {before[1]}; give different documents different ids"
            )
        if key in self.documents and self.documents[key].doc_id != name:
            self.repeated += before[1] == where
        document = self.documents.setdefault(key, Document(name, text, title))
        return _pair(record, where, document.doc_id)
