"""AILA 2019: prior cases and statutes for the same 50 situations; judgements list every zero explicitly.

The official split: AILA_Q1 to Q10 are for training, Q11 to Q50 for testing. Statute S58 is judged and has no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from periti.datasets.reading import decoded, lines, tar_members
from periti.datasets.splits import qrels_among, queries_among
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels
from periti.errors import FormatError
from periti.types import Document, Qrels, Queries

SPLITS = {"train": range(1, 11), "test": range(11, 51), "all": range(1, 51)}


@dataclass(frozen=True)
class Cases:
    """The loader of `aila-2019-cases`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """2914 judgments; the first line, the case's name, is the title."""
        for doc_id, text in _texts(self.folder / "Object_casedocs.tar.gz"):
            title, _, rest = text.partition("\n")
            yield Document(doc_id, rest.strip(), title.strip())

    def queries(self, split: str) -> Queries:
        """The split's situations."""
        return _queries(self.folder, split)

    def qrels(self, split: str) -> Qrels:
        """Every case judged for every query."""
        return _qrels(self.folder / "relevance_judgments_priorcases.txt.gz", split)


@dataclass(frozen=True)
class Statutes:
    """The loader of `aila-2019-statutes`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """197 statutes of a title and a description."""
        path = self.folder / "Object_statutes.tar.gz"
        for doc_id, text in _texts(path):
            title, _, description = text.strip().partition("\n")
            if not title.startswith("Title:") or not description.startswith("Desc:"):
                raise FormatError(f"{path}: {doc_id}.txt has not the lines Title: and Desc:; fetch the file again")
            yield Document(doc_id, description.removeprefix("Desc:").strip(), title.removeprefix("Title:").strip())

    def queries(self, split: str) -> Queries:
        """The split's situations, the same as for the cases."""
        return _queries(self.folder, split)

    def qrels(self, split: str) -> Qrels:
        """Every statute judged for every query, S58 included."""
        return _qrels(self.folder / "relevance_judgments_statutes.txt.gz", split)


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    for name, content in tar_members(path):
        yield PurePosixPath(name).stem, decoded(content, f"{path}: {name}")


def _queries(folder: Path, split: str) -> Queries:
    path = folder / "Query_doc.txt.gz"
    found = []
    for number, line in lines(path):
        query_id, bars, text = line.partition("||")
        if not bars:
            raise FormatError(f"{path}:{number}: expected id||text, found {line[:60]!r}; fetch the file again")
        found.append((number, query_id.strip(), text.strip()))
    return queries_among(located_queries(found, path), _ids(split))


def _qrels(path: Path, split: str) -> Qrels:
    return qrels_among(read_qrels(path), _ids(split))


def _ids(split: str) -> pl.Series:
    return pl.Series([f"AILA_Q{number}" for number in SPLITS[split]])
