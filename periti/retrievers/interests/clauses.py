"""A long query into the clauses that each ask for something."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?])\s+(?=[^\W_])|\s*[;\n]+\s*")
_WORD = re.compile(r"[^\W_]+")
LEAST_WORDS = 2
"""A shorter clause belongs to the one before it: it is a heading, a number or an abbreviation."""


def clauses(text: str) -> list[str]:
    """The sentences of a text, divided at semicolons and line ends too, in order.

    A full stop ends a sentence only where a new word follows. A text of one clause comes back as it is.
    """
    found: list[str] = []
    for part in _END.split(text):
        words = len(_WORD.findall(part))
        if found and words < LEAST_WORDS:
            found[-1] = f"{found[-1]} {part}".strip()
        elif words:
            found.append(part.strip())
    if len(found) > 1 and len(_WORD.findall(found[0])) < LEAST_WORDS:
        found[:2] = [f"{found[0]} {found[1]}"]
    return found if len(found) > 1 else [text]
