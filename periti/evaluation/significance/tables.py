"""Score tables as files: topics × systems, or the long form that `periti evaluate --per-query` writes."""

from __future__ import annotations

import csv
import math
from io import StringIO
from pathlib import Path

import polars as pl

from periti.errors import FormatError
from periti.evaluation.significance.scores import LONG, Missing, Scores, from_long

TOPIC_NAMES = ("query_id", "qid", "topic", "topic_id", "query")
MISSING_CELLS = ("", "NA", "NaN", "nan", "null")
Cells = dict[str, list[str]]


def read_scores(path: Path, *, measure: str = "score", missing: Missing = "refuse") -> list[Scores]:
    """The score tables of a file, one a measure.

    A CSV with columns run, query_id, measure, value holds any number of measures. Any other CSV is one table with a
    column a system and a row a topic; a first column named query_id, qid, topic, topic_id or query holds the topics'
    names. Without one the topics are numbered in the order of their scores, not of the rows, so that the order of rows
    can not reach a result. Empty cells, NA and NaN are missing.

    Args:
        path: ends in .csv, or .parquet for the long form.
        measure: what the numbers of a wide table are.
        missing: what a missing cell means.

    Raises:
        FormatError: the file can not be read as one of these; names file and line.
        InputError: as `Scores.of`.
    """
    collection = path.name.removesuffix(".csv").removesuffix(".parquet")
    if path.suffix == ".parquet":
        return from_long(_parquet(path), missing=missing, collection=collection)
    cells, lines = _cells(path)
    if set(LONG) <= set(cells):
        values = _numbers(path, lines, "value", cells["value"])
        names = {name: cells[name] for name in LONG[:3]}
        frame = pl.DataFrame({**names, "value": values}, schema_overrides={"value": pl.Float64})
        return from_long(frame, missing=missing, collection=collection)
    first = next(iter(cells))
    topics = cells.pop(first) if first.lower() in TOPIC_NAMES else None
    columns = {name: _numbers(path, lines, name, values) for name, values in cells.items()}
    if not columns:
        raise FormatError(f"{path}:1: there is no column of scores beside {first!r}; give one a system")
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))
    if topics is None:
        frame = frame.sort(sorted(columns))
        width = len(str(frame.height))
        topics = [f"topic {number:0{width}}" for number in range(1, frame.height + 1)]
    return [Scores.of(frame.insert_column(0, pl.Series("query_id", topics)), measure, missing=missing,
                      collection=collection)]  # fmt: skip


def _cells(path: Path) -> tuple[Cells, list[int]]:
    """Column name to its cells, and the line of every row."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FormatError(f"{path}: can not be read: {error.strerror or error}; check the name") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FormatError(f"{path}:{line}: byte {error.start} is not UTF-8; convert the file") from error
    reader = csv.reader(StringIO(content, newline=""))
    header, rows, lines = next(reader, []), [], []
    if not header:
        raise FormatError(f"{path}: the file is empty; give a header and a row a topic")
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or "" in names:
        raise FormatError(f"{path}:1: the column name {max(names, key=names.count)!r} is empty or repeated; name each")
    for row in reader:
        if not row:
            continue
        if len(row) != len(names):
            raise FormatError(f"{path}:{reader.line_num}: expected {len(names)} cells, found {len(row)}; mend the row")
        rows.append([cell.strip() for cell in row])
        lines.append(reader.line_num)
    if not rows:
        raise FormatError(f"{path}: there is no row of scores under the header; give one a topic")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}, lines


def _numbers(path: Path, lines: list[int], column: str, cells: list[str]) -> list[float | None]:
    """The cells as finite numbers, None where missing."""
    numbers: list[float | None] = []
    for line, cell in zip(lines, cells, strict=True):
        try:
            number = None if cell in MISSING_CELLS else float(cell)
        except ValueError:
            number = math.inf
        if number is not None and not math.isfinite(number):
            raise FormatError(
                f"{path}:{line}: {cell!r} of {column!r} is not a finite number; leave it empty if missing"
            )
        numbers.append(number)
    return numbers


def _parquet(path: Path) -> pl.DataFrame:
    """The long form of a Parquet file."""
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FormatError(f"{path}: is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error
    if set(LONG) - set(frame.columns):
        raise FormatError(f"{path}: expected the columns {', '.join(LONG)}, found {', '.join(frame.columns)}")
    return frame.select(LONG).with_columns(pl.col("value").cast(pl.Float64))
