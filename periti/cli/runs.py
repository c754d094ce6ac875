"""Run files of a command line: by score or by line, each under a name of its own; and the strata of judgements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from periti.errors import InputError
from periti.evaluation.sampled import Strata
from periti.types import Qrels, Run

NOT_SHOWN = "NS"
"""What CLEF TAR writes in a run's second column for a document that the user does not get to see."""


def read_runs(paths: Sequence[str], order: str = "score") -> list[Run]:
    """The runs; those that share a tag are named by their files, by whole paths if the files' names are shared too.

    Args:
        paths: TREC run files.
        order: "score", or "file" for the order of the lines, as CLEF TAR's own script takes it.

    Raises:
        InputError: a file is given twice.
        FormatError: a file is no run; names file and line.
    """
    from periti.datasets.trec import read_run

    if len(set(paths)) < len(paths):
        raise InputError(f"a run is given twice: {' '.join(paths)}; give each once")
    runs = [read_run(path) if order == "score" else _by_line(path) for path in paths]
    tags = [ranking.name for ranking in runs]
    names = [Path(path).name for path in paths]
    labels = names if len(set(names)) == len(names) else paths
    return [
        ranking if tags.count(ranking.name) == 1 else ranking.renamed(label)
        for ranking, label in zip(runs, labels, strict=True)
    ]


def read_strata(path: str, qrels: Qrels) -> Strata:
    """The strata of a file of lines `query document stratum`.

    Raises:
        FormatError: a line has not three columns; names file and line.
        InputError: a document of the judgements has no stratum, or two.
    """
    from periti.datasets.columns import ColumnFile

    return Strata.of(ColumnFile.of(path).table(("query_id", "doc_id", "stratum")), qrels)


def _by_line(path: str) -> Run:
    """A run whose order is that of the file's lines; lines of documents that are not shown are left out."""
    from periti.datasets.columns import ColumnFile
    from periti.datasets.trec import RUN_COLUMNS

    source = ColumnFile.of(path)
    table = source.table(RUN_COLUMNS)
    source.refuse_repeated(table, ["query_id", "doc_id"], "the query and document")
    shown = table.filter(pl.col("Q0") != NOT_SHOWN)
    place = pl.int_range(0, pl.len(), dtype=pl.Int64).over("query_id")
    tags = table["tag"].unique()
    name = tags[0] if len(tags) == 1 else Path(path).name
    return Run.of(shown.select("query_id", "doc_id", score=(-place).cast(pl.Float32)), name)
