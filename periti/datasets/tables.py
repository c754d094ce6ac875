"""CSV and Parquet tables of documents, queries, judgements or a run: columns by name, every cell text, nothing guessed.

"NA", "null" and the empty cell are texts. CSV documents stream record by record, Parquet ones by row group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO

import polars as pl

from periti.datasets.reading import csv_records
from periti.datasets.writing import whole_file
from periti.errors import FormatError, InputError, PeritiError
from periti.types import Document, Qrels, Queries, Run

SUFFIXES = (".csv", ".csv.gz", ".parquet")
BATCH = 4096

# Accepted spellings of a column, the first being what we write.
DOC_ID = ("doc_id", "_id", "id", "docid", "corpus-id")
QUERY_ID = ("query_id", "_id", "id", "qid", "query-id")
TEXT = ("text", "contents", "content", "query")
RELEVANCE = ("relevance", "score", "label", "grade")


def is_table(path: Path) -> bool:
    """Whether the name ends like a table's."""
    return path.name.endswith(SUFFIXES)


def read_documents(path: Path | str) -> Iterator[Document]:
    """Documents of a table with columns doc_id, text and optionally title, streamed; other columns become metadata.

    Raises:
        FormatError: a column is missing, an id is empty, or the file is not such a table.
    """
    path = Path(path)
    names: tuple[str, str] | None = None
    for place, record in enumerate(_records(path), 1):
        if names is None:
            names = _named(DOC_ID, list(record), path), _named(TEXT, list(record), path)
        doc_id, text = record[names[0]], record[names[1]]
        if not doc_id:
            raise FormatError(f"{path}: record {place} has an empty {names[0]}; give every document an id")
        metadata = {key: value for key, value in record.items() if key not in (*names, "title")}
        yield Document(doc_id, text, record.get("title", ""), metadata)


def read_queries(path: Path | str) -> Queries:
    """Queries of a table with columns query_id and text.

    Raises:
        FormatError: a column is missing, an id is repeated or a text empty.
    """
    return Queries.of(_renamed(Path(path), {"query_id": QUERY_ID, "text": TEXT}))


def read_qrels(path: Path | str) -> Qrels:
    """Judgements of a table with columns query_id, doc_id, relevance.

    Raises:
        FormatError: a column is missing or a relevance is not an integer.
        SchemaError: a pair is judged twice.
    """
    path = Path(path)
    frame = _renamed(path, {"query_id": QUERY_ID, "doc_id": DOC_ID, "relevance": RELEVANCE})
    return Qrels.of(_numbers(frame, "relevance", pl.Int32(), path), path.name.split(".")[0])


def read_run(path: Path | str) -> Run:
    """A run of a table with columns query_id, doc_id, score; named by the file.

    Raises:
        FormatError: a column is missing or a score is not a number.
        SchemaError: a pair is listed twice, or a score is not finite.
    """
    path = Path(path)
    frame = _renamed(path, {"query_id": QUERY_ID, "doc_id": DOC_ID, "score": ("score",)})
    return Run.of(_numbers(frame, "score", pl.Float32(), path), path.name.split(".")[0])


def write_table(frame: pl.DataFrame, path: Path | str) -> None:
    """Write a frame as CSV or Parquet by the name's ending, whole or not at all.

    Raises:
        FormatError: the name has another ending.
        StorageError: writing failed; an older file is untouched.
    """
    path = Path(path)
    if not is_table(path):
        raise FormatError(f"{path}: the ending is none of {', '.join(SUFFIXES)}; choose one")
    with whole_file(path) as stream:
        if path.suffix == ".parquet":
            frame.write_parquet(stream)
        else:
            stream.write(frame.write_csv().encode())


