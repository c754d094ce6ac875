"""Hashed n-grams of words: what a text is to selectors that must read a whole pool.

`HashedNgrams` is ours; `PackageNgrams` are the very buckets of the `data-selection` package (p-lambda/dsir,
`hashed_ngram_dsir.py`), for who must reproduce its weights.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.hashing import Hashes, Ints, joined, within
from periti.datasets.selection.memo import BucketMemo
from periti.datasets.selection.words import Words, words_of
from periti.errors import ConfigError


@dataclass(frozen=True)
class Occurrences:
    """Buckets of the n-grams of n texts, one entry for each time an n-gram stands there, as rows of a sparse matrix.

    Attributes:
        indptr: int64 (n + 1,); entries indptr[i] to indptr[i + 1] are those of text i.
        bucket: int64 (m,), those that begin at one word side by side, the shorter first.
        words: int64 (n,), how many words each text has.
    """

    indptr: Ints
    bucket: Ints
    words: Ints

    def counts(self, buckets: int) -> Ints:
        """How often each bucket occurs in all the texts, int64 (buckets,)."""
        return np.bincount(self.bucket, minlength=buckets)

    def sums(self, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """The weights of each text's n-grams, added up.

        Args:
            weights: (buckets,), of one n-gram in each bucket.

        Returns:
            float64 (n,); of a text without words 0. The same in whatever block a text stands.
        """
        found = np.zeros(len(self.indptr) - 1)
        filled = self.indptr[1:] > self.indptr[:-1]
        if filled.any():
            found[filled] = np.add.reduceat(np.take(weights, self.bucket).astype(np.float64), self.indptr[:-1][filled])
        return found


class Features(Protocol):
    """N-grams of words in buckets; equal objects give equal buckets, on every machine."""

    @property
    def n(self) -> int:
        """Words of the longest n-gram; the shorter ones count too."""
        ...

    @property
    def buckets(self) -> int:
        """How many."""
        ...

    def of(self, texts: Sequence[str]) -> Occurrences:
        """The buckets of some texts."""
        ...

    def named(self, text: str) -> Counter[tuple[str, int]]:
        """The n-grams of a text themselves, words joined by a blank, each with its bucket and how often it stands."""
        ...


def checked(n: int, buckets: int) -> None:
    """Refuse sizes that mean nothing.

    Raises:
        ConfigError: n below 1 or over 8, or fewer than 2 or more than 2^31 buckets.
    """
    if not 1 <= n <= 8:
        raise ConfigError(f"n-grams of {n} words were asked for; n must be 1 to 8")
    if not 2 <= buckets <= 1 << 31:
        raise ConfigError(f"{buckets} buckets were asked for; choose from 2 to 2^31, e.g. 10000")


@dataclass(frozen=True)
class HashedNgrams:
    """N-grams by a fast hash of their own; marks belong to words, unsegmented scripts give n-grams of characters.

    Attributes:
        n: words of the longest n-gram.
        buckets: to hash into.

    Raises:
        ConfigError: see `checked`.
    """

    n: int = 2
    buckets: int = 10_000

    def __post_init__(self) -> None:
        checked(self.n, self.buckets)

    def of(self, texts: Sequence[str]) -> Occurrences:
        """See Features; about 40 MB/s a core for English."""
        words = words_of(texts)
        grams, present = _ngrams(words, self.n)
        return _occurrences(within(grams, self.buckets), present, words)

    def named(self, text: str) -> Counter[tuple[str, int]]:
        """See Features."""
        return _named(words_of([text]), self.n, self.of([text]))


@dataclass(frozen=True)
class PackageNgrams:
    """N-grams in the buckets of the `data-selection` package: `int(sha256(ngram).hexdigest(), 16) % buckets`.

    The package's words are those of NLTK's WordPunctTokenizer, which depend on NLTK's version: 3.10.4 matches by the
    `regex` module, older versions by Python's `re`.

    Each distinct n-gram is hashed by SHA-256 once and remembered by a 64-bit hash, so that this is not slow. Two of a
    million n-grams share such a hash with a chance of 1 in 37 million.

    Attributes:
        n: words of the longest n-gram.
        buckets: to hash into.
        engine: "regex" or "re".

    Raises:
        ConfigError: see `checked`; or the engine is neither.
    """

    n: int = 2
    buckets: int = 10_000
    engine: str = "regex"
    _memo: BucketMemo = field(default_factory=BucketMemo, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked(self.n, self.buckets)
        if self.engine not in ("regex", "re"):
            raise ConfigError(f"engine {self.engine!r} is not known; it is regex (as NLTK 3.10) or re (as older ones)")

    @cached_property
    def _places(self) -> NDArray[np.uint64]:
        """What each 32-bit word of a digest, the first first, is worth modulo the number of buckets."""
        return np.array([pow(2, 32 * (7 - i), self.buckets) for i in range(8)], np.uint64)

    def of(self, texts: Sequence[str]) -> Occurrences:
        """See Features."""
        words = words_of(texts, self.engine)
        grams, present = _ngrams(words, self.n)
        flat = grams.ravel()
        bucket = self._memo.look_up(flat)
        missing = np.flatnonzero((bucket < 0) & present.ravel())
        if len(missing):
            new, firsts = np.unique(flat[missing], return_index=True)
            self._memo.add(new, self._sha_buckets(_spelt(words, missing[firsts], self.n)))
            bucket[missing] = self._memo.look_up(flat[missing])
        return _occurrences(bucket.reshape(grams.shape), present, words)

    def _sha_buckets(self, ngrams: Sequence[str]) -> Ints:
        digests = b"".join([hashlib.sha256(ngram.encode("utf-8", "surrogatepass")).digest() for ngram in ngrams])
        parts, modulus = np.frombuffer(digests, ">u4").reshape(-1, 8).astype(np.uint64), np.uint64(self.buckets)
        rests: Ints = ((parts * self._places % modulus).sum(axis=1) % modulus).astype(np.int64)
        return rests

    def named(self, text: str) -> Counter[tuple[str, int]]:
        """See Features."""
        return _named(words_of([text], self.engine), self.n, self.of([text]))


def stretches(texts: Sequence[str], characters: int = 200_000) -> Iterator[Sequence[str]]:
    """Texts that follow each other, about so many characters at a time: their n-grams then stay in a core's caches."""
    start = held = 0
    for end, text in enumerate(texts):
        held += len(text)
        if held >= characters:
            yield texts[start : end + 1]
            start, held = end + 1, 0
    if start < len(texts):
        yield texts[start:]


