"""Documents as weighted words: TF-IDF over the words of one topic, or over words that many topics share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from periti.types import Document

Floats = NDArray[np.float64]
_WORD = re.compile(r"[^\W_]{2,}")


def counts(documents: Sequence[Document]) -> list[Counter[str]]:
    """How often each word (two letters or digits at least, lower case) occurs in each document."""
    return [Counter(_WORD.findall(document.default_text().lower())) for document in documents]


def shares(counted: Sequence[Counter[str]]) -> dict[str, float]:
    """Word to the share of documents that have it, above 0 to 1."""
    having = Counter(word for one in counted for word in one)
    return {word: number / len(counted) for word, number in having.items()}


def term_weights(counted: Sequence[Counter[str]], words: Sequence[str]) -> Floats:
    """1 + ln tf of each word in each document, 0 where it does not occur; float64 (n, words)."""
    column = {word: place for place, word in enumerate(words)}
    table = np.zeros((len(counted), len(column)))
    for row, one in enumerate(counted):
        held = [(column[word], number) for word, number in one.items() if word in column]
        if held:
            places, numbers = np.array(held).T
            table[row, places] = 1.0 + np.log(numbers)
    return table


def weighted(counted: Sequence[Counter[str]], share: Mapping[str, float]) -> Floats:
    """TF-IDF, (1 + ln tf) · ln(1 / share), in rows of length one; float64 (n, words), words as `share` orders them.

    Args:
        counted: n documents.
        share: the words that count, and the share of documents that have each.
    """
    rarity = -np.log(np.array(list(share.values()), dtype=np.float64))
    return unit_rows(term_weights(counted, list(share)) * rarity)


def unit_rows(table: Floats) -> Floats:
    """Rows of length one; rows of zeros stay."""
    length = np.linalg.norm(table, axis=1, keepdims=True)
    unit: Floats = np.divide(table, length, out=np.zeros_like(table), where=length > 0)
    return unit
