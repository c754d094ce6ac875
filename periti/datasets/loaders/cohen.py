"""Cohen 2006: ten drug-class reviews, every citation labelled on its abstract and on its full text.

A query is a review topic, its text the topic's name in words. `record_id` restarts in every file, so a document is
`topic/record_id`; the same citation may be a document of several topics. Relevance: 0 excluded, 1 included on the
abstract, 2 included finally. Only a topic's own citations are labelled for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import csv_records
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

TOPICS = (
    "ADHD",
    "Antihistamines",
    "AtypicalAntipsychotics",
    "CalciumChannelBlockers",
    "Estrogens",
    "NSAIDS",
    "OralHypoglycemics",
    "ProtonPumpInhibitors",
    "Triptans",
    "UrinaryIncontinence",
)


@dataclass(frozen=True)
class Cohen:
    """The loader of `cohen-screening`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """7094 citations; some have no abstract, some neither abstract nor title."""
        for topic, _, record in self._records():
            yield Document(
                f"{topic}/{record['record_id']}",
                record["abstract"].strip(),
                record["title"].strip(),
                {"topic": topic, "pubmed_id": record["pubmedID"], "year": record["year"]},
            )

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """Ten topics."""
        return Queries.from_pairs((topic, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", topic)) for topic in TOPICS)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """A label for every citation of the topic."""
        rows = []
        for topic, where, record in self._records():
            labels = record["label_abstract_screening"], record["label_included"]
            if not set(labels) <= {"0", "1"}:
                raise FormatError(f"{where}: labels {labels} are not 0 or 1; fetch the file again")
            grade = 2 if labels[1] == "1" else int(labels[0])
            rows.append((topic, f"{topic}/{record['record_id']}", grade))
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))

    def _records(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        for topic in TOPICS:
            path = self.folder / f"{topic}.csv.gz"
            for number, record in csv_records(path):
                yield topic, f"{path}:{number}", record
