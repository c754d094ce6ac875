"""Files of fixed columns (runs, judgements): parsed by polars at once, read line by line only to name an error."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from periti.datasets.reading import decoded, read_bytes
from periti.errors import FormatError

BLANKS = bytes.maketrans(b"\t\r\v\f", b"    ")


@dataclass(frozen=True)
class ColumnFile:
    """The bytes of a file whose lines have a fixed number of columns; blank lines do not count.

    Columns are separated by runs of ASCII blanks, or by single tabs if `tabs`; `skip` leading lines are a header.
    """

    name: str
    data: bytes
    tabs: bool = False
    skip: int = 0

    @classmethod
    def of(cls, path: Path | str) -> ColumnFile:
        """Read a file; `-` is standard input.

        Raises:
            FormatError: the file can not be read or is not UTF-8.
        """
        if str(path) == "-":
            name, data = "standard input", sys.stdin.buffer.read()
        else:
            name, data = str(path), read_bytes(Path(path))
        decoded(data, name)
        return cls(name, data)

    def table(self, names: Sequence[str]) -> pl.DataFrame:
        """The columns as strings.

        Raises:
            FormatError: a line has another number of columns; names file and line.
        """
        fast = self._fast(names)
        if fast is not None:
            return fast
        rows = []
        for number, fields in self.rows():
            if len(fields) != len(names):
                raise FormatError(
                    f"{self.name}:{number}: expected {len(names)} columns, found {len(fields)}; "
                    f"a line holds {' '.join(names)}"
                )
            rows.append(fields)
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of every line that is not blank, after the header."""
        number, start, length = 0, 0, len(self.data)
        while start < length:
            end = self.data.find(b"\n", start)
            end = length if end < 0 else end
            raw, start, number = self.data[start:end], end + 1, number + 1
            if number > self.skip and raw.strip():
                fields = raw.rstrip(b"\r").split(b"\t") if self.tabs else raw.split()
                yield number, [field.decode().strip() for field in fields]

    def line_of(self, row: int) -> int:
        """The line number of a row of `table`."""
        for index, (number, _) in enumerate(self.rows()):
            if index == row:
                return number
        raise IndexError(row)

    def first(self) -> list[str]:
        """The fields of the first line that is not blank; empty if there is none."""
        return next(self.rows(), (0, []))[1]

    def refuse(self, bad: pl.Series, column: pl.Series, what: str) -> None:
        """Name the line of the first true row of `bad`.

        Raises:
            FormatError: there is one.
        """
        if bad.any():
            row = int(bad.arg_true()[0])
            raise FormatError(f"{self.name}:{self.line_of(row)}: {what.format(column[row])}")

    def refuse_repeated(self, table: pl.DataFrame, key: Sequence[str], thing: str) -> None:
        """Name the two lines that hold the first repeated key.

        Raises:
            FormatError: a key is repeated.
        """
        repeated = ~table.select(pl.struct(key).is_first_distinct()).to_series()
        if repeated.any():
            row = int(repeated.arg_true()[0])
            values = table.select(key).row(row)
            same = pl.all_horizontal(pl.col(name) == value for name, value in zip(key, values, strict=True))
            first = int(table.select(same).to_series().arg_true()[0])
            raise FormatError(
                f"{self.name}:{self.line_of(row)}: {thing} {' '.join(values)!r} stands on line {self.line_of(first)} "
                "already; keep one"
            )

    def _fast(self, names: Sequence[str]) -> pl.DataFrame | None:
        """The columns if every line is regular, else None."""
        if self.tabs or self.skip:
            return None
        flat = self.data.translate(BLANKS)
        if b"  " in flat:
            flat = re.sub(rb"  +", b" ", flat)
        flat = flat.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip(b" \n")
        if b"\n\n" in flat:
            flat = re.sub(rb"\n\n+", b"\n", flat)
        # As many blanks as n regular lines have, and a last cell on every line: then every line is regular.
        if not flat or flat.count(b" ") != (flat.count(b"\n") + 1) * (len(names) - 1):
            return None
        schema = dict.fromkeys(names, pl.String)
        try:
            table = pl.read_csv(flat, has_header=False, separator=" ", quote_char=None, schema=schema)
        except pl.exceptions.PolarsError:
            return None
        return None if table[names[-1]].null_count() else table
