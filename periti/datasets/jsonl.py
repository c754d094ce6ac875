"""JSON lines: one document, query or judgement an object, under the names that BEIR, Anserini and others use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from periti.datasets.reading import json_lines
from periti.datasets.topics import located_queries
from periti.datasets.writing import whole_file
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

DOC_ID = ("_id", "id", "doc_id", "docid")
QUERY_ID = ("_id", "id", "query_id", "qid")
TEXT = ("text", "contents", "content")
JUDGED_QUERY = ("query_id", "query-id", "qid")
JUDGED_DOCUMENT = ("doc_id", "corpus-id", "docid")
QUERY_TEXT = ("text", "query", "question")


def read_documents(path: Path | str) -> Iterator[Document]:
    """Documents of a JSON-lines file (`.gz` unpacked), streamed; an empty text is kept as it is.

    Raises:
        FormatError: a line is no object, or its id, text, title or metadata is missing or of another type.
    """
    path = Path(path)
    for number, record in json_lines(path):
        metadata = record.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise FormatError(f"{path}:{number}: metadata is {type(metadata).__name__}; write an object")
        where = f"{path}:{number}"
        title = record.get("title") or ""
        if not isinstance(title, str):
            raise FormatError(f"{where}: title is {type(title).__name__}; write a string")
        yield Document(_id(record, DOC_ID, where), _text(record, TEXT, where), title, metadata)


def read_queries(path: Path | str) -> Queries:
    """Queries of a JSON-lines file (`.gz` unpacked), in its order.

    Raises:
        FormatError: a line is no object, its id or text is missing or empty, or its id was given before.
    """
    path = Path(path)
    return located_queries(
        (
            (number, _id(record, QUERY_ID, f"{path}:{number}"), _text(record, QUERY_TEXT, f"{path}:{number}"))
            for number, record in json_lines(path)
        ),
        path,
    )


def read_qrels(path: Path | str) -> Qrels:
    """Judgements of a JSON-lines file of query_id, doc_id, relevance.

    Raises:
        FormatError: a key is missing, a relevance is not an integer, or a pair was judged before.
    """
    path = Path(path)
    found: dict[tuple[str, str], int] = {}
    for number, record in json_lines(path):
        where = f"{path}:{number}"
        pair = _id(record, JUDGED_QUERY, where), _id(record, JUDGED_DOCUMENT, where)
        grade = record.get("relevance", record.get("score"))
        if not isinstance(grade, int) or isinstance(grade, bool):
            raise FormatError(f"{where}: relevance {grade!r} is not an integer; write 0, 1, 2, ...")
        if pair in found:
            raise FormatError(f"{where}: the judgement of {' '.join(pair)!r} was given before; keep one")
        found[pair] = grade
    rows = [(*pair, grade) for pair, grade in found.items()]
    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"), path.name.split(".")[0])


def write_documents(documents: Iterable[Document], path: Path | str) -> int:
    """Write documents as JSON lines, whole or not at all; the number written.

    Raises:
        StorageError: writing failed; an older file is untouched.
    """
    count = 0
    with whole_file(Path(path)) as stream:
        for document in documents:
            record: dict[str, Any] = {"_id": document.doc_id, "title": document.title, "text": document.text}
            if document.metadata:
                record["metadata"] = dict(document.metadata)
            stream.write(json_line(record))
            count += 1
    return count


def write_queries(queries: Queries, path: Path | str) -> None:
    """Write queries as JSON lines, whole or not at all.

    Raises:
        StorageError: writing failed; an older file is untouched.
    """
    with whole_file(Path(path)) as stream:
        for query_id, text in queries.frame.iter_rows():
            stream.write(json_line({"_id": query_id, "text": text}))


def write_qrels(qrels: Qrels, path: Path | str) -> None:
    """Write judgements as JSON lines, whole or not at all.

    Raises:
        StorageError: writing failed; an older file is untouched.
    """
    with whole_file(Path(path)) as stream:
        for record in qrels.frame.select("query_id", "doc_id", "relevance").iter_rows(named=True):
            stream.write(json_line(record))


def json_line(record: dict[str, Any]) -> bytes:
    """One line of UTF-8 JSON; non-ASCII letters are written as they are."""
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()


def _id(record: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    for name in names:
        value = record.get(name)
        # Ids are strings in periti; many files write them as numbers.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value:
            return value
    raise FormatError(f"{where}: no id under {', '.join(names)}; the object has {', '.join(record)}")


def _text(record: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    for name in names:
        if isinstance(value := record.get(name), str):
            return value
    raise FormatError(f"{where}: no text under {', '.join(names)}; the object has {', '.join(record)}")
