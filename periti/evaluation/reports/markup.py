"""HTML from parts, in which every plain string is escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is HTML already; any other string is escaped where it is put on a page."""

    __slots__ = ()


def safe(part: str) -> Html:
    """The part as HTML."""
    if isinstance(part, Html):
        return part
    return Html(escape(printable(part)))


def printable(text: str) -> str:
    """The text with replacement characters in the place of control characters and halves of characters."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" else c for c in text)


def element(tag: str, *parts: str, **attributes: str) -> Html:
    """An element; `class_` is the attribute class."""
    told = "".join(f' {name.rstrip("_")}="{safe(value)}"' for name, value in attributes.items() if value)
    return Html(f"<{tag}{told}>{join(parts)}</{tag}>")


def join(parts: Iterable[str]) -> Html:
    """The parts one after another."""
    return Html("".join(safe(part) for part in parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1, caption: str = "") -> Html:
    """A table that scrolls sideways where the page is narrow.

    Args:
        head: of the columns.
        rows: cells, as many as the head has.
        names: columns from the left that are words; the others are numbers and go to the right.
        caption: what stands above, for those who do not see the page too.
    """

    def cells(tag: str, row: Sequence[str]) -> Html:
        return element("tr", *(element(tag, c, class_="" if i < names else "n") for i, c in enumerate(row)))

    inner = [element("caption", caption)] if caption else []
    inner += [element("thead", cells("th", head)), element("tbody", *(cells("td", row) for row in rows))]
    return element("div", element("table", *inner), class_="wide")
