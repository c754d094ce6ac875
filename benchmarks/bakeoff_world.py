"""The pool of the bake-off of selectors: short documents of 20 topics, of which 5 are wanted, with copies and garbage.

Words have vectors, documents the mean of theirs. A query asks for a document by a third of its topical words, turned by
the rotation of its domain: an adapter that shall understand the wanted topics must be trained on their pairs, and
learns something wrong from those of others. Badly written documents have noisier queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.selector import Target

TOPICS, WANTED, PARTS, WIDTH = 20, 5, 5, 64
SHARES = (0.4, 0.25, 0.2, 0.1, 0.05)
"""Of the wanted topics in a target."""
GARBAGE, COPIES, WANTED_SHARE = 0.1, 0.1, 0.2
_COMMON, _TOPICAL, _PARTIAL, _STYLE = 300, 40, 20, 40
_UNITS = np.cumsum((0.4, 0.2, 0.2, 0.2))
"""Shares of common, topical, sub-topical and style words."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Documents:
    """n documents and what is known of them only here.

    Attributes:
        texts: of words.
        topics: 0..19, -1 for garbage; the first five are wanted.
        parts: sub-topic, 0..99.
        quality: 0..1; 0 for garbage.
        vectors: of documents, float32 (n, 64), unit rows.
        queries: of the query that asks for each, the same shape.
    """

    texts: list[str]
    topics: NDArray[np.int64]
    parts: NDArray[np.int64]
    quality: Floats
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """Of a wanted topic."""
        mask: NDArray[np.bool_] = (self.topics >= 0) & (self.topics < WANTED)
        return mask

    def blocks(self) -> Iterator[Sequence[str]]:
        """The texts, as selectors read them."""
        for at in range(0, len(self.texts), 2000):
            yield self.texts[at : at + 2000]

    def __getitem__(self, rows: NDArray[np.int64]) -> Documents:
        texts = [self.texts[row] for row in rows.tolist()]
        known = self.topics[rows], self.parts[rows], self.quality[rows]
        return Documents(texts, *known, self.vectors[rows], self.queries[rows])


def unit(rows: Floats) -> Floats:
    """Rows at length 1."""
    long: Floats = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return long


