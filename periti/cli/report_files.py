"""The files that `periti compare` can write besides what it prints: HTML, LaTeX, Parquet."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import FormatError, InputError

if TYPE_CHECKING:
    import polars as pl

    from periti.evaluation.reports.provenance import Provenance
    from periti.evaluation.significance import Study


def add_files(command: Any) -> None:
    """Add --html, --curves, --latex and --parquet."""
    files = command.add_argument_group("files")
    files.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures that needs no network")
    files.add_argument(
        "--curves", type=Path, metavar="FILE", help="CSV or Parquet of budget, method, value to draw on the page"
    )
    files.add_argument("--latex", type=Path, metavar="FILE", help="write LaTeX tables (booktabs)")
    files.add_argument(
        "--parquet", type=Path, metavar="FOLDER|FILE", help="write every frame, or the comparisons alone (.parquet)"
    )


def write_files(study: Study, arguments: argparse.Namespace) -> None:
    """Write what was asked for; the command line and the inputs' digests go along.

    Raises:
        InputError: a file can not be read or written, or there are curves and no page.
    """
    if arguments.curves is not None and arguments.html is None:
        raise InputError("--curves are drawn on the page; add --html FILE")
    if arguments.html is None and arguments.latex is None and arguments.parquet is None:
        return
    from periti.evaluation import reports

    provenance = provenance_of(arguments)
    if arguments.html is not None:
        curves = None if arguments.curves is None else _curves(arguments.curves)
        _write(arguments.html, reports.html(study, provenance=provenance, curves=curves))
    if arguments.latex is not None:
        _write(arguments.latex, reports.latex(study, provenance=provenance))
    if arguments.parquet is not None:
        reports.parquet(study, arguments.parquet, provenance=provenance)


def provenance_of(arguments: argparse.Namespace) -> Provenance:
    """The command line, digests of its inputs and versions: what stands under every report."""
    from periti.evaluation.reports.provenance import Provenance

    return Provenance(command=shlex.join(["periti", *sys.argv[1:]]), digests=_digests(arguments))


def _digests(arguments: argparse.Namespace) -> dict[str, str]:
    """The sha256 of every input that is a file; a collection's own digests are in its manifest."""
    named = [*arguments.runs, *(arguments.scores or ()), *([arguments.qrels] if arguments.qrels else [])]
    return {str(name): _digest(Path(name)) for name in named if Path(name).is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _curves(path: Path) -> pl.DataFrame:
    """The frame of adjudication curves."""
    import polars as pl

    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise FormatError(f"{path}: no curves can be read ({reason}); give a CSV or Parquet file") from error


def _write(path: Path, text: str) -> None:
    # A name may hold half a character, which no file can.
    data = text.encode("utf-8", "replace")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a file that can be written") from error
