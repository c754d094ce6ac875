"""Numbers drawn by key: the same for a key whatever is drawn beside it, in blocks of any size, by any process."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def stream_key(*parts: object) -> np.uint64:
    """A key for one purpose: 64 bits of SHA-256 over the parts' texts."""
    digest = hashlib.sha256("\t".join(map(str, parts)).encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def mixed(words: Words, key: np.uint64) -> Words:
    """Each word with the key, mixed by the finaliser of SplitMix64 (Steele et al. 2014); uint64 (n,)."""
    with np.errstate(over="ignore"):
        state = (words + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + key
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed_words: Words = state ^ (state >> np.uint64(31))
    return mixed_words


def uniform(words: Words, key: np.uint64) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1), never either end, float64 (n,)."""
    return ((mixed(words, key) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def gumbel(words: Words, key: np.uint64) -> NDArray[np.float64]:
    """Standard Gumbel noise, float64 (n,)."""
    noise: NDArray[np.float64] = -np.log(-np.log(uniform(words, key)))
    return noise


def text_words(texts: list[str] | tuple[str, ...]) -> Words:
    """64 bits of BLAKE2b of each text, uint64 (n,)."""
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8").astype(np.uint64)
