"""DSIR: documents whose n-grams are likelier in the target than in the pool.

Source: Xie et al. (2023), "Data Selection for Language Models via Importance Resampling", and the code of p-lambda/dsir
(`data-selection` on PyPI, 1.0.3), whose weights `PACKAGE` reproduces. Our defaults differ where that code fails: few
examples (smoothing), documents of many lengths (chunks), short texts (no minimum of 100 words), scripts without blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from periti.datasets.selection.features import Features, HashedNgrams, PackageNgrams
from periti.datasets.selection.hashing import Ints
from periti.datasets.selection.interpolation import left_out_share
from periti.datasets.selection.selector import MATCHING, Blocks, Reason, Scores, Target
from periti.datasets.selection.smoothing import Floats, Smoothing, kl_reduction
from periti.errors import ConfigError, InputError

LENGTHS = ("chunk", "sum", "mean")
NGRAMS = ("hashed", "package", "package-re")


@dataclass(frozen=True)
class DsirScorer:
    """Log importance weights.

    Attributes:
        names: of the t targets.
        features: the n-grams.
        weights: float64 (t, buckets), log ratio of one n-gram.
        length: what a text's sum is divided by, see DsirSelector.
        chunk: words of a chunk.
        min_tokens: texts of fewer words score -inf.
    """

    names: tuple[str, ...]
    features: Features
    weights: Floats
    length: str
    chunk: int
    min_tokens: int

    def score(self, texts: Sequence[str]) -> Scores:
        """Log importance weights in nats, float64 (n, t)."""
        found = self.features.of(texts)
        scores = np.stack([found.sums(own) for own in self.weights], axis=1) / self._divisors(found.words)[:, None]
        scores[found.words < self.min_tokens] = -np.inf
        return scores

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """The n-grams that add most to the text's score for the target that it suits best, or take most from it."""
        named = self.features.named(text)
        if not named:
            return ()
        found = self.features.of([text])
        column = int(np.argmax([found.sums(own)[0] for own in self.weights]))
        scale = self._divisors(found.words)[0]
        suffix = f", for {self.names[column]}" if len(self.names) > 1 else ""
        reasons = [
            Reason(f"{ngram}{suffix}", float(times * self.weights[column, bucket] / scale))
            for (ngram, bucket), times in named.items()
        ]
        return tuple(sorted(reasons, key=lambda reason: (-abs(reason.value), reason.what))[:limit])

    def _divisors(self, words: Ints) -> Floats:
        if self.length == "sum":
            return np.ones(len(words))
        if self.length == "mean":
            return np.maximum(words, 1).astype(np.float64)
        return np.ceil(np.maximum(words, 1) / self.chunk)


@dataclass(frozen=True)
class DsirSelector:
    """Importance weights by hashed n-grams: log p(text | target) - log p(text | pool) of bags of n-grams.

    Attributes:
        n: words of the longest n-gram.
        buckets: that n-grams are hashed into.
        smoothing: of the targets' distributions: "none", "laplace:COUNT", "jm:SHARE" or "jm:auto". With too little, a
            target of few examples chooses the shortest texts, since each unseen n-gram costs many nats; "jm:auto"
            takes as much of the pool's distribution as predicts left-out examples best.
        length: "chunk": the mean over the equal chunks, of at most `chunk` words, that a text is cut into, so that
            evidence counts in full but length alone does not; "sum": over all n-grams, the likelihood ratio itself;
            "mean": per word.
        chunk: words.
        min_tokens: texts of fewer words are never chosen.
        ngrams: "hashed", or "package" for the buckets of the data-selection package beside NLTK 3.10 or later,
            "package-re" beside an older one, which splits words in another way.

    Raises:
        ConfigError: an option is out of range.
    """

    n: int = 2
    buckets: int = 10_000
    smoothing: str = "jm:auto"
    length: str = "chunk"
    chunk: int = 100
    min_tokens: int = 1
    ngrams: str = "hashed"
    family: ClassVar[str] = MATCHING
    needs_target: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 13.0

    def __post_init__(self) -> None:
        Smoothing.parse(self.smoothing)
        for name, word, known in (("length", self.length, LENGTHS), ("ngrams", self.ngrams, NGRAMS)):
            if word not in known:
                raise ConfigError(f"{name} {word!r} is not known; choose one of {', '.join(known)}")
        for name, value in (("chunk", self.chunk), ("min_tokens", self.min_tokens)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        self.features()

    def features(self) -> Features:
        """The n-grams that texts are seen as."""
        if self.ngrams == "hashed":
            return HashedNgrams(self.n, self.buckets)
        return PackageNgrams(self.n, self.buckets, "regex" if self.ngrams == "package" else "re")

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> DsirScorer:  # noqa: ARG002
        """Count the n-grams of the pool, all of them, and of each target; nothing is drawn.

        Raises:
            InputError: no target, or no word in a target or in the pool.
        """
        features = self.features()
        wanted = target_counts(targets, features)
        raw = ngram_counts(pool(), features)
        if not raw.any():
            raise InputError("the pool is empty or has not one word; give one with at least one document")
        weights = np.stack([
            self._smoothing(target, raw, features).log_ratio(own, raw)
            for target, own in zip(targets, wanted, strict=True)
        ])  # fmt: skip
        names = tuple(target.name for target in targets)
        return DsirScorer(names, features, weights, self.length, self.chunk, self.min_tokens)

    def _smoothing(self, target: Target, raw: Ints, features: Features) -> Smoothing:
        smoothing = Smoothing.parse(self.smoothing)
        if smoothing.amount is not None:
            return smoothing
        return Smoothing("jm", left_out_share(target.texts, raw, features))


PACKAGE = DsirSelector(smoothing="none", length="sum", min_tokens=100, ngrams="package")
"""The options that give the weights of the data-selection package, its defaults, to 1e-6."""


def ngram_counts(blocks: Iterable[Sequence[str]], features: Features) -> Ints:
    """How often each bucket occurs in all the texts, int64 (buckets,)."""
    counts = np.zeros(features.buckets, np.int64)
    for texts in blocks:
        counts += features.of(texts).counts(features.buckets)
    return counts


def target_counts(targets: Sequence[Target], features: Features) -> list[Ints]:
    """The n-grams of each target's examples.

    Raises:
        InputError: no target, or one without a word.
    """
    if not targets:
        raise InputError("no target was given; give examples of what is wanted")
    found = []
    for target in targets:
        counts = ngram_counts([target.texts], features)
        if not counts.any():
            raise InputError(
                f"target {target.name!r} has {len(target.texts)} texts and not one word in them; give examples of "
                f"what is wanted"
            )
        found.append(counts)
    return found


def kl_reductions(
    targets: Sequence[Target], pool: Blocks, chosen: Blocks, features: Features | None = None
) -> dict[str, float]:
    """KL reduction in nats for each target by its name, see `kl_reduction`.

    Xie et al. report its mean over targets to go with downstream accuracy (r = 0.89 in their experiments).

    Raises:
        InputError: no target, or no word in a target, in the pool or in what was chosen.
    """
    features = features or HashedNgrams()
    raw, selected = ngram_counts(pool(), features), ngram_counts(chosen(), features)
    wanted = target_counts(targets, features)
    return {target.name: kl_reduction(own, raw, selected) for target, own in zip(targets, wanted, strict=True)}
