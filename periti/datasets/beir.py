"""BEIR folders: corpus.jsonl, queries.jsonl and qrels/<split>.tsv, each possibly packed (`.gz`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from periti.datasets import jsonl
from periti.datasets.trec import read_qrels
from periti.datasets.writing import whole_file, whole_folder
from periti.errors import FormatError, InputError, UnknownName
from periti.registry import nearest
from periti.types import Document, Qrels, Queries

HEADER = "query-id\tcorpus-id\tscore\n"


@dataclass(frozen=True)
class BeirFolder:
    """A BEIR folder, read in place. Queries of a split are those its qrels judge, as BEIR's own loader has it."""

    folder: Path

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the qrels files, sorted."""
        names = (path.name.removesuffix(".gz") for path in (self.folder / "qrels").glob("*.tsv*"))
        return tuple(sorted({name.removesuffix(".tsv") for name in names if name.endswith(".tsv")}))

    def documents(self) -> Iterator[Document]:
        """The corpus, streamed.

        Raises:
            FormatError: the file is missing or a line is not a document.
        """
        return jsonl.read_documents(_packed(self.folder / "corpus.jsonl"))

    def queries(self, split: str | None = None) -> Queries:
        """The queries that the split judges, in the order of the file; all of them without a split.

        Raises:
            UnknownName: there is no such split.
            FormatError: a line is not a query, or a judged query has no text.
        """
        path = _packed(self.folder / "queries.jsonl")
        queries = jsonl.read_queries(path)
        if split is None:
            return queries
        judged = self.qrels(split).frame
        absent = judged.join(queries.frame, on="query_id", how="anti")["query_id"].unique().sort()
        if len(absent):
            raise FormatError(
                f"{path}: {len(absent)} queries that split {split!r} judges have no text, the first is {absent[0]!r}; "
                "add them or remove their judgements"
            )
        return Queries(queries.frame.join(judged, on="query_id", how="semi", maintain_order="left"))

    def qrels(self, split: str | None = None) -> Qrels:
        """The judgements of a split; without one, of `test` if there is one, else of the only one.

        Raises:
            UnknownName: there is no such split, or several to choose from.
            FormatError: a line is not a judgement.
        """
        known = self.splits
        if split is None:
            split = "test" if "test" in known or len(known) != 1 else known[0]
        if split not in known:
            raise UnknownName(f"{self.folder} has no split {split!r}; {nearest(split, known)}")
        return read_qrels(_packed(self.folder / "qrels" / f"{split}.tsv"), name=f"{self.folder.name}:{split}")


def is_beir_folder(path: Path) -> bool:
    """Whether the folder has a BEIR corpus or BEIR queries."""
    return any(_packed(path / name).is_file() for name in ("corpus.jsonl", "queries.jsonl"))


def write_beir(
    folder: Path | str,
    documents: Iterable[Document],
    queries: Queries,
    qrels: Mapping[str, Qrels],
    *,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Write a BEIR folder, whole or not at all; the number of documents written.

    Args:
        folder: must not exist yet.
        documents: consumed once, streamed.
        queries: of all splits together.
        qrels: by the name of the split.
        facts: written as `dataset.json` beside them: where the data come from and under which licence.

    Raises:
        InputError: the folder exists, or an id holds a tab or line end.
        StorageError: writing failed; nothing is left behind.
    """
    folder = Path(folder)
    with whole_folder(folder) as temporary:
        count = jsonl.write_documents(documents, temporary / "corpus.jsonl")
        jsonl.write_queries(queries, temporary / "queries.jsonl")
        (temporary / "qrels").mkdir()
        for split, judgements in qrels.items():
            write_beir_qrels(judgements, temporary / "qrels" / f"{split}.tsv")
        if facts is not None:
            text = json.dumps(facts, ensure_ascii=False, indent=2)
            (temporary / "dataset.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")
    return count


def write_beir_qrels(qrels: Qrels, path: Path | str) -> None:
    """Write judgements as BEIR's TSV with its header, whole or not at all.

    Raises:
        InputError: an id holds a tab or a line end, or a blank at one of its ends.
        StorageError: writing failed; an older file is untouched.
    """
    for column in ("query_id", "doc_id"):
        ids = qrels.frame[column]
        bad = ids.str.contains(r"[\t\n\r]") | (ids.str.strip_chars() != ids)
        if bad.any():
            raise InputError(
                f"{qrels.name}: the {column} {ids.filter(bad)[0]!r} does not fit a TSV file; change the id"
            )
    with whole_file(Path(path)) as stream:
        stream.write(HEADER.encode())
        table = qrels.frame.select("query_id", "doc_id", "relevance")
        stream.write(table.write_csv(separator="\t", include_header=False, quote_style="never").encode())


def _packed(path: Path) -> Path:
    """The path, or its packed neighbour where only that exists."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.is_file() else path
