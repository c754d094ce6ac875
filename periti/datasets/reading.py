"""Files read in place: gzip and tar streamed, lines split on LF only, UTF-8 or a sentence that says where not.

Python's text mode would also split at a lone CR, and `str.splitlines` at U+2028 and five other characters; real
collections hold all of them inside a record, so lines are split as bytes here, by everybody.
"""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from periti.errors import FormatError

BOM = "\ufeff"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes as a stream, unpacked if its name ends in `.gz`.

    Raises:
        FormatError: no such file, or not whole gzip data.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield cast(IO[bytes], stream)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: there is no such file; check the name and the folder") from error
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        raise FormatError(f"{path}: the packed file is cut short or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise FormatError(f"{path}: can not be read ({error.strerror or error}); check the file's rights") from error


def read_bytes(path: Path) -> bytes:
    """The whole file, unpacked, without a byte-order mark."""
    with opened(path) as stream:
        return stream.read().removeprefix(BOM.encode())


def decoded(raw: bytes, path: Path | str, line: int = 1) -> str:
    """The bytes as text.

    Args:
        raw: bytes that begin at the start of a line.
        path: named in the message.
        line: the number of the first line, from 1.

    Raises:
        FormatError: the bytes are not UTF-8; names file, line and byte.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        number = line + raw.count(b"\n", 0, error.start)
        raise FormatError(
            f"{path}:{number}: byte 0x{raw[error.start]:02x} is not UTF-8; convert the file to UTF-8"
        ) from error


def begins_with(path: Path, mark: bytes) -> bool:
    """Whether the file's first bytes that are not blank are `mark`."""
    with opened(path) as stream:
        return stream.read(4096).removeprefix(BOM.encode()).lstrip().startswith(mark)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without their LF or CR LF, streamed; blank lines are passed over.

    Raises:
        FormatError: the file can not be read or is not UTF-8.
    """
    with opened(path) as stream:
        for number, raw in enumerate(stream, 1):
            line = decoded(raw, path, number)
            line = (line.removeprefix(BOM) if number == 1 else line).removesuffix("\n").removesuffix("\r")
            if line.strip():
                yield number, line


def tab_pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, id and text of `id<TAB>text` lines; further tabs belong to the text.

    Raises:
        FormatError: a line without a tab or with an empty id.
    """
    for number, line in lines(path):
        key, tab, text = line.partition("\t")
        if not tab or not key.strip():
            raise FormatError(f"{path}:{number}: expected id<TAB>text, found {line[:60]!r}; put a tab after the id")
        yield number, key.strip(), text.strip()


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of every line of a JSON-lines file.

    Raises:
        FormatError: a line is not a JSON object.
    """
    for number, line in lines(path):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise FormatError(f"{path}:{number}: not JSON ({error}); write one object on each line") from error
        if not isinstance(record, dict):
            raise FormatError(f"{path}:{number}: expected a JSON object, found {line[:60]!r}; write one on each line")
        yield number, record


def json_document(path: Path) -> Any:
    """The one JSON value of a file.

    Raises:
        FormatError: the file is not JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 ({error}); convert the file to UTF-8") from error
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); fetch the file again") from error


def csv_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number of its end, and cells by column, of every record of a CSV file with a header; every cell is text.

    Raises:
        FormatError: a record has more or fewer cells than the header, or the file is not UTF-8.
    """
    # A process-wide limit of 128 kB for a cell; legal texts are longer.
    csv.field_size_limit(2**31 - 1)
    with opened(path) as stream:
        texts = (decoded(raw, path, number) for number, raw in enumerate(stream, 1))
        reader = csv.reader((text.removeprefix(BOM) for text in texts), strict=True)
        try:
            header = next(reader, [])
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise FormatError(
                        f"{path}:{reader.line_num}: expected {len(header)} cells, found {len(cells)}; "
                        "quote cells that hold commas"
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise FormatError(f"{path}:{reader.line_num}: not CSV ({error}); mend the quoting") from error


def tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file of a tar archive in its order, one at a time; nothing is unpacked to disk."""
    with opened(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read()
