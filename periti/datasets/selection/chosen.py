"""The file of what was chosen: the pool's own columns and a few more, in the pool's order, whole or not at all.

Chosen records go through a file of JSON lines first, so that the types of all columns are known before a Parquet file
begins and memory does not grow with the choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from periti.datasets.selection.blocks import Record
from periti.datasets.writing import whole_file
from periti.errors import FormatError, InputError

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")
PAIR_COLUMNS = ("query", "document", "doc_id", "title", "grade", "gain", "weight", "order")
"""What a file of pairs to train from may hold."""
BATCH = 1024
_LARGEST = 2**63


def check_ending(out: Path) -> None:
    """Raise FormatError if the name does not end like a file that can be written."""
    if not out.name.endswith(ENDINGS):
        raise FormatError(f"{out}: the ending is none of {', '.join(ENDINGS)}; choose one")


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name of a column that we add.

    Raises:
        InputError: the pool has it, with another meaning.
    """
    if name in taken:
        raise InputError(
            f"the pool has a column {name!r} of its own, under which the selection's is written; rename it"
        )
    return name


def write_chosen(records: Iterable[Record], out: Path, folder: Path, files: tuple[Path, ...]) -> None:
    """Write the records.

    Args:
        records: in order.
        out: its ending says the format.
        folder: for a file while this runs.
        files: of the pool; if all are Parquet with one schema, its columns keep their types.

    Raises:
        StorageError: writing failed; what was there before is untouched.
    """
    if not out.name.endswith(".parquet"):
        with whole_file(out) as stream:
            for record in records:
                stream.write(_line(record))
        return
    spool = folder / "chosen.jsonl"
    kinds: dict[str, str] = {}
    with spool.open("wb") as stream:
        for record in records:
            for key, value in record.items():
                kinds[key] = _wider(kinds.get(key, ""), value)
            stream.write(_line(record))
    with whole_file(out) as stream:
        _sink(spool, kinds, _schema(files), stream)
    spool.unlink()


def _line(record: Record) -> bytes:
    return (json.dumps(record, ensure_ascii=False, default=str) + "\n").encode()


def _wider(kind: str, value: Any) -> str:
    """The narrowest type that holds what the column held so far and this value."""
    if value is None:
        return kind
    own = {str: "text", bool: "bool", int: "int", float: "float"}.get(type(value), "json")
    if own == "int" and not -_LARGEST <= value < _LARGEST:
        own = "json"
    if kind in ("", own):
        return own
    return "float" if {kind, own} == {"int", "float"} else "json"


def _schema(files: tuple[Path, ...]) -> dict[str, pl.DataType]:
    """The one schema of Parquet files, else nothing."""
    import polars as pl

    if not all(path.suffix == ".parquet" for path in files):
        return {}
    schemas = []
    for path in files:
        try:
            schemas.append(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError):
            # A damaged file of the pool, which the job has counted.
            continue
    return dict(schemas[0]) if schemas and all(one == schemas[0] for one in schemas) else {}


def _sink(spool: Path, kinds: dict[str, str], own: dict[str, pl.DataType], stream: IO[bytes]) -> None:
    """The records of the spool as Parquet, a batch at a time."""
    import polars as pl
    from polars.io.plugins import register_io_source

    plain = {"text": pl.String(), "bool": pl.Boolean(), "int": pl.Int64(), "float": pl.Float64(), "": pl.String()}
    found: dict[str, pl.DataType] = {key: plain.get(kind, pl.String()) for key, kind in kinds.items()}
    schema = pl.Schema({key: own[key] if key in own and _kept(own[key]) else kind for key, kind in found.items()})
    nested = [key for key, kind in kinds.items() if kind == "json" and schema[key] == pl.String()]

    def frames() -> Iterator[pl.DataFrame]:
        with spool.open("rb") as lines:
            while block := list(islice(lines, BATCH)):
                rows = [json.loads(line) for line in block]
                for row in rows:
                    row.update({key: _text(row[key]) for key in nested if row.get(key) is not None})
                yield pl.DataFrame(rows, schema=schema)

    def source(*_: object) -> Iterator[pl.DataFrame]:
        return frames()

    register_io_source(source, schema=schema).sink_parquet(stream, row_group_size=BATCH)


def _kept(kind: pl.DataType) -> bool:
    """Whether values of the type come back from JSON as they were."""
    import polars as pl

    if isinstance(kind, pl.List):
        return _kept(kind.inner)  # type: ignore[arg-type]
    return kind.is_integer() or kind.is_float() or kind in (pl.String(), pl.Boolean())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
