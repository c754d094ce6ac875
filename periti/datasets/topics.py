"""TREC topics: classic SGML (`<top> <num> Number: 1 <title> ...`), XML (`<topic number="1">`) and `id<TAB>text`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape, unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl

from periti.datasets.reading import begins_with, decoded, read_bytes, tab_pairs
from periti.datasets.writing import whole_file
from periti.errors import FormatError, InputError
from periti.registry import nearest
from periti.types import Queries

LAYOUTS = ("xml", "classic", "tsv")

# What a topic calls its short form, in the order of preference.
SHORT_FIELDS = ("title", "query", "question")

_LABEL = re.compile(r"^\s*(Number|Topic|Description|Narrative|Title)\s*:", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)>")

Located = tuple[int, str, str]


def read_topics(path: Path | str, *, field: str | None = None) -> Queries:
    """The queries of a topic file (`.gz` unpacked), in its order.

    Args:
        path: classic SGML or XML topics (the file begins with `<`), or lines of id, tab, text.
        field: which field is the text, e.g. "desc"; by default the first of title, query, question that a topic has.

    Raises:
        FormatError: a topic without id or text, an id twice, a line without a tab, or not UTF-8; names file and line.
    """
    path = Path(path)
    if not begins_with(path, b"<"):
        if field is not None:
            raise FormatError(f"{path}: a file of id<TAB>text has no field {field!r}; leave the field out")
        return located_queries(tab_pairs(path), path)
    text = decoded(read_bytes(path), path)
    found = _classic(text, path, field) if re.search(r"<top>", text, re.IGNORECASE) else _xml(text, path, field)
    return located_queries(found, path)


def write_topics(queries: Queries, path: Path | str, *, layout: str = "xml") -> None:
    """Write queries as topics, whole or not at all (packed if the name ends in `.gz`).

    Readers of the layouts "xml" and "classic" make one blank of every run of blanks; "tsv" keeps them.

    Raises:
        InputError: an unknown layout, or an id or text that the layout can not carry.
        StorageError: writing failed; an older file is untouched.
    """
    if layout not in LAYOUTS:
        raise InputError(f"no layout {layout!r} of topics; {nearest(layout, LAYOUTS)}")
    for column, unfit in _UNFIT[layout].items():
        bad = queries.frame.filter(pl.col(column).str.contains(unfit))
        if bad.height:
            raise InputError(
                f"query {bad['query_id'][0]!r}: its {column} {bad[column][0]!r} holds what {layout} topics can not; "
                "change it or write JSONL"
            )
    head, topic, foot = _WRITTEN[layout]
    with whole_file(Path(path)) as stream:
        stream.write(head)
        for query_id, text in queries.frame.iter_rows():
            stream.write(topic(query_id, text).encode())
        stream.write(foot)


# Line ends and tabs part the lines of a TSV file, and "<" at its beginning would be the sign of the other layouts;
# XML has no control characters, and blanks in an id would not read back.
_MARKUP = {"query_id": r"[\x00-\x20\ufffe\uffff]", "text": r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"}
_UNFIT: Mapping[str, Mapping[str, str]] = {
    "xml": _MARKUP,
    "classic": _MARKUP,
    "tsv": {"query_id": r"^[<\s\ufeff]|[\t\n\r]|\s$", "text": r"^\s|\n|\s$"},
}
# The labels "Number:" and "Topic:" are always written, so that a text which begins with one reads back whole.
_WRITTEN: Mapping[str, tuple[bytes, Callable[[str, str], str], bytes]] = {
    "xml": (
        b"<topics>\n",
        lambda query_id, text: (
            f'<topic number="{escape(query_id)}"><query>{escape(text, quote=False)}</query></topic>\n'
        ),
        b"</topics>\n",
    ),
    "classic": (
        b"",
        lambda query_id, text: (
            f"<top>\n<num> Number: {escape(query_id, quote=False)}\n"
            f"<title> Topic: {escape(text, quote=False)}\n</top>\n\n"
        ),
        b"",
    ),
    "tsv": (b"", lambda query_id, text: f"{query_id}\t{text}\n", b""),
}


def located_queries(found: Iterable[Located], path: Path | str) -> Queries:
    """Queries from (line number, id, text).

    Raises:
        FormatError: an id that was given before, an empty text, or nothing at all; names file and line.
    """
    pairs: dict[str, str] = {}
    for number, query_id, text in found:
        if query_id in pairs:
            raise FormatError(f"{path}:{number}: query {query_id!r} was given before; keep one")
        if not text.strip():
            raise FormatError(f"{path}:{number}: query {query_id!r} has no text; give it one or remove it")
        pairs[query_id] = text
    if not pairs:
        raise FormatError(f"{path}: the file holds no query; give at least one")
    return Queries.from_pairs(pairs.items())


def _classic(text: str, path: Path, field: str | None) -> Iterator[Located]:
    """Topics between `<top>` and the next one, whose inner tags may or may not be closed."""
    starts = [match.start() for match in re.finditer(r"<top>", text, re.IGNORECASE)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line = text.count("\n", 0, start) + 1
        fields = _fields(text[start:end])
        query_id = fields.get("num") or fields.get("number", "")
        if not query_id:
            raise FormatError(f"{path}:{line}: a <top> without <num>; give the topic its number")
        yield line, query_id, _chosen(fields, field, f"{path}:{line}: topic {query_id!r}")


def _fields(block: str) -> dict[str, str]:
    """What follows every tag, without its label ("Number:"), blanks collapsed; the first of a tag counts."""
    fields: dict[str, str] = {}
    tags = list(_TAG.finditer(block))
    for tag, following in zip(tags, [*tags[1:], None], strict=True):
        if not tag[1] and tag[2].lower() != "top":
            content = block[tag.end() : following.start() if following else len(block)]
            fields.setdefault(tag[2].lower(), " ".join(unescape(_LABEL.sub("", content)).split()))
    return fields


def _xml(text: str, path: Path, field: str | None) -> Iterator[Located]:
    """Every `<topic>` element, its id in an attribute or a child."""
    try:
        root = ET.fromstring(text.encode())  # noqa: S314  (expat has limited entity expansion since 2.4.1)
    except ET.ParseError as error:
        raise FormatError(f"{path}:{error.position[0]}: not XML ({error}); mend the topic file") from error
    topics = list(root.iter("topic"))
    if not topics:
        raise FormatError(f"{path}: neither <top> nor <topic> in the file; give TREC topics or id<TAB>text lines")
    for place, topic in enumerate(topics, 1):
        fields = {child.tag.lower(): " ".join("".join(child.itertext()).split()) for child in topic}
        query_id = next(filter(None, (topic.get(key) for key in ("number", "id", "num"))), None)
        query_id = query_id or fields.get("num") or fields.get("number")
        if not query_id:
            raise FormatError(f"{path}: topic {place} of {len(topics)} has no number; give it one")
        # A topic without children is its own text (TREC clinical trials).
        fields = fields or {"title": " ".join("".join(topic.itertext()).split())}
        yield _line(text, place), query_id.strip(), _chosen(fields, field, f"{path}: topic {query_id!r}")


def _line(text: str, place: int) -> int:
    """The line of the place-th `<topic`."""
    starts = re.finditer(r"<topic[\s>]", text)
    start = next((match.start() for index, match in enumerate(starts, 1) if index == place), 0)
    return text.count("\n", 0, start) + 1


def _chosen(fields: dict[str, str], field: str | None, where: str) -> str:
    wanted = (field.lower(),) if field else SHORT_FIELDS
    for name in wanted:
        if name in fields:
            return fields[name]
    raise FormatError(f"{where} has no field {' or '.join(wanted)}, it has {', '.join(fields)}; name one of these")
