"""Any dataset of ir_datasets as one of ours: the only module that imports it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl

from periti.datasets.catalog import Facts, SplitFacts
from periti.datasets.dataset import Dataset
from periti.errors import DatasetError, MissingDependency, UnknownName
from periti.registry import nearest
from periti.types import QRELS, Document, Qrels, Queries

SPLIT = "all"


@dataclass(frozen=True)
class IrdsSource:
    """One dataset of ir_datasets; it downloads what it needs when it is first read."""

    irds_id: str
    dataset: Any

    def documents(self) -> Iterator[Document]:
        """The documents; a field `title` is the title, `text` (else the default text) is the text.

        Raises:
            DatasetError: the id has no documents, or they can not be fetched.
        """
        self._needs(self.dataset.has_docs(), "documents")
        try:
            for record in self.dataset.docs_iter():
                yield _document(record)
        except (OSError, RuntimeError) as error:
            raise self._unfetched(error) from error

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (an id of ir_datasets is one split)
        """The queries, by their default text.

        Raises:
            DatasetError: the id has no queries, or they can not be fetched.
        """
        self._needs(self.dataset.has_queries(), "queries")
        try:
            pairs = [(one.query_id, _default_text(one).strip()) for one in self.dataset.queries_iter()]
        except (OSError, RuntimeError) as error:
            raise self._unfetched(error) from error
        return Queries.from_pairs(pairs)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (an id of ir_datasets is one split)
        """The judgements.

        Raises:
            DatasetError: the id has no judgements, or they can not be fetched.
        """
        self._needs(self.dataset.has_qrels(), "judgements")
        try:
            rows = [(one.query_id, one.doc_id, one.relevance) for one in self.dataset.qrels_iter()]
        except (OSError, RuntimeError) as error:
            raise self._unfetched(error) from error
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"), f"irds:{self.irds_id}")

    def _needs(self, present: bool, what: str) -> None:
        if not present:
            raise DatasetError(
                f"dataset 'irds:{self.irds_id}' has no {what}; choose an id of ir_datasets that has them"
            )

    def _unfetched(self, error: Exception) -> DatasetError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return DatasetError(
            f"dataset 'irds:{self.irds_id}': ir_datasets can not read it ({reason}); check the network, or put its "
            "files where ir_datasets' documentation says"
        )


def load_irds(irds_id: str) -> Dataset:
    """The dataset of that id; nothing is downloaded yet.

    Raises:
        MissingDependency: ir_datasets is not installed.
        UnknownName: ir_datasets has no such id.
    """
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingDependency(
            f"dataset 'irds:{irds_id}' needs ir_datasets, which is not installed; pip install 'periti[irds]'"
        ) from error
    try:
        dataset = ir_datasets.load(irds_id)
    except KeyError:
        known = [str(name) for name in ir_datasets.registry]
        raise UnknownName(f"ir_datasets has no dataset {irds_id!r}; {_near(irds_id, known)}") from None
    return Dataset(_facts(irds_id, dataset), IrdsSource(irds_id, dataset))


def _near(irds_id: str, known: list[str]) -> str:
    """The nearest id only: ir_datasets knows hundreds."""
    return f"{nearest(irds_id, known).partition('known:')[0]}see ir_datasets' catalog for its {len(known)} ids"


def _facts(irds_id: str, dataset: Any) -> Facts:
    definitions: Callable[[], dict[int, str]] | None = getattr(dataset, "qrels_defs", None)
    grades = dict(definitions()) if definitions and dataset.has_qrels() else {}
    return Facts(
        name=f"irds:{irds_id}",
        title=f"{irds_id}, as ir_datasets reads it",
        domain="as documented by ir_datasets",
        language=(dataset.docs_lang() if dataset.has_docs() else None) or "unknown",
        kind="retrieval",
        licence="as documented by ir_datasets",
        source=f"ir_datasets, id {irds_id}",
        loader="periti.datasets.irds:IrdsSource",
        default_split=SPLIT,
        splits=MappingProxyType({SPLIT: SplitFacts()}),
        grades=MappingProxyType(grades),
        identical_ids="keep",
        notes=("counts are not asserted: the catalog of periti does not know this collection",),
    )


def _document(record: Any) -> Document:
    title, text = getattr(record, "title", ""), getattr(record, "text", None)
    title = title if isinstance(title, str) else ""
    if not isinstance(text, str):
        text = _default_text(record).removeprefix(title).strip()
    return Document(record.doc_id, text, title)


def _default_text(record: Any) -> str:
    if not callable(getattr(record, "default_text", None)):
        # Old record types have one text field after the id.
        return str(record[1])
    return str(record.default_text())
