"""Records of a JSONL, CSV, TSV or Parquet file, each with its place, and fields of them that are what they must be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from periti.datasets.reading import csv_records, json_lines, lines
from periti.errors import FormatError

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
Record = dict[str, Any]


def records(path: Path) -> Iterator[tuple[str, Record]]:
    """Place ("pairs.jsonl:3", for messages) and fields of every record, streamed; null and empty cells are left out.

    Args:
        path: its ending says what it is; all but Parquet may be packed (`.gz`).

    Raises:
        FormatError: no such file, another ending, or a record that can not be read; names the place.
    """
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind == ".parquet":
        numbered, of = _parquet(path), ": record "
    elif kind in (".jsonl", ".csv", ".tsv"):
        numbered, of = {".jsonl": json_lines, ".csv": csv_records, ".tsv": _tsv}[kind](path), ":"
    else:
        raise FormatError(f"{path}: the ending is none of {', '.join(SUFFIXES)}; write one of these formats")
    for number, record in numbered:
        yield f"{path}{of}{number}", {key: value for key, value in record.items() if value not in (None, "")}


def _tsv(path: Path) -> Iterator[tuple[int, Record]]:
    """Cells between tabs, under the names of the first line; quotes are part of a text."""
    header: list[str] = []
    for number, line in lines(path):
        cells = line.split("\t")
        if not header:
            header = cells
        elif len(cells) != len(header):
            raise FormatError(
                f"{path}:{number}: expected {len(header)} cells, found {len(cells)}; put one tab between two cells"
            )
        else:
            yield number, dict(zip(header, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
    try:
        batches = pl.scan_parquet(path).collect_batches(chunk_size=4096, maintain_order=True)
        number = 0
        for batch in batches:
            for record in batch.iter_rows(named=True):
                number += 1
                yield number, record
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"{path}: not a Parquet file that can be read ({first}); check the file") from error


def text_of(record: Record, name: str, where: str) -> str:
    """A text that says something.

    Raises:
        FormatError: it is missing, blank, no text, or holds half a character.
    """
    value = record.get(name, "")
    if not isinstance(value, str):
        raise FormatError(f"{where}: {name} is {value!r}, which is no text; write a string")
    if not value.strip():
        raise FormatError(f"{where}: {name} is missing or blank; give it a text, or take the record out")
    return whole(value, name, where)


def whole(text: str, name: str, where: str) -> str:
    """The text; raises FormatError if it holds half a character, which no index can store."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"{where}: {name} holds half a character (a lone surrogate); mend the text") from error
    return text


def number_of(record: Record, name: str, where: str, default: float | None = None) -> float:
    """A finite number, or one written as text.

    Raises:
        FormatError: it is missing and has no default, is no number, or not finite.
    """
    value = record.get(name, default)
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        found = "missing" if value is None else repr(value)
        raise FormatError(f"{where}: {name} is {found}; write a finite number")
    return number
