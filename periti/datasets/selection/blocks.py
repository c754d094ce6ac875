"""A pool's files cut into blocks: raw lines where a line is a record, so that whoever works on a block also parses it.

Lines end at LF only. A record that can not be read is one `Bad`, whatever is wrong with it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from periti.datasets.reading import BOM, opened
from periti.errors import FormatError

Record = dict[str, Any]
ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".parquet")
MOST_DOCUMENTS = 4096
MOST_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Bad:
    """A record, or the rest of a file, that can not be read.

    Attributes:
        where: file, and line or record.
        why: what is wrong, as half a sentence.
        file: whether nothing after it could be read either.
    """

    where: str
    why: str
    file: bool = False

    def error(self) -> FormatError:
        """What to raise where nothing shall be passed over."""
        return FormatError(f"{self.where}: {self.why}, or pass over what can not be read (skip_bad, --skip-bad)")


@dataclass(frozen=True)
class Block:
    """Consecutive records of one file, small enough to hold.

    Attributes:
        path: the file.
        kind: its ending without `.gz`.
        first: number of the first line or record, from 1.
        raw: bytes of whole lines (JSONL, TSV and plain text), else empty.
        header: column names of a TSV file.
        parsed: records with their numbers where they can not be parsed later (CSV and Parquet).
        bad: what was found to be bad while the block was cut.
    """

    path: Path
    kind: str
    first: int
    raw: bytes = b""
    header: tuple[str, ...] = ()
    parsed: tuple[tuple[int, Record], ...] = ()
    bad: tuple[Bad, ...] = field(default=())

    def records(self) -> Iterator[tuple[int, Record] | Bad]:
        """Number and fields of every record, or what is wrong with it; blank lines are passed over."""
        yield from self.bad
        yield from self.parsed
        if not self.raw:
            return
        parse = {"tsv": self._cells, "txt": self._plain}.get(self.kind, self._object)
        for number, line in enumerate(self.raw.removesuffix(b"\n").split(b"\n"), self.first):
            if not line.strip():
                continue
            try:
                record = parse(line.decode("utf-8").removesuffix("\r"))
            except UnicodeDecodeError as error:
                yield Bad(
                    f"{self.path}:{number}", f"byte 0x{line[error.start]:02x} is not UTF-8; convert the file to UTF-8"
                )
            except ValueError as error:
                yield Bad(f"{self.path}:{number}", str(error))
            else:
                yield number, record

    @staticmethod
    def _plain(line: str) -> Record:
        return {"text": line}

    @staticmethod
    def _object(line: str) -> Record:
        try:
            record = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not JSON ({error}); write one object on each line") from error
        if not isinstance(record, dict):
            raise ValueError(f"expected a JSON object, found {line[:60]!r}; write one on each line")  # noqa: TRY004
        return record

    def _cells(self, line: str) -> Record:
        cells = line.split("\t")
        if len(cells) != len(self.header):
            raise ValueError(f"expected {len(self.header)} cells, found {len(cells)}; put one tab between two cells")
        return dict(zip(self.header, cells, strict=True))


def kind_of(path: Path) -> str:
    """The ending without dot and `.gz`.

    Raises:
        FormatError: it is none that can be read.
    """
    ending = Path(path.name.removesuffix(".gz")).suffix
    if ending not in ENDINGS or (ending == ".parquet" and path.suffix == ".gz"):
        raise FormatError(f"{path}: the ending is none of {', '.join(ENDINGS)} (all but Parquet may be .gz); rename it")
    return ending[1:]


def file_blocks(path: Path, documents: int = MOST_DOCUMENTS) -> Iterator[Block]:
    """The blocks of one file, in order; the last may be empty but for what is bad.

    Args:
        path: the file.
        documents: at most so many lines or records in a block; a block has few bytes more than MOST_BYTES.

    Raises:
        FormatError: another ending, or there is no such file. Damage inside is a `Bad` of the block.
    """
    kind = kind_of(path)
    if not path.is_file():
        raise FormatError(f"{path}: there is no such file; check the name and the folder")
    if kind == "parquet":
        return _parquet(path, documents)
    return _csv(path, documents) if kind == "csv" else _line_blocks(path, kind, documents)


def _line_blocks(path: Path, kind: str, documents: int) -> Iterator[Block]:
    header: tuple[str, ...] = ()
    first, held, lines = 1, 0, list[bytes]()
    bad: list[Bad] = []
    try:
        with opened(path) as stream:
            for number, whole in enumerate(_lines(stream), 1):
                line = whole.removeprefix(BOM.encode()) if number == 1 else whole
                if number == 1 and kind == "tsv":
                    header, first = tuple(line.decode("utf-8", "replace").rstrip("\r\n").split("\t")), 2
                    continue
                if len(line) > LONGEST_LINE:
                    bad.append(Bad(f"{path}:{number}", f"a line of more than {LONGEST_LINE >> 20} MiB; cut it"))
                    line = b"\n"
                lines.append(line)
                held += len(line)
                if len(lines) >= documents or held >= MOST_BYTES:
                    yield Block(path, kind, first, b"".join(lines), header, bad=tuple(bad))
                    first, held, lines, bad = number + 1, 0, [], []
    except FormatError as error:
        bad.append(_damage(path, error))
    if lines or bad:
        yield Block(path, kind, first, b"".join(lines), header, bad=tuple(bad))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines with their LF; of one that is too long only the beginning, one byte more than is allowed."""
    while line := stream.readline(LONGEST_LINE + 1):
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE + 1)
        yield line


