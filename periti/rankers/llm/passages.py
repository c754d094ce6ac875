"""Texts within a budget: what of a query or a document goes into a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EASTERN = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
# A run of other characters counts as a word for each 32 of them, so that a text without spaces has a bound as well.
_WORD = re.compile(rf"[{_EASTERN}]|[^\s{_EASTERN}]{{1,32}}")
_IDENTIFIER = re.compile(r"\[\s*([0-9]+)\s*\]")


def cut(text: str, words: int) -> tuple[str, bool]:
    """The beginning of a text, on one line, and whether anything was cut.

    A word is what stands between spaces; a Chinese, Japanese or Korean character is one by itself.
    """
    kept = 0
    for number, word in enumerate(_WORD.finditer(text)):
        if number == words:
            return " ".join(text[:kept].split()), True
        kept = word.end()
    return " ".join(text.split()), False


def without_identifiers(text: str) -> str:
    """The text with `[n]` as `(n)`, so that a reference in it is not taken for a passage's identifier (RankGPT)."""
    return _IDENTIFIER.sub(r"(\1)", text)


def filled(template: str, texts: Mapping[str, str]) -> str:
    """The template with each `{name}` replaced by its text; braces inside the texts stay as they are."""
    names = "|".join(map(re.escape, texts))
    return re.sub(rf"\{{({names})\}}", lambda found: texts[found[1]], template)
