"""TREC files: runs (six columns) and relevance judgements (four columns; BEIR's three with a header are read too).

The rank column of a run is ignored, as in trec_eval: the score orders. Evaluators differ in how they break ties and
in the width of a float, so `write_run` prints strictly decreasing scores that differ even as float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.datasets.columns import ColumnFile
from periti.datasets.topics import read_topics, write_topics
from periti.datasets.writing import whole_file
from periti.errors import FormatError, InputError
from periti.types import Qrels, Run

__all__ = ["read_qrels", "read_run", "read_topics", "write_qrels", "write_run", "write_topics"]

RUN_COLUMNS = ("query_id", "Q0", "doc_id", "rank", "score", "tag")
QRELS_COLUMNS = ("query_id", "iteration", "doc_id", "relevance")
BEIR_COLUMNS = ("query_id", "doc_id", "relevance")

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d+$"
_LARGEST = float(np.finfo(np.float32).max)


def read_run(path: Path | str) -> Run:
    """The run of a TREC file (`.gz` unpacked, `-` is standard input), named by its tag.

    A file whose lines carry several tags is named by its file name, since no tag names the whole.

    Raises:
        FormatError: the file is empty or not UTF-8, or a line has not six columns, a score that is not a finite
            float32 number, or a pair that was listed before; names file and line.
    """
    source = ColumnFile.of(path)
    table = source.table(RUN_COLUMNS)
    if not table.height:
        raise FormatError(f"{source.name}: the file holds no line; give a run with at least one document")
    score = table["score"]
    source.refuse(~score.str.contains(_NUMBER), score, "score {!r} is not a finite number; mend the system's output")
    number = score.cast(pl.Float64)
    source.refuse(number.abs() > _LARGEST, score, "score {!r} is beyond float32; scale the scores")
    source.refuse_repeated(table, ["query_id", "doc_id"], "the query and document")
    tags = table["tag"].unique()
    name = tags[0] if len(tags) == 1 else _stem(source.name)
    scored = table.select("query_id", "doc_id", number.cast(pl.Float32).alias("score"))
    return Run.of(scored, name)


def write_run(run: Run, path: Path | str) -> None:
    """Write a run as a TREC file, whole or not at all (packed if the name ends in `.gz`).

    A score that does not fall below the one before is lowered to the next float32, so that every evaluator keeps the
    order; all other scores are printed exactly.

    Raises:
        InputError: an id or the run's name is empty or holds a blank, which the format can not carry.
        StorageError: writing failed; an older file is untouched.
    """
    _refuse_blanks(run.frame, ("query_id", "doc_id"), f"run {run.name!r}")
    if not run.name or len(run.name.split()) != 1:
        raise InputError(f"run {run.name!r}: a TREC tag is one word; rename the run before writing it")
    frame = run.frame.sort("query_id", "rank")
    printed = pl.Series("score", falling(frame["score"].to_numpy(), frame["rank"].to_numpy()).astype(np.float64))
    table = frame.select("query_id", pl.lit("Q0").alias("Q0"), "doc_id", "rank", printed, pl.lit(run.name).alias("tag"))
    _write_columns(table, Path(path))


def falling(scores: NDArray[np.float32], ranks: NDArray[np.int32]) -> NDArray[np.float32]:
    """Scores that fall strictly within every query, each at most a few float32 steps from its own.

    Args:
        scores: float32 (n,), finite, in order of rank within each query, queries one after the other.
        ranks: int32 (n,), 1 where a query begins.
    """
    steps = _steps(scores)
    begins = np.flatnonzero(ranks == 1)
    ends = np.append(begins[1:], len(steps))
    lowest = int(_steps(np.array([-_LARGEST], dtype=np.float32))[0])
    for begin, end in zip(begins, ends, strict=True):
        index = np.arange(end - begin)
        # s[i] = min(s[i], s[i-1] - 1) for all i at once; then never so low that a later one would not fit.
        lowered = np.minimum.accumulate(steps[begin:end] + index) - index
        steps[begin:end] = np.maximum(lowered, lowest + index[::-1])
    return _from_steps(steps)


def read_qrels(path: Path | str, name: str | None = None) -> Qrels:
    """The judgements of a TREC file, or of a BEIR file (three columns under a header), `.gz` unpacked.

    Args:
        path: the file.
        name: named in messages; the file's name by default.

    Raises:
        FormatError: the file is empty or not UTF-8, or a line has another number of columns, a relevance that is not
            an integer, or a pair that was judged before; names file and line.
    """
    source = ColumnFile.of(path)
    first = source.first()
    columns: tuple[str, ...] = QRELS_COLUMNS
    if len(first) == 3 and not first[2].lstrip("+-").isdigit():
        source, columns = ColumnFile(source.name, source.data, tabs=True, skip=_header_line(source)), BEIR_COLUMNS
    table = source.table(columns)
    if not table.height:
        raise FormatError(f"{source.name}: the file holds no judgement; give qrels with at least one line")
    for key in ("query_id", "doc_id"):
        source.refuse(table[key] == "", table[key], f"the {key} is empty; every judgement needs one")
    grade = table["relevance"]
    source.refuse(~grade.str.contains(_INTEGER), grade, "relevance {!r} is not an integer; write 0, 1, 2, ...")
    number = grade.str.strip_prefix("+").cast(pl.Int32, strict=False)
    source.refuse(number.is_null(), grade, "relevance {!r} is beyond 32 bits; write 0, 1, 2, ...")
    source.refuse_repeated(table, ["query_id", "doc_id"], "the judgement of")
    return Qrels.of(table.select("query_id", "doc_id", number.alias("relevance")), name or _stem(source.name))


def write_qrels(qrels: Qrels, path: Path | str) -> None:
    """Write judgements as a TREC file, whole or not at all (packed if the name ends in `.gz`).

    Raises:
        InputError: an id holds a blank, which the format can not carry.
        StorageError: writing failed; an older file is untouched.
    """
    _refuse_blanks(qrels.frame, ("query_id", "doc_id"), qrels.name)
    _write_columns(qrels.frame.select("query_id", pl.lit("0").alias("iteration"), "doc_id", "relevance"), Path(path))


def _header_line(source: ColumnFile) -> int:
    return next(source.rows())[0]


def _stem(name: str) -> str:
    return Path(name).name.removesuffix(".gz").rsplit(".", 1)[0].replace(" ", "_") or "run"


def _refuse_blanks(frame: pl.DataFrame, columns: tuple[str, ...], what: str) -> None:
    for column in columns:
        # What readers split on: ASCII blanks and line ends.
        bad = frame[column].str.contains(r"[ \t\n\r\x0b\x0c]")
        if bad.any():
            value = frame[column].filter(bad)[0]
            raise InputError(f"{what}: the {column} {value!r} holds a blank, which a TREC file can not; change the id")


def _write_columns(table: pl.DataFrame, path: Path) -> None:
    with whole_file(path) as stream:
        for part in table.iter_slices(200_000):
            text = part.write_csv(separator=" ", include_header=False, quote_style="never")
            stream.write(text.encode())


def _steps(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """int64 (n,): neighbouring float32 numbers become neighbouring integers; both zeros become 0."""
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _from_steps(steps: NDArray[np.int64]) -> NDArray[np.float32]:
    bits = np.where(steps < 0, (-steps) | 0x80000000, steps)
    return bits.astype(np.uint32).view(np.float32)
