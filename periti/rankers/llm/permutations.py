"""Sliding windows over a list, and the permutations in a model's answers (RankGPT, Sun et al. 2023; RankLLM)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

_FORMAT = re.compile(r"\s*\[\s*[0-9]+\s*\](\s*>\s*\[\s*[0-9]+\s*\])*\s*")
_BRACKETED = re.compile(r"\[\s*([0-9]+)\s*\]")
_BARE = re.compile(r"[0-9]+")
_LONGEST_IDENTIFIER = 6
"""Digits; a longer number names no passage."""


class Form(StrEnum):
    """What was right or wrong with an answer; the first that applies, in this order."""

    WRONG_FORMAT = "wrong_format"  # other words, other signs, or an identifier that was not given
    REPETITION = "repetition"
    MISSING_DOCUMENTS = "missing_documents"
    OK = "ok"


class Permutation(NamedTuple):
    """An order of 0..n-1, and the form of the answer that it was read from."""

    order: list[int]
    form: Form


def read_permutation(text: str, n: int) -> Permutation:
    """The order that an answer gives to n passages, whatever the answer looks like.

    The first occurrence of each valid identifier (1..n) is kept, others are dropped, and passages that are not named
    follow in their original order. Identifiers stand in brackets; where there is none in the whole answer, bare numbers
    count. What a model thinks aloud before `</think>` is left out.
    """
    said = text.rpartition("</think>")[2]
    digits = _BRACKETED.findall(said) or _BARE.findall(said)
    named = [int(number) if len(number) <= _LONGEST_IDENTIFIER else 0 for number in digits]
    valid = list(dict.fromkeys(number - 1 for number in named if 1 <= number <= n))
    known = set(valid)
    order = valid + [place for place in range(n) if place not in known]
    if not _FORMAT.fullmatch(said) or not all(1 <= number <= n for number in named):
        return Permutation(order, Form.WRONG_FORMAT)
    if len(named) > len(valid):
        return Permutation(order, Form.REPETITION)
    return Permutation(order, Form.OK if len(valid) == n else Form.MISSING_DOCUMENTS)


def windows(n: int, size: int, stride: int) -> Iterator[slice]:
    """Windows over a list of n, from the bottom up.

    There are ⌈(n − size)/stride⌉ + 1 of them, one for a list that fits a window, none if there is nothing to order.
    """
    end = n
    while n > 1:
        yield slice(max(0, end - size), end)
        if end <= size:
            return
        end -= stride
