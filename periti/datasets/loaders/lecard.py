"""LeCaRD v1 with KELLER's rewritten facts: Chinese criminal cases, one text for each charge of a case.

Ids are strings everywhere here (the files mix strings and numbers; some query ids are negative). A case's charges
are its title, its texts joined are the document; a key that is no charge (`ajId`: the same case told again) is left
out. The split `test` asks with the long original text, `facts` with the rewritten facts; both have the same judgements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import json_document
from periti.datasets.topics import located_queries
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

NOT_CHARGES = frozenset({"ajId", "ajName", "ajjbqk", "pjjg", "qw", "writId", "writName"})


@dataclass(frozen=True)
class Lecard:
    """The loader of `lecard-facts`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """2611 judged candidates."""
        for doc_id, charges in json_document(self.folder / "doc_fact.json.gz").items():
            text, title = _told(charges)
            yield Document(doc_id, text, title, {"charges": title})

    def queries(self, split: str) -> Queries:
        """107 cases: the long text, or the rewritten facts."""
        if split == "facts":
            path = self.folder / "query_fact.json.gz"
            records = json_document(path)
            # In the order of the long texts, whichever file lists them.
            return located_queries(((0, key, _told(records[key])[0]) for key in self.queries("test").ids), path)
        # Not query.json: its text of query 3 is another case (gambling), which neither facts nor judgements speak of.
        path = self.folder / "query_total.json.gz"
        return located_queries(((0, key, row["q"].strip()) for key, row in json_document(path).items()), path)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (both splits share them)
        """About 30 graded candidates for each query."""
        path = self.folder / "label_top30_dict.json.gz"
        labels = json_document(path)
        rows = [(query, doc, grade) for query, graded in labels.items() for doc, grade in graded.items()]
        if not all(isinstance(grade, int) for _, _, grade in rows):
            raise FormatError(f"{path}: a grade is not an integer; fetch the file again")
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def _told(charges: dict[str, str]) -> tuple[str, str]:
    """A case's texts joined by line ends, and its charges."""
    kept = {charge: text for charge, text in charges.items() if charge not in NOT_CHARGES}
    return "\n".join(text.strip() for text in kept.values()), "、".join(kept)
