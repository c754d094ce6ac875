"""Real runs and judgements that adjudication is studied on, read in place from the folder of collections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

from periti.errors import DatasetError, UnknownName
from periti.registry import nearest
from periti.types import Qrels, Run

if TYPE_CHECKING:
    from periti.evaluation.adjudication.pool import Unjudged


@dataclass(frozen=True)
class StudyData:
    """One collection of runs.

    Args:
        runs, qrels: what is simulated.
        measure: the official measure of the collection, or the one its study was published with.
        unjudged: what a pooled document without a judgement is.
        notes: what a reader must know of the runs.
    """

    runs: tuple[Run, ...]
    qrels: Qrels
    measure: str
    unjudged: Unjudged
    notes: tuple[str, ...]


def open_study(name: str, data: Path | None = None) -> StudyData:
    """The runs and judgements of that name.

    Args:
        name: clef-tar-2017 or trec-covid-round1.
        data: the folder of collections; as for datasets without it.

    Raises:
        UnknownName: another name.
        DatasetError: the files are absent.
    """
    from periti.datasets.dataset import data_folder

    if name not in STUDIES:
        raise UnknownName(f"no adjudication study named {name!r}; {nearest(name, STUDIES)}")
    folder, read = STUDIES[name]
    place = data_folder(data) / folder
    if not place.is_dir():
        raise DatasetError(f"{name}: there is no folder {place}; set PERITI_DATA to the folder that holds {folder}/")
    return read(place)


def _clef_tar_2017(folder: Path) -> StudyData:
    """The 15 distinct 30-query runs of CLEF TAR 2017 that were available, in the order of their lines, as tar_eval."""
    from periti.datasets.trec import read_qrels

    read = [_by_line(path) for path in _files(folder / "2017-runs")]
    repeated = [f"{run.name} ({count})" for run, count in read if count]
    notes = ["Runs are ranked by the order of their lines, as the track's own script does."]
    if repeated:
        notes.append(f"Lines that repeat a document are left out: {', '.join(repeated)}.")
    qrels = read_qrels(folder / "2017.qrel_abs_test.txt.gz", "clef-tar-2017")
    return StudyData(tuple(run for run, _ in read), qrels, "AP@1000", "nonrelevant", tuple(notes))


def _trec_covid_round1(folder: Path) -> StudyData:
    """All 143 runs of TREC-COVID round 1, 100 documents a query."""
    from periti.datasets.trec import read_qrels, read_run

    runs = [read_run(path).renamed(path.name.removesuffix(".gz")) for path in _files(folder / "top100")]
    qrels = read_qrels(folder / "qrels-rnd1.txt.gz", "trec-covid-round1")
    note = (
        "Only judged documents are in the pool: most pooled documents were never judged, and nobody knows what an "
        "assessor would have said. So gold is itself an incomplete pool."
    )
    return StudyData(tuple(runs), qrels, "nDCG@10", "leave-out", (note,))


STUDIES: Mapping[str, tuple[str, Callable[[Path], StudyData]]] = MappingProxyType(
    {"clef-tar-2017": ("clef-tar", _clef_tar_2017), "trec-covid-round1": ("trec-covid-round1-runs", _trec_covid_round1)}
)


def _files(folder: Path) -> list[Path]:
    """The files of a folder, by name."""
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not found:
        raise DatasetError(f"{folder}: no runs there; set PERITI_DATA to the folder of the collections")
    return found


def _by_line(path: Path) -> tuple[Run, int]:
    """A run ranked by its lines, named by its file, and how many lines repeat a document."""
    from periti.datasets.columns import ColumnFile
    from periti.datasets.trec import RUN_COLUMNS

    table = ColumnFile.of(path).table(RUN_COLUMNS)
    kept = table.unique(["query_id", "doc_id"], keep="first", maintain_order=True)
    place = pl.int_range(0, pl.len(), dtype=pl.Int64).over("query_id")
    scored = kept.select("query_id", "doc_id", score=(-place).cast(pl.Float32))
    name = path.name.removesuffix(".gz")
    return Run.of(scored, name), table.height - kept.height
