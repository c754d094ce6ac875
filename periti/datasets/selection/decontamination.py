"""What a test asks is not learned from: documents and pairs that hold a test query are taken out, and counted.

A text is contaminated if it shares a run of n words with a test query (n = 13 as in Brown et al. 2020, GPT-3, appendix
C), or, for queries of fewer words, if it is that query and nothing else; case, punctuation, white space and compatible
characters do not matter. Optionally also if its vector is close to a test query's. Of a pair the query is looked at.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from periti.datasets.catalog import catalog
from periti.datasets.dataset import load_dataset
from periti.datasets.references import open_queries
from periti.datasets.selection.hashing import Hashes, Ints, joined
from periti.datasets.selection.selector import Embed
from periti.datasets.selection.words import words_of
from periti.errors import DatasetError, InputError

N = 13


@dataclass(frozen=True)
class Asked:
    """The queries of one test.

    Attributes:
        name: collection and split, or file.
        texts: the queries.
    """

    name: str
    texts: tuple[str, ...]


def evaluation_queries() -> tuple[list[Asked], list[str]]:
    """The queries of every collection of the catalog that experts are measured with, and collections not there.

    All splits but train, and but `all` where a collection has other splits.

    Raises:
        FormatError, DatasetError: a collection's files are there and damaged.
    """
    found, absent = list[Asked](), list[str]()
    for name, facts in catalog().items():
        try:
            dataset = load_dataset(name)
        except DatasetError:
            absent.append(name)
            continue
        held_out = [split for split in facts.splits if not split.startswith("train")]
        for split in [one for one in held_out if one != "all"] or held_out:
            found.append(Asked(f"{name}:{split}", tuple(dataset.queries(split).texts)))
    return found, absent


def queries_of(references: Sequence[str]) -> list[Asked]:
    """The queries that files or datasets (`scifact:test`) name.

    Raises:
        UnknownName, FormatError, InputError, DatasetError: as `open_queries`.
    """
    return [Asked(one, tuple(open_queries(one).texts)) for one in references]


@dataclass(frozen=True)
class Closeness:
    """Test queries as vectors.

    Attributes:
        embed: texts to unit vectors.
        threshold: least cosine of what is contaminated.
        vectors: float32 (q, d), of the queries.
    """

    embed: Embed
    threshold: float
    vectors: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Decontamination:
    """Finds what a test asks; can be sent to other processes.

    Attributes:
        names: of the tests.
        hashes: uint64 (h,), ascending: runs of n words, and whole queries of fewer.
        owners: int64 (h,), number of the first test that has each.
        n: words of a run.
        close: to compare by meaning too.
        asks: int64 (q,), number of the test of each vector.
    """

    names: tuple[str, ...]
    hashes: Hashes = field(repr=False)
    owners: Ints = field(repr=False)
    n: int = N
    close: Closeness | None = None
    asks: Ints = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    @classmethod
    def of(
        cls, tests: Sequence[Asked], *, n: int = N, embed: Embed | None = None, threshold: float = 0.95
    ) -> Decontamination:
        """What finds the queries of these tests.

        Args:
            tests: their queries.
            n: words of a run.
            embed: for comparing by meaning.
            threshold: least cosine, then.

        Raises:
            InputError: n or the threshold is out of range.
        """
        if n < 2:
            raise InputError(f"runs of {n} words are asked for; use at least 2")
        if not 0 < threshold <= 1:
            raise InputError(f"the cosine is {threshold}; it must be above 0 and at most 1")
        texts = [text for test in tests for text in test.texts]
        asks = np.repeat(np.arange(len(tests)), [len(test.texts) for test in tests]).astype(np.int64)
        hashes, places = runs(texts, n)
        unique, first = np.unique(hashes, return_index=True)
        close = None if embed is None or not texts else Closeness(embed, threshold, embed(texts))
        return cls(tuple(test.name for test in tests), unique, asks[places[first]], n, close, asks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What texts are taken out for: each test by words, then each by vectors."""
        return (*self.names, *(f"{name} by cosine" for name in self.names if self.close is not None))

    def found(self, texts: Sequence[str]) -> Ints:
        """Number of the reason that speaks against each text, -1 for none, int64 (n,)."""
        against = np.full(len(texts), -1, np.int64)
        if len(self.hashes) and len(texts):
            hashes, places = runs(texts, self.n)
            at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            hit = self.hashes[at] == hashes
            # Backwards, so that the first run of a text decides.
            against[places[hit][::-1]] = self.owners[at[hit]][::-1]
        if self.close is not None:
            rest = [number for number, reason in enumerate(against.tolist()) if reason < 0 and texts[number].strip()]
            if rest:
                cosines = self.close.embed([texts[number] for number in rest]) @ self.close.vectors.T
                best = cosines.argmax(axis=1)
                near = cosines[np.arange(len(rest)), best] >= self.close.threshold
                against[np.array(rest)[near]] = len(self.names) + self.asks[best[near]]
        return against


def runs(texts: Sequence[str], n: int) -> tuple[Hashes, Ints]:
    """Hashes of all runs of n words, of a shorter text of all its words, and the number of the text of each.

    Texts without a word have none.
    """
    words = words_of([text if text.isascii() else unicodedata.normalize("NFKC", text).casefold() for text in texts])
    spoken = _spoken(words.text)[words.starts]
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(spoken)])
    ends = before[words.indptr]
    hashes, counts = words.hashes[spoken], np.diff(ends)
    text = np.repeat(np.arange(len(counts)), counts)
    left = ends[1:][text] - np.arange(len(hashes))
    found, places = list[Hashes](), list[Ints]()
    grams = hashes
    for k in range(1, n + 1):
        if k > 1:
            grams = joined(grams[: len(hashes) - k + 1], hashes[k - 1 :]) if len(hashes) >= k else grams[:0]
        inside = left[: len(grams)] >= k
        if k < n:
            # Texts of exactly k words, at their first word.
            inside &= (counts[text[: len(grams)]] == k) & (left[: len(grams)] == k)
        found.append(grams[inside])
        places.append(text[: len(grams)][inside])
    return np.concatenate(found), np.concatenate(places).astype(np.int64)


def _spoken(text: str) -> NDArray[np.bool_]:
    """Whether each character is a letter, a digit or "_"."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    spoken: NDArray[np.bool_] = _letters(0x10000 if codes.max() < 0x10000 else 0x110000)[codes]
    return spoken


@cache
def _letters(size: int) -> NDArray[np.bool_]:
    return np.fromiter((chr(code).isalnum() or code == ord("_") for code in range(size)), bool, size)
