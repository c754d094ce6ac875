"""A pool: files of documents or pairs, streamed block by block, as texts and as records.

The text of a record is `text`, or `contents`, with the `title` before it, or `query` and `document` of a pair, unless
columns are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from periti.datasets.selection.blocks import MOST_DOCUMENTS, Bad, Block, Record, file_blocks, kind_of
from periti.errors import FormatError, InputError

PAIR = ("query", "document")
BODIES = ("text", "contents", "content")
IDS = ("_id", "id", "doc_id", "docid")


@dataclass(frozen=True)
class Columns:
    """Which columns of a record mean what; empty for the usual ones.

    Attributes:
        text: joined by a line feed they are the text of a record.
        id: names a record; records without one are named by their row.
        group: its value is the group of a record; empty for none.
        pairs: whether records are pairs of a query and a document; found, not given.
    """

    text: tuple[str, ...] = ()
    id: str = ""
    group: str = ""
    pairs: bool = False

    def found_in(self, record: Mapping[str, object]) -> Columns:
        """The named columns, and for text and id, where not named, the usual ones that the record has.

        Raises:
            InputError: a named column is not there, or no text column is found.
        """
        for name in (*self.text, self.id, self.group):
            if name and name not in record:
                raise InputError(f"no column {name!r}; the first record has {', '.join(record)}")
        usual_id = next((name for name in IDS if name in record), "")
        pairs = record.keys() >= {*PAIR}
        return Columns(self.text or _usual_text(record), self.id or usual_id, self.group, pairs)


USUAL = Columns()


def _usual_text(record: Mapping[str, object]) -> tuple[str, ...]:
    if record.keys() >= {*PAIR}:
        return PAIR
    body = next((name for name in BODIES if name in record), None)
    if body is None:
        raise InputError(f"no text under {', '.join(BODIES)}; name the column, found {', '.join(record)}")
    return ("title", body) if "title" in record else (body,)


@dataclass(frozen=True)
class Documents:
    """The usable records of a block, all lists of one length.

    Attributes:
        texts: what selectors read.
        keys: what must differ for two records not to be duplicates: the text; of pairs always query and document.
        asked: what must not be asked by a test: the query of a pair, else the text.
        ids: empty strings where records have no id.
        groups: empty strings where there are no groups.
        records: all fields, as the file has them.
        bad: what was passed over.
    """

    texts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """Blocks to documents; can be sent to another process.

    Attributes:
        columns: what to read.
        skip_bad: pass over what can not be read and count it, instead of raising.
    """

    columns: Columns
    skip_bad: bool = False

    def read(self, block: Block) -> Documents:
        """The documents of a block.

        Raises:
            FormatError: a record can not be read, and `skip_bad` is false; names file and line.
        """
        found = Documents()
        for item in block.records():
            problem = item if isinstance(item, Bad) else self._add(found, block, *item)
            if problem is not None:
                if not self.skip_bad:
                    raise problem.error()
                found.bad.append(problem)
        return found

    def _add(self, found: Documents, block: Block, number: int, record: Record) -> Bad | None:
        columns = self.columns
        values = [record.get(name) or "" for name in columns.text]
        pair = [record.get(name) or "" for name in PAIR] if columns.pairs else []
        name = record.get(columns.id, "") if columns.id else ""
        group = record.get(columns.group, "") if columns.group else ""
        problem = self._problem(record, (*values, *pair)) or _unstorable("\n".join((*values, *pair, f"{name}{group}")))
        if problem:
            place = f": record {number}" if block.kind == "parquet" else f":{number}"
            return Bad(f"{block.path}{place}", problem)
        text = values[0] if len(values) == 1 else "\n".join(filter(None, values))
        found.texts.append(text)
        found.keys.append("\n".join(pair) if pair else text)
        found.asked.append(pair[0] if pair else text)
        found.ids.append(str(name))
        found.groups.append(str(group))
        found.records.append(record)
        return None

    def _problem(self, record: Record, values: tuple[object, ...]) -> str:
        """What is wrong with the columns of a record; empty if nothing is."""
        for name in self.columns.text:
            if name not in record and name != "title":
                return f"no {name!r}; the record has {', '.join(record)}"
        if all(type(value) is str for value in values):
            return ""
        names = (*self.columns.text, *(PAIR if self.columns.pairs else ()))
        wrong = next(name for name, value in zip(names, values, strict=True) if type(value) is not str)
        return f"{wrong} is {type(record[wrong]).__name__}; write a string"


@dataclass(frozen=True)
class Pool:
    """Files in a fixed order, and how to read them; nothing is kept.

    Attributes:
        files: in the order of reading.
        reader: from blocks to documents.
        passed_over: files of a folder that are no data by their ending.
        block: at most so many records in a block.
    """

    files: tuple[Path, ...]
    reader: Reader
    passed_over: tuple[Path, ...] = ()
    block: int = MOST_DOCUMENTS

    def blocks(self) -> Iterator[Block]:
        """Its blocks in order, raw where they can be."""
        for path in self.files:
            yield from file_blocks(path, self.block)

    def documents(self) -> Iterator[Documents]:
        """Its documents in order, a block at a time.

        Raises:
            FormatError: a record can not be read and shall not be passed over.
        """
        for block in self.blocks():
            yield self.reader.read(block)

    def texts(self) -> Iterator[list[str]]:
        """What selectors read, a block at a time: the `Blocks` of this pool.

        Raises:
            FormatError: as `documents`.
        """
        for documents in self.documents():
            if documents.texts:
                yield documents.texts


def open_pool(
    path: Path | str, columns: Columns = USUAL, *, skip_bad: bool = False, block: int = MOST_DOCUMENTS
) -> Pool:
    """A pool of a file or folder, checked up to its first record.

    Args:
        path: JSONL, CSV, TSV, Parquet or plain text (a document on each line), `.gz` or not, or a folder of these.
        columns: what to read; where empty, the usual ones.
        skip_bad: whether what can not be read is passed over and counted.
        block: at most so many records at a time.

    Raises:
        FormatError: no such file, another ending, or the first record can not be read.
        InputError: nothing in it, or a column is not there.
    """
    path = Path(path)
    files, passed_over = _files(path)
    pool = Pool(files, Reader(columns, skip_bad), passed_over, block)
    for found in (item for one in pool.blocks() for item in one.records()):
        if isinstance(found, Bad):
            if not skip_bad:
                raise found.error()
            continue
        try:
            reader = Reader(columns.found_in(found[1]), skip_bad)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return Pool(files, reader, passed_over, block)
    raise InputError(f"{path}: there is no document in it; give a file with at least one")


def _files(path: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Data files in the order of their names, and other files."""
    if not path.is_dir():
        return (path,), ()
    data, others = list[Path](), list[Path]()
    for one in sorted(path.rglob("*")):
        if one.is_dir() or any(part.startswith(".") for part in one.relative_to(path).parts):
            continue
        try:
            kind_of(one)
        except FormatError:
            others.append(one)
        else:
            data.append(one)
    if not data:
        raise InputError(f"{path}: a folder without a file of documents; give JSONL, CSV, TSV, Parquet or text files")
    return tuple(data), tuple(others)


def _unstorable(text: str) -> str:
    """Why no index or file could hold the text; empty if one can."""
    if "\0" in text:
        return "holds a NUL character, so it may not be text at all; mend it"
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        if 0xDC80 <= half <= 0xDCFF:
            return f"byte 0x{half - 0xDC00:02x} is not UTF-8; convert the file to UTF-8"
        return "holds half a character (a lone surrogate); mend the text"
    return ""
