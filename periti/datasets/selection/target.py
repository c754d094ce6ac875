"""BETR: documents that are near some example of the target, by a classifier distilled from ranks of embeddings.

Source: BETR, benchmark-targeted ranking (2025): embed the examples and a sample of the pool; a document is worth its
best rank by any single example; the best tenth of the sample is told apart from the rest by a linear classifier over
words and pairs of words, which then scores the whole pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from periti.datasets.selection.distilled import HashedLinear, fit_linear
from periti.datasets.selection.features import HashedNgrams, stretches
from periti.datasets.selection.keyed import stream_key, uniform
from periti.datasets.selection.nearness import Vectors, check_options, nearness
from periti.datasets.selection.selector import MATCHING, Blocks, Embed, Reason, Scores, Target
from periti.errors import ConfigError, InputError


@dataclass(frozen=True)
class TargetScorer:
    """One distilled classifier a target.

    Attributes:
        targets: the examples, for explanations.
        models: one for each target, all over the same n-grams.
        embed: for explanations too; scoring needs no model.
    """

    targets: tuple[Target, ...]
    models: tuple[HashedLinear, ...]
    embed: Embed = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the targets."""
        return tuple(target.name for target in self.targets)

    def score(self, texts: Sequence[str]) -> Scores:
        """Log-odds of lying in the target's best share of the pool, float64 (n, t); -inf for a text without words."""
        parts = [self._scored(some) for some in stretches(texts)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.models)))

    def _scored(self, texts: Sequence[str]) -> Scores:
        found = self.models[0].features.of(texts)
        scores = np.stack([model.of(found) for model in self.models], axis=1)
        scores[found.words == 0] = -np.inf
        return scores

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """The nearest example with its cosine, then the n-grams that add most to the log-odds or take most from them.

        For several targets it is the one that the text suits best.
        """
        named = self.models[0].features.named(text)
        if not named:
            return ()
        column = int(np.argmax(self.score([text])[0]))
        target, model = self.targets[column], self.models[column]
        vectors = self.embed([text, *target.texts])
        cosines = vectors[1:] @ vectors[0]
        best = int(np.argmax(cosines))
        nearest = Reason(
            f"like example {best + 1} of {target.name}: {_short(target.texts[best])}", float(cosines[best])
        )
        return (nearest, *_strongest(named, model))[:limit]


@dataclass(frozen=True)
class TargetRanker:
    """Rank by the best single example of the target, distilled to a hashed linear classifier.

    Attributes:
        embed: texts to unit vectors; without it nothing can be fitted.
        sample: documents of the pool that are embedded, drawn by chance.
        per_target: examples used of each target, drawn by chance; None for all.
        aggregate: over examples, "max" or "mean".
        value: of a document to an example, "rank" or "cosine".
        positive: share of the sample that the classifier must find.
        n: words of the longest n-gram.
        buckets: that n-grams are hashed into.
        penalty: of the classifier's weights.

    Raises:
        ConfigError: an option is out of range.
    """

    embed: Embed | None = None
    sample: int = 10_000
    per_target: int | None = None
    aggregate: str = "max"
    value: str = "rank"
    positive: float = 0.1
    n: int = 2
    buckets: int = 1 << 18
    penalty: float = 1e-4
    family: ClassVar[str] = MATCHING
    needs_target: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    cost_per_doc: ClassVar[float] = 15.0

    def __post_init__(self) -> None:
        check_options(self.aggregate, self.value)
        HashedNgrams(self.n, self.buckets)
        if not 0 < self.positive < 1:
            raise ConfigError(f"positive is {self.positive}; it is a share of the sample, between 0 and 1")
        if self.sample < 2 or (self.per_target is not None and self.per_target < 1):
            raise ConfigError(f"sample is {self.sample} and per_target {self.per_target}; at least 2 and 1 are needed")
        if not 0 < self.penalty < np.inf:
            raise ConfigError(f"penalty is {self.penalty}; it must be above 0, e.g. 0.0001")

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> TargetScorer:
        """Embed the examples and the sample, rank, label, learn.

        Raises:
            ConfigError: there is no encoder.
            InputError: no target, or no word in one; or fewer than two documents with words in the pool.
        """
        if self.embed is None:
            raise ConfigError("ranking by a target compares meanings; give an encoder")
        if not targets:
            raise InputError("no target was given; give examples of what is wanted")
        used = tuple(self._used(target, seed) for target in targets)
        texts = sampled(pool, self.sample, seed)
        if len(texts) < 2:
            raise InputError(f"the pool has {len(texts)} documents with words; give one with at least two")
        documents, features = self.embed(texts), HashedNgrams(self.n, self.buckets)
        models = []
        for target in used:
            labels = self._labels(self.embed(target.texts), documents)
            models.append(fit_linear(texts, labels, features, self.penalty))
        return TargetScorer(used, tuple(models), self.embed)

    def _used(self, target: Target, seed: int) -> Target:
        texts = [text for text in target.texts if text.strip()]
        if not texts:
            raise InputError(f"target {target.name!r} has {len(target.texts)} texts and not one word; give examples")
        if self.per_target is not None and len(texts) > self.per_target:
            numbers = uniform(np.arange(len(texts), dtype=np.uint64), stream_key("target examples", target.name, seed))
            texts = [texts[i] for i in sorted(np.argsort(numbers)[: self.per_target].tolist())]
        return Target(target.name, tuple(texts), target.share)

    def _labels(self, examples: Vectors, documents: Vectors) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        worth = nearness(examples, documents, self.aggregate, self.value)
        count = min(max(1, round(self.positive * len(worth))), len(worth) - 1)
        labels = np.zeros(len(worth), bool)
        labels[np.argsort(-worth, kind="stable")[:count]] = True
        return labels


def sampled(pool: Blocks, size: int, seed: int) -> list[str]:
    """Documents with words drawn from a pool, in its order, at most `size`; the blocks do not show."""
    kept: list[str] = []
    numbers, row = np.empty(0), 0
    key = stream_key("target sample", seed)
    for texts in pool():
        own = np.arange(row, row + len(texts))
        row += len(texts)
        worded = np.fromiter((bool(text.strip()) for text in texts), bool, len(texts))
        numbers = np.concatenate([numbers, uniform(own.astype(np.uint64), key)[worded]])
        kept.extend(text for text, has in zip(texts, worded, strict=True) if has)
        if len(kept) > size:
            stay = np.sort(np.argsort(numbers, kind="stable")[:size])
            kept, numbers = [kept[i] for i in stay.tolist()], numbers[stay]
    return kept


def _strongest(named: Counter[tuple[str, int]], model: HashedLinear) -> list[Reason]:
    scale = float(np.sqrt(sum(named.values())))
    reasons = [Reason(ngram, float(times * model.weights[bucket] / scale)) for (ngram, bucket), times in named.items()]
    return sorted(reasons, key=lambda reason: (-abs(reason.value), reason.what))


def _short(text: str, most: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
