"""Words of many texts at once: where they start and end, and a 64-bit hash of each, by NumPy alone.

A word is a run of letters, digits, marks and "_", or a run of other visible characters, as in NLTK's WordPunct. Of
scripts that put no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) every character is a word of its
own, so that n-grams of words are n-grams of characters there; texts may mix scripts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Codes, Hashes, Ints, span_hashes

_T = TypeVar("_T", np.uint8, np.uint32, np.bool_)
_BLANK, _WORD, _OTHER, _ALONE = range(4)
_BASIC, _ALL = 0x10000, 0x110000
_LIVELY = (range(0x10000), range(0x10000, 0x40000), range(0xE0000, 0xE0200))
"""Where characters are assigned; elsewhere none is a letter, a mark or a blank, nor has a lower case."""
_UNSEGMENTED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration mark, closing mark, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9D),  # Katakana, halfwidth
    (0x1B000, 0x1B16F),  # Kana supplements
    (0x20000, 0x323AF),  # Han, extensions B to H
)

_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


def _lowered(char: str) -> int:
    """The lower case of a character where it is one character, else itself: every text keeps its length."""
    lower = char.lower()
    return ord(lower) if len(lower) == 1 else ord(char)


def _kind(char: str) -> int:
    if char.isspace():
        return _BLANK
    if char.isalnum() or char == "_":
        return _WORD
    return _OTHER


def _regex_kind(char: str) -> int:
    """As the `regex` package has it: marks, joiners and circled letters are in words, superscripts are not."""
    category = unicodedata.category(char)
    if char.isspace() and char not in "\x1c\x1d\x1e\x1f":
        return _BLANK
    if category[0] in "LM" or category in ("Nd", "Nl", "Pc") or char in "\u200c\u200d":
        return _WORD
    return _WORD if any(first <= ord(char) <= last for first, last in _CIRCLED) else _OTHER


@cache
def _plain_kinds(size: int, engine: str = "re") -> NDArray[np.uint8]:
    """The kind of each of the first `size` characters by a regular expression engine: blank, word or other."""
    kind = _kind if engine == "re" else _regex_kind
    return _filled(np.full(size, _OTHER, np.uint8), kind)


@cache
def _kinds(size: int) -> NDArray[np.uint8]:
    """The same with marks as parts of words, and the characters of unsegmented scripts as words of their own."""
    kinds = _plain_kinds(size).copy()
    marks = _filled(np.zeros(size, bool), lambda char: unicodedata.category(char)[0] == "M")
    kinds[marks] = _WORD
    for first, last in _UNSEGMENTED:
        own = kinds[first : last + 1]
        own[own == _WORD] = _ALONE
    return kinds


@cache
def _lower_case(size: int) -> NDArray[np.uint32]:
    return _filled(np.arange(size, dtype=np.uint32), _lowered)


def _filled(table: NDArray[_T], of: Callable[[str], int]) -> NDArray[_T]:
    """A table by character, its lively places filled in."""
    for places in _LIVELY[: 1 if len(table) == _BASIC else None]:
        table[places.start : places.stop] = [of(chr(code)) for code in places]
    return table


@cache
def _lower_kinds(size: int) -> NDArray[np.uint32]:
    """The lower case of each character and, in the lowest byte, its kind: two look-ups would take twice the time."""
    return _lower_case(size) << np.uint32(8) | _kinds(size)


@dataclass(frozen=True)
class Words:
    """The words of n texts.

    Attributes:
        codes: uint16 or uint32 (c,), the characters of the texts in lower case, a line feed after each text.
        starts: int64 (m,), of each word in `codes`.
        ends: int64 (m,).
        indptr: int64 (n + 1,); words indptr[i] to indptr[i + 1] are those of text i.
        hashes: uint64 (m,); equal words have equal hashes, whatever stands around them.
    """

    codes: Codes
    starts: Ints
    ends: Ints
    indptr: Ints
    hashes: Hashes

    @cached_property
    def text(self) -> str:
        """The characters as a string; who only counts words does not need it."""
        return self.codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def at(self, word: int) -> str:
        """A word itself."""
        return self.text[self.starts[word] : self.ends[word]]


def words_of(texts: Sequence[str], engine: str | None = None) -> Words:
    r"""Split texts into lower-case words and hash them.

    Args:
        texts: any strings, empty ones too.
        engine: "re" or "regex" for exactly `findall(r"\w+|[^\w\s]+", text.lower())` of each by that module: unsegmented
            scripts then have words as long as a clause, and for "re" marks break words. (Characters newer than Python's
            own Unicode are no letters.)
    """
    if engine:
        texts = [text.lower() for text in texts]
    codes = _codes("\n".join(texts) + "\n")
    size = _BASIC if codes.itemsize == 2 else _ALL
    if engine:
        kinds = np.take(_plain_kinds(size, engine), codes)
    else:
        both = np.take(_lower_kinds(size), codes)
        kinds, codes = both.astype(np.uint8), both >> np.uint32(8)
    breaks = np.ones(len(kinds), bool)
    np.not_equal(kinds[1:], kinds[:-1], out=breaks[1:])
    breaks |= kinds == _ALONE
    visible = kinds != _BLANK  # as flags: choosing among edges by a mask costs a mispredicted branch a word
    starts, ends = np.flatnonzero(breaks & visible), np.flatnonzero(breaks[1:] & visible[:-1]) + 1
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    firsts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths + 1)])
    return Words(codes, starts, ends, np.searchsorted(starts, firsts), span_hashes(codes, starts, ends))


def _codes(text: str) -> Codes:
    """The characters of a text, uint16 (c,), or uint32 if one does not fit."""
    narrow = text.encode("utf-16-le", "surrogatepass")
    if len(narrow) == 2 * len(text):
        return np.frombuffer(narrow, "<u2")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
