"""What a user names on a command line: a file, a BEIR folder, or a dataset, opened alike.

A reference is an existing path (a file by its ending, or a BEIR folder) or the name of a dataset. A folder or a name
may carry a split after a colon: `scifact:train`. An existing path always wins over a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from periti.datasets import jsonl, tables, trec
from periti.datasets.beir import BeirFolder, is_beir_folder
from periti.datasets.dataset import IRDS, Dataset, load_dataset
from periti.datasets.reading import begins_with, tab_pairs
from periti.datasets.sgml import read_trec_documents
from periti.datasets.smart import read_smart, read_smart_documents
from periti.datasets.topics import located_queries, read_topics
from periti.errors import FormatError, InputError
from periti.types import Document, Qrels, Queries, Run

# Endings that only a file has: a name with one of them is a path that does not exist, not an unknown dataset.
FILE_SUFFIXES = (
    ".jsonl", ".json", ".csv", ".parquet", ".tsv", ".txt", ".qrels", ".qrel", ".run", ".xml", ".trec", ".topics", ".gz",
)  # fmt: skip


def open_queries(ref: str, *, split: str | None = None) -> Queries:
    """The queries that a reference names.

    Args:
        ref: a file (JSONL, CSV, Parquet, else TREC topics, SMART or id<TAB>text), a BEIR folder, or a dataset.
        split: of a folder or dataset; the dataset's default one, or all of a folder's queries, without it.

    Raises:
        UnknownName: neither a path nor a dataset; the nearest names are listed.
        FormatError: the file is not of its format; names file and line.
        InputError: a split was asked of a file, or two different ones.
    """
    found, split = _resolve(ref, split)
    if isinstance(found, Path):
        return _queries_of_file(found)
    return found.queries(split)


def open_qrels(ref: str, *, split: str | None = None) -> Qrels:
    """The judgements that a reference names.

    Args:
        ref: a file (JSONL, CSV, Parquet, else TREC qrels or BEIR TSV), a BEIR folder, or a dataset.
        split: of a folder or dataset; the default one without it.

    Raises:
        UnknownName: neither a path nor a dataset; the nearest names are listed.
        FormatError: the file is not of its format; names file and line.
        InputError: a split was asked of a file, or two different ones.
    """
    found, split = _resolve(ref, split)
    if isinstance(found, Path):
        if tables.is_table(found):
            return tables.read_qrels(found)
        return jsonl.read_qrels(found) if _is_jsonl(found) else trec.read_qrels(found)
    return found.qrels(split)


def open_documents(ref: str) -> Iterator[Document]:
    """The documents that a reference names, streamed.

    Args:
        ref: a file (JSONL, CSV, Parquet, else TREC documents, SMART or id<TAB>text), a BEIR folder, or a dataset.

    Raises:
        UnknownName: neither a path nor a dataset; the nearest names are listed.
        FormatError: the file is not of its format; names file and line.
    """
    found, _ = _resolve(ref, None)
    return _documents_of_file(found) if isinstance(found, Path) else found.documents()


def open_run(path: str) -> Run:
    """The run of a file: CSV or Parquet of query_id, doc_id, score, else a TREC run; `-` is standard input.

    Raises:
        FormatError: the file is not of its format; names file and line.
        SchemaError: a table lists a pair twice or a score that is not finite.
    """
    return tables.read_run(path) if tables.is_table(Path(path)) else trec.read_run(path)


def _resolve(ref: str, split: str | None) -> tuple[Path | BeirFolder | Dataset, str | None]:
    """What the reference names, and the split that it or the caller asks for."""
    whole = Path(ref)
    base, colon, named = ref.rpartition(":")
    if whole.exists() or not colon or ref.startswith(IRDS):
        base, named = ref, ""
    if named and split and named != split:
        raise InputError(f"{ref!r} names the split {named!r} but {split!r} was asked for; give one of them")
    split = split or named or None
    path = Path(base)
    if path.is_dir():
        if not is_beir_folder(path):
            raise FormatError(f"{path}: a folder without corpus.jsonl or queries.jsonl; give a BEIR folder or a file")
        return BeirFolder(path), split
    if path.exists():
        if split:
            raise InputError(f"{base} is a file and has no split {split!r}; leave the split out")
        return path, None
    if base.endswith(FILE_SUFFIXES) or ("/" in base and not base.startswith(IRDS)):
        raise FormatError(f"{base}: there is no such file; check the name and the folder")
    return load_dataset(base), split


def _queries_of_file(path: Path) -> Queries:
    if tables.is_table(path):
        return tables.read_queries(path)
    if _is_jsonl(path):
        return jsonl.read_queries(path)
    if begins_with(path, b".I"):
        return located_queries(((0, record.number, record.text()) for record in read_smart(path)), path)
    return read_topics(path)


def _documents_of_file(path: Path) -> Iterator[Document]:
    if tables.is_table(path):
        return tables.read_documents(path)
    if _is_jsonl(path):
        return jsonl.read_documents(path)
    if begins_with(path, b".I"):
        return read_smart_documents(path)
    if begins_with(path, b"<"):
        return read_trec_documents(path)
    return (Document(doc_id, text) for _, doc_id, text in tab_pairs(path))


def _is_jsonl(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith((".jsonl", ".json"))
