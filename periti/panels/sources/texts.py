"""When two texts are the same, and when one is close enough to a test query to be left out of training."""

from __future__ import annotations

import re
import unicodedata

from periti.config import digest

_WORD = re.compile(r"\w+")


def same(text: str) -> str:
    """What texts have in common that differ in case and white space only."""
    return " ".join(text.lower().split())


def words(text: str) -> str:
    """What texts have in common that differ in case, white space, punctuation and compatible characters only.

    A text without any letter or digit keeps its signs.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain)) or same(text)


def text_id(*texts: str) -> str:
    """An id that texts of one meaning of `same` share: 64 bits of SHA-256, in hexadecimal."""
    return digest([same(text) for text in texts])[:16]