class World:
    """Words, topics and the way people ask, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        centres = unit(self.rng.normal(size=(TOPICS, WIDTH)))
        # Each wanted topic has a neighbour that is not wanted and shares half of its words.
        centres[WANTED : 2 * WANTED] = unit(centres[:WANTED] + 0.8 * centres[WANTED : 2 * WANTED])
        subs = unit(self.rng.normal(size=(TOPICS * PARTS, WIDTH)))
        self._vectors: dict[str, Floats] = {}
        self._weights: dict[str, float] = {}
        self._topical = np.array([[f"t{topic}w{word}" for word in range(_TOPICAL)] for topic in range(TOPICS)])
        self._topical[WANTED : 2 * WANTED, : _TOPICAL // 2] = self._topical[:WANTED, : _TOPICAL // 2]
        self._partial = np.array([[f"s{part}w{word}" for word in range(_PARTIAL)] for part in range(TOPICS * PARTS)])
        for topic in reversed(range(TOPICS)):
            self._add(self._topical[topic], centres[topic], 1.0)
        for part in range(TOPICS * PARTS):
            self._add(self._partial[part], unit(0.5 * centres[part // PARTS] + 0.5 * subs[part]), 1.0)
        self._common = np.array([f"c{word}" for word in range(_COMMON)])
        self._styles = np.array([[f"{style}{word}" for word in range(_STYLE)] for style in ("filler", "good")])
        for words in (self._common, *self._styles):
            self._add(words, np.zeros(WIDTH), 0.3)
        turns = [np.linalg.qr(self.rng.normal(size=(WIDTH, WIDTH)))[0] for _ in range(1 + TOPICS // WANTED)]
        self._turns = [0.2 * turns[0] + 0.8 * own for own in turns[1:]]
        self._zipf = 1 / np.arange(3, _COMMON + 3)
        self._zipf /= self._zipf.sum()

    def _add(self, words: NDArray[np.str_], centre: Floats, weight: float) -> None:
        own = unit(centre + 0.8 * unit(self.rng.normal(size=(len(words), WIDTH))))
        self._vectors.update(zip(words.tolist(), own, strict=True))
        self._weights.update(dict.fromkeys(words.tolist(), weight))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of texts, (n, 64); words that are not in the world are noise of their own letters."""
        return unit(np.stack([self._sum(text.split()) for text in texts])).astype(np.float32)

    def _sum(self, words: Sequence[str]) -> Floats:
        total = np.full(WIDTH, 1e-9)
        for word in words:
            known = self._vectors.get(word)
            if known is None:
                known = unit(np.random.default_rng(list(word.encode())).normal(size=WIDTH))
                self._vectors[word], self._weights[word] = known, 1.0
            total += self._weights[word] * known
        return total

    def documents(self, topics: NDArray[np.int64], quality: Floats) -> Documents:
        """One document a topic and quality, with the query that asks for it."""
        parts = topics * PARTS + self.rng.integers(PARTS, size=len(topics))
        lengths = np.clip(self.rng.lognormal(np.log(22), 0.6, len(topics)), 6, 80).astype(int)
        rows = zip(topics.tolist(), parts.tolist(), quality.tolist(), lengths.tolist(), strict=True)
        words = [self._words(*row) for row in rows]
        texts = [" ".join(one) for one in words]
        asked = np.stack([self._asked(one, int(topic)) for one, topic in zip(words, topics, strict=True)])
        noise = self.rng.normal(size=asked.shape) / np.sqrt(WIDTH)
        queries = unit(asked + (0.3 + 0.9 * (1 - quality))[:, None] * noise).astype(np.float32)
        return Documents(texts, topics, parts, quality, self.embed(texts), queries)

    def _words(self, topic: int, part: int, quality: float, length: int) -> list[str]:
        kinds = np.searchsorted(_UNITS, self.rng.random(length))
        words = self.rng.choice(self._common, length, p=self._zipf)
        for kind, own in ((1, self._topical[topic]), (2, self._partial[part])):
            words = np.where(kinds == kind, self.rng.choice(own, length), words)
        style = self.rng.choice(_STYLE, length)
        good = (self.rng.random(length) < quality).astype(int)
        return [str(word) for word in np.where(kinds == 3, self._styles[good, style], words)]

    def _asked(self, words: Sequence[str], topic: int) -> Floats:
        topical = [word for word in words if word[0] in "ts"] or list(words)
        # A share of the words, so that short documents are not asked for more exactly than long ones.
        chosen = self.rng.choice(topical, max(1, round(0.35 * len(topical))), replace=False)
        sense = unit(self._sum(chosen.tolist()))
        return 0.3 * sense + 0.7 * unit(sense @ self._turns[topic // WANTED])

    def garbage(self, count: int) -> Documents:
        """Random letters, and boilerplate of a few filler words."""
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        lengths = np.clip(self.rng.lognormal(np.log(22), 0.6, count), 6, 80).astype(int)
        texts = []
        for number, length in enumerate(lengths.tolist()):
            if number % 2:
                texts.append(" ".join(self.rng.choice(self._styles[0][:8], length)))
            else:
                texts.append(" ".join("".join(self.rng.choice(letters, 6)) for _ in range(length)))
        none = np.full(count, -1)
        queries = unit(self.rng.normal(size=(count, WIDTH))).astype(np.float32)
        return Documents(texts, none, none, np.zeros(count), self.embed(texts), queries)

    def pool(self, size: int) -> Documents:
        """Originals, garbage and copies, shuffled: a tenth is garbage, a tenth copies, about a fifth wanted."""
        garbage, copies = int(GARBAGE * size), int(COPIES * size)
        count = size - garbage - copies
        wanted = self.rng.random(count) < WANTED_SHARE * size / (size - garbage)
        topics = np.where(wanted, self.rng.integers(WANTED, size=count), self.rng.integers(WANTED, TOPICS, size=count))
        originals = self.documents(topics, self.rng.random(count))
        parts = [originals, self.garbage(garbage), originals[self.rng.choice(count, copies)]]
        joined = Documents(
            [text for part in parts for text in part.texts],
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("topics", "parts", "quality", "vectors", "queries")
            ),
        )
        return joined[self.rng.permutation(size)]

    def target(self, examples: int) -> Target:
        """Well written documents of the wanted topics, which it has in unequal shares."""
        topics = self.rng.choice(WANTED, examples, p=SHARES)
        return Target(f"{examples} examples", tuple(self.documents(topics, self.rng.uniform(0.7, 1, examples)).texts))

    def asked(self, each: int) -> Documents:
        """Documents to ask for, so many of each wanted sub-topic, with clear queries."""
        topics = np.repeat(np.arange(WANTED), PARTS * each)
        return self.documents(topics, np.ones(len(topics)))

    def others(self, count: int) -> Documents:
        """Documents of any topic to search among."""
        return self.documents(self.rng.integers(TOPICS, size=count), self.rng.random(count))
