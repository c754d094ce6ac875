"""An encoder of nothing but words, for tests of what encoders are handed to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

WIDTH = 32


@cache
def word_vector(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).normal(size=WIDTH)


def embed_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """The sum of a random vector for each word, at unit length, (n, 32)."""
    if not texts:
        return np.zeros((0, WIDTH), np.float32)
    rows = np.stack([sum((word_vector(word) for word in text.split()), np.zeros(WIDTH)) + 1e-9 for text in texts])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)
