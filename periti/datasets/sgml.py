"""TREC documents: `<DOC><DOCNO> 1 </DOCNO> text </DOC>`, one after the other in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from periti.datasets.reading import lines
from periti.errors import FormatError
from periti.types import Document

_NUMBER = re.compile(r"<DOCNO>\s*(.*?)\s*</DOCNO>", re.IGNORECASE)
_TITLE = re.compile(r"<(TITLE|HEADLINE)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
# Only names that stand for structure: a text may hold "a<b" or "<sup>".
_TAGS = re.compile(r"</?(TEXT|TITLE|HEADLINE|BODY|HTML|PRE|P)>", re.IGNORECASE)


def read_trec_documents(path: Path | str) -> Iterator[Document]:
    """The documents of a TREC SGML file (`.gz` unpacked), streamed; runs of blanks in a text become one.

    Raises:
        FormatError: a document without DOCNO or end, or text between documents; names file and line.
    """
    path = Path(path)
    begun, block = 0, list[str]()
    for number, line in lines(path):
        stripped = line.strip()
        if stripped.upper() == "<DOC>":
            if begun:
                raise FormatError(f"{path}:{number}: <DOC> inside the document of line {begun}; close it with </DOC>")
            begun, block = number, []
        elif not begun:
            raise FormatError(f"{path}:{number}: expected <DOC>, found {line[:60]!r}; is this a TREC document file?")
        elif stripped.upper() == "</DOC>":
            yield _document("\n".join(block), f"{path}:{begun}")
            begun = 0
        else:
            block.append(line)
    if begun:
        raise FormatError(f"{path}:{begun}: the document has no </DOC>; the file is cut short")


def _document(block: str, where: str) -> Document:
    found = _NUMBER.search(block)
    if not found or not found[1]:
        raise FormatError(f"{where}: a <DOC> without <DOCNO>; give the document its id")
    rest = block[: found.start()] + block[found.end() :]
    title = _TITLE.search(rest)
    rest = _TITLE.sub("", rest) if title else rest
    return Document(found[1], _flat(rest), _flat(title[2]) if title else "")


def _flat(text: str) -> str:
    return " ".join(unescape(_TAGS.sub(" ", text)).split())
