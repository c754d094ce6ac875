"""Per-query values as a file whose suffix names the format; written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from periti.errors import InputError, StorageError
from periti.evaluation.summary import Evaluation

WRITERS: Mapping[str, Callable[[pl.DataFrame, Path], None]] = MappingProxyType(
    {
        ".parquet": lambda frame, path: frame.write_parquet(path),
        ".csv": lambda frame, path: frame.write_csv(path),
        ".json": lambda frame, path: frame.write_json(path),
        ".jsonl": lambda frame, path: frame.write_ndjson(path),
    }
)


def per_query_frame(evaluations: Sequence[Evaluation]) -> pl.DataFrame:
    """Columns run, query_id, measure (String), value (Float64, unrounded, null where not counted)."""
    return pl.concat(
        e.per_query.select(pl.lit(e.run).alias("run"), "query_id", "measure", "value") for e in evaluations
    )


def require_writable_suffix(path: Path) -> None:
    """Refuse a suffix that names no format, before anything is computed.

    Raises:
        InputError: the suffix is none of `WRITERS`.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: no format is named {path.suffix!r}; end the file name with {', '.join(WRITERS)}")


def write_per_query(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the values of every run, measure and query to `path`, replacing it only once all is written.

    Raises:
        InputError: the suffix names no format.
        StorageError: the folder is absent or not writable, or the disk is full; an older file is untouched.
    """
    require_writable_suffix(path)
    frame = per_query_frame(evaluations)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        os.close(handle)
        partial = Path(name)
        try:
            WRITERS[path.suffix](frame, partial)
            # mkstemp keeps others out; a result file is as readable as the folder's other files.
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: can not be written: {error.strerror or error}; give a writable place") from error


def _umask() -> int:
    """The permissions this program denies to new files; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
