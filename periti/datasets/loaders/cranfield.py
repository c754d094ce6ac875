"""Cranfield 1400: query numbers in the judgements are positions in the query file, and grades are reversed.

Queries get their positions 1 to 225 as ids (the `.I` numbers run 001, 002, 004, ... and are not used). Codes 1 (a
complete answer) to 4 (minimum interest) become relevance 4 to 1; the code -1, once for every query and explained
nowhere, becomes 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import lines
from periti.datasets.smart import read_smart
from periti.datasets.topics import located_queries
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

RELEVANCE = {"1": 4, "2": 3, "3": 2, "4": 1, "-1": 0}


@dataclass(frozen=True)
class Cranfield:
    """The loader of `cranfield`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """1400 abstracts; an abstract begins with its title, which is taken off it again."""
        for record in read_smart(self.folder / "cran.all.1400.gz"):
            title = record.text("T")
            metadata = {"author": record.text("A"), "source": record.text("B")}
            yield Document(record.number, record.text().removeprefix(title).strip(), title, metadata)

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """225 queries, numbered by position."""
        path = self.folder / "cran.qry"
        return located_queries(((0, str(place), one.text()) for place, one in enumerate(read_smart(path), 1)), path)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """1837 judgements on a scale from 0 to 4, larger being better."""
        path = self.folder / "cranqrel"
        rows = []
        for number, line in lines(path):
            fields = line.split()
            if len(fields) != 3 or fields[2] not in RELEVANCE:
                raise FormatError(f"{path}:{number}: expected query, document, code, found {line[:60]!r}")
            rows.append((fields[0], fields[1], RELEVANCE[fields[2]]))
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))