def write_documents(documents: Iterable[Document], path: Path | str) -> int:
    """Write documents as CSV or Parquet by the name's ending, whole or not at all, streamed; the number written.

    Columns are doc_id, title, text and the metadata of the first document, whose values must be texts.

    Raises:
        FormatError: the name has another ending.
        InputError: a document's metadata has other keys than the first one's, a key that is a column's name, or a
            value that is not a text.
        StorageError: writing failed; an older file is untouched.
    """
    path = Path(path)
    if not is_table(path):
        raise FormatError(f"{path}: the ending is none of {', '.join(SUFFIXES)}; choose one")
    iterator = iter(documents)
    first = list(islice(iterator, 1))
    keys = tuple(first[0].metadata) if first else ()
    reserved = {*DOC_ID, *TEXT, "title"} & set(keys)
    if reserved:
        raise InputError(f"{path}: the metadata key {min(reserved)!r} is a column's own name; rename it")
    schema = dict.fromkeys(("doc_id", "title", "text", *keys), pl.String())
    count = 0

    def rows() -> Iterator[tuple[str, ...]]:
        nonlocal count
        for document in chain(first, iterator):
            yield _row(document, keys)
            count += 1

    with whole_file(path) as stream:
        if path.suffix == ".parquet":
            _sink_parquet(_frames(rows(), schema), schema, stream)
        else:
            stream.write(pl.DataFrame(schema=schema).write_csv().encode())
            for frame in _frames(rows(), schema):
                stream.write(frame.write_csv(include_header=False).encode())
    return count


def _row(document: Document, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The cells of a document: id, title, text, and its metadata in the order of `keys`."""
    if set(document.metadata) != set(keys):
        raise InputError(
            f"document {document.doc_id!r} has metadata {sorted(document.metadata)}, the first one {sorted(keys)}; "
            "give all the same keys or write JSONL"
        )
    values = [document.metadata[key] for key in keys]
    strange = next((value for value in values if not isinstance(value, str)), None)
    if strange is not None:
        raise InputError(
            f"document {document.doc_id!r} has the metadata value {strange!r}, which is no text; write JSONL"
        )
    return (document.doc_id, document.title, document.text, *values)


def _frames(rows: Iterator[tuple[str, ...]], schema: dict[str, pl.String]) -> Iterator[pl.DataFrame]:
    while block := list(islice(rows, BATCH)):
        yield pl.DataFrame(block, schema=schema, orient="row")


def _sink_parquet(frames: Iterator[pl.DataFrame], schema: dict[str, pl.String], stream: IO[bytes]) -> None:
    """Write frames one by one, by polars' own writer."""
    from polars.io.plugins import register_io_source

    def source(*_: object) -> Iterator[pl.DataFrame]:
        return frames

    register_io_source(source, schema=schema).sink_parquet(stream, row_group_size=BATCH)


def _records(path: Path) -> Iterator[dict[str, str]]:
    if path.suffix != ".parquet":
        for _, record in csv_records(path):
            yield record
        return
    try:
        scan = pl.scan_parquet(path)
        strings = scan.select(pl.all().cast(pl.String).fill_null(""))
        for batch in strings.collect_batches(chunk_size=BATCH, maintain_order=True):
            yield from batch.iter_rows(named=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _renamed(path: Path, columns: dict[str, Sequence[str]]) -> pl.DataFrame:
    """The asked columns under our names, as strings."""
    if path.suffix == ".parquet":
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(path, error) from error
    else:
        # Not polars' reader: it fills a short record with nulls, where ours names the line.
        frame = pl.DataFrame([record for _, record in csv_records(path)], infer_schema_length=1)
    chosen = {name: _named(spellings, frame.columns, path) for name, spellings in columns.items()}
    # An empty cell is the empty string.
    texts = (pl.col(found).cast(pl.String).fill_null("").alias(name) for name, found in chosen.items())
    return frame.select(texts)


def _numbers(frame: pl.DataFrame, column: str, dtype: pl.DataType, path: Path) -> pl.DataFrame:
    numbers = frame[column].cast(dtype, strict=False)
    bad = numbers.is_null()
    if bad.any():
        row = int(bad.arg_true()[0])
        raise FormatError(
            f"{path}: record {row + 1} has {column} {frame[column][row]!r}, which is not a number of type {dtype}; "
            "mend the cell"
        )
    return frame.with_columns(numbers.alias(column))


def _named(spellings: Sequence[str], columns: Sequence[str], path: Path) -> str:
    for name in spellings:
        if name in columns:
            return name
    raise FormatError(f"{path}: no column {' or '.join(spellings)}, found {', '.join(columns)}; rename one")


def _unreadable(path: Path, error: Exception) -> PeritiError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FormatError(f"{path}: not a table that can be read ({first}); check the file")