def _csv(path: Path, documents: int) -> Iterator[Block]:
    # A process-wide limit of 128 kB for a cell; texts are longer.
    csv.field_size_limit(2**31 - 1)
    first, held, records = 2, 0, list[tuple[int, Record]]()
    bad: list[Bad] = []
    try:
        with opened(path) as stream:
            # Bytes that are not UTF-8 become half characters, which `Reader` finds in its record.
            texts = (line.decode("utf-8", "surrogateescape") for line in _lines(stream))
            reader = csv.reader((text.removeprefix(BOM) for text in texts), strict=True)
            header = next(reader, [])
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    why = f"expected {len(header)} cells, found {len(cells)}; quote cells that hold commas"
                    bad.append(Bad(f"{path}:{reader.line_num}", why))
                    continue
                records.append((reader.line_num, dict(zip(header, cells, strict=True))))
                held += sum(map(len, cells))
                if len(records) >= documents or held >= MOST_BYTES:
                    yield Block(path, "csv", first, parsed=tuple(records), bad=tuple(bad))
                    first, held, records, bad = reader.line_num + 1, 0, [], []
    except csv.Error as error:
        bad.append(Bad(f"{path}:{reader.line_num}", f"not CSV ({error}); mend the quoting", file=True))
    except FormatError as error:
        bad.append(_damage(path, error))
    if records or bad:
        yield Block(path, "csv", first, parsed=tuple(records), bad=tuple(bad))


def _parquet(path: Path, documents: int) -> Iterator[Block]:
    import polars as pl

    first = 1
    try:
        for batch in pl.scan_parquet(path).collect_batches(chunk_size=documents, maintain_order=True):
            for part in batch.iter_slices(documents):
                rows = tuple(enumerate(part.iter_rows(named=True), first))
                yield Block(path, "parquet", first, parsed=rows)
                first += len(rows)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        why = f"not a Parquet file that can be read ({reason}); check the file"
        yield Block(path, "parquet", first, bad=(Bad(str(path), why, file=True),))


def _damage(path: Path, error: FormatError) -> Bad:
    """A file that ends in damage, e.g. gzip data cut short."""
    return Bad(str(path), str(error).removeprefix(f"{path}: "), file=True)
