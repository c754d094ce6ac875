"""The generator behind the reference's figures for DSIR: topics over one vocabulary, few documents relevant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS, TOPICS, SPREAD = 4_000, 12, 1.35


@dataclass(frozen=True)
class Topical:
    """A pool of which one topic is wanted.

    Attributes:
        texts: the pool.
        relevant: bool (n,).
        lengths: words, int64 (n,).
        examples: of the wanted topic, none of them in the pool.
        meanings: of each word, by how much it is likelier in each topic than elsewhere, log, (WORDS, TOPICS).
    """

    texts: tuple[str, ...]
    relevant: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    examples: tuple[str, ...]
    meanings: NDArray[np.float64]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The mean meaning of each text's words, of unit length: an encoder that knows the topics but not the words."""
        found = np.array([self.meanings[[int(word[1:]) for word in text.split()]].mean(axis=0) for text in texts])
        unit: NDArray[np.float32] = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def precision(self, scores: NDArray[np.float64], share: float = 0.05) -> tuple[float, float]:
        """Of the best 5 %: how many are relevant, and their mean length."""
        best = np.argsort(-scores, kind="stable")[: int(share * len(scores))]
        return float(self.relevant[best].mean()), float(self.lengths[best].mean())


def topical(seed: int, documents: int = 8_000, examples: int = 500, relevant: float = 0.05) -> Topical:
    """Zipf's law bent by a log-normal factor for each topic and word; log-normal lengths, 100 words on average."""
    rng = np.random.default_rng(seed)
    common = 1 / (np.arange(WORDS) + 2.7)
    topics = common * np.exp(rng.normal(0, SPREAD, (TOPICS, WORDS)))
    sums = np.cumsum(topics, axis=1)
    of = np.where(rng.random(documents) < relevant, 0, rng.integers(1, TOPICS, documents))
    of = np.concatenate([of, np.zeros(examples, np.int64)])
    lengths = np.maximum(5, rng.lognormal(np.log(80), 0.7, len(of)).astype(np.int64))
    vocabulary = np.array([f"w{i}" for i in range(WORDS)], dtype=object)
    texts = []
    for topic, length in zip(of, lengths, strict=True):
        drawn = np.searchsorted(sums[topic], rng.random(length) * sums[topic, -1])
        texts.append(" ".join(vocabulary[drawn]))
    meanings = np.log(topics / topics.mean(axis=0)).T
    return Topical(
        tuple(texts[:documents]), of[:documents] == 0, lengths[:documents], tuple(texts[documents:]), meanings
    )