def _ngrams(words: Words, n: int) -> tuple[Hashes, NDArray[np.bool_]]:
    """Hashes (m, n) of the n-grams that begin at each word, and which of them stay within their text."""
    m, filled = len(words.hashes), words.indptr[1:] > words.indptr[:-1]
    firsts, ends = words.indptr[:-1][filled], words.indptr[1:][filled]
    grams = np.zeros((m, n), np.uint64)
    present = np.ones((m, n), bool)
    grams[:, 0] = last = words.hashes
    for k in range(1, n):
        last = joined(last[: m - k], words.hashes[k:])
        grams[: m - k, k] = last
        present[np.maximum(ends - k, firsts), k:] = False
    return grams, present


def _occurrences(bucket: Ints, present: NDArray[np.bool_], words: Words) -> Occurrences:
    lengths, n = np.diff(words.indptr), bucket.shape[1]
    sizes = sum((np.maximum(lengths - k, 0) for k in range(1, n)), start=lengths)
    return Occurrences(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), bucket[present], lengths)


def _spelt(words: Words, places: Ints, n: int) -> list[str]:
    """The n-grams at flat positions of what `_ngrams` gave."""
    text, starts, ends = words.text, words.starts, words.ends
    first, order = np.divmod(places, n)
    found = [text[a:b] for a, b in zip(starts[first].tolist(), ends[first].tolist(), strict=True)]
    for k in range(1, n):
        longer = np.flatnonzero(order >= k)
        more = first[longer] + k
        for i, a, b in zip(longer.tolist(), starts[more].tolist(), ends[more].tolist(), strict=True):
            found[i] += " " + text[a:b]
    return found


def _named(words: Words, n: int, found: Occurrences) -> Counter[tuple[str, int]]:
    present = _ngrams(words, n)[1]
    ngrams = _spelt(words, np.flatnonzero(present.ravel()), n)
    return Counter(zip(ngrams, found.bucket.tolist(), strict=True))
