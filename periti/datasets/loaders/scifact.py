"""SciFact: claims and abstracts; an abstract is the printed form of a NumPy list of sentences, without commas.

`ast.literal_eval` of the whole list would glue its sentences together without a blank, so each quoted sentence is
read on its own. `test` is BEIR's split (the 300 validation claims); `train` has the 809 training claims and, as BEIR
has it, the documents they cite.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import csv_records
from periti.datasets.topics import located_queries
from periti.datasets.trec import read_qrels, read_topics
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

# A Python string literal, whichever quote it begins with; backslashes escape.
_SENTENCE = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)

# Printed by NumPy like the abstracts: numbers between blanks.
_NUMBERS = re.compile(r"\[[\d\s,]*\]")


@dataclass(frozen=True)
class SciFact:
    """The loader of `scifact`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """5183 abstracts, sentences joined by a blank."""
        path = self.folder / "corpus_train.csv.gz"
        for number, record in csv_records(path):
            found = sentences(record["abstract"])
            if not found:
                raise FormatError(f"{path}:{number}: the abstract of {record['doc_id']} is no list of sentences")
            yield Document(record["doc_id"], " ".join(found), record["title"].strip())

    def queries(self, split: str) -> Queries:
        """The split's claims."""
        if split == "test":
            return read_topics(self.folder / "topics.beir-v1.0.0-scifact.test.tsv.gz")
        path = self.folder / "claims_train.csv.gz"
        # A claim has one line for each evidence document.
        claims = {record["id"]: (number, record["id"], record["claim"].strip()) for number, record in csv_records(path)}
        return located_queries(claims.values(), path)

    def qrels(self, split: str) -> Qrels:
        """The documents each claim cites."""
        if split == "test":
            return read_qrels(self.folder / "qrels.beir-v1.0.0-scifact.test.txt")
        path = self.folder / "claims_train.csv.gz"
        cited: dict[tuple[str, str], int] = {}
        for number, record in csv_records(path):
            if not _NUMBERS.fullmatch(record["cited_doc_ids"]):
                raise FormatError(f"{path}:{number}: cited_doc_ids {record['cited_doc_ids']!r} is no list of numbers")
            cited.update({(record["id"], document): 1 for document in re.findall(r"\d+", record["cited_doc_ids"])})
        rows = [(*pair, grade) for pair, grade in cited.items()]
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def sentences(printed: str) -> list[str]:
    """The sentences of a printed list of strings; empty if something else stands between them.

    >>> sentences("['It rains.' 'It pours.']")
    ['It rains.', 'It pours.']
    """
    inner = printed.strip()
    if not (inner.startswith("[") and inner.endswith("]")) or _SENTENCE.sub("", inner[1:-1]).strip(" \n,"):
        return []
    found = []
    for match in _SENTENCE.finditer(inner):
        plain = match[1] if match[1] is not None else match[2]
        found.append(str(ast.literal_eval(match[0].replace("\n", "\\n"))) if "\\" in plain else plain)
    return [" ".join(sentence.split()) for sentence in found]
