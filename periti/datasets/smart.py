"""SMART files, the layout of the classic collections: `.I number`, then `.T`, `.A`, `.B`, `.W` ... on own lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.reading import lines
from periti.datasets.writing import whole_file
from periti.errors import FormatError, InputError
from periti.types import Document

_NUMBER = re.compile(r"\.I\s+(\S+)\s*")
_FIELD = re.compile(r"\.([A-Z])\s*")


@dataclass(frozen=True)
class SmartRecord:
    """One record: its number as written, and the lines of each field (by letter) joined by LF, blanks at ends cut."""

    number: str
    fields: Mapping[str, str]

    def text(self, field: str = "W") -> str:
        """The field with every run of blanks and line ends made one blank; empty if the record has none."""
        return " ".join(self.fields.get(field, "").split())


def read_smart(path: Path | str) -> Iterator[SmartRecord]:
    """The records of a SMART file (`.gz` unpacked), streamed, CR LF or LF.

    Raises:
        FormatError: text before the first `.I` or before a field, or not UTF-8; names file and line.
    """
    path = Path(path)
    number: str | None = None
    field: str | None = None
    fields: dict[str, list[str]] = {}
    for line_number, line in lines(path):
        if begins := _NUMBER.fullmatch(line):
            if number is not None:
                yield _record(number, fields)
            number, field, fields = begins[1], None, {}
        elif number is not None and (marker := _FIELD.fullmatch(line)):
            field = marker[1]
            fields.setdefault(field, [])
        elif field is None:
            raise FormatError(f"{path}:{line_number}: expected .I or a field like .W, found {line[:60]!r}; not SMART")
        else:
            fields[field].append(line)
    if number is not None:
        yield _record(number, fields)


def read_smart_documents(path: Path | str) -> Iterator[Document]:
    """Documents of a SMART file: id from `.I`, title from `.T`, text from `.W`.

    Raises:
        FormatError: as `read_smart`.
    """
    for record in read_smart(path):
        yield Document(record.number, record.text(), record.text("T"))


def write_smart(documents: Iterable[Document], path: Path | str) -> None:
    """Write documents as a SMART file, whole or not at all.

    Raises:
        InputError: a line of a text looks like a marker of the format, or an id holds a blank.
        StorageError: writing failed; an older file is untouched.
    """
    with whole_file(Path(path)) as stream:
        for document in documents:
            if len(document.doc_id.split()) != 1:
                raise InputError(f"document {document.doc_id!r}: a SMART number is one word; change the id")
            stream.write(f".I {document.doc_id}\n".encode())
            for letter, content in (("T", document.title), ("W", document.text)):
                if any(_NUMBER.fullmatch(line) or _FIELD.fullmatch(line) for line in content.split("\n")):
                    raise InputError(f"document {document.doc_id!r}: a line of its text looks like a SMART marker")
                if content or letter == "W":
                    stream.write(f".{letter}\n{content}\n".encode())


def _record(number: str, fields: Mapping[str, list[str]]) -> SmartRecord:
    return SmartRecord(number, {field: "\n".join(found).strip() for field, found in fields.items()})
