"""A rater: one number a criterion for any text, linear in its features, learned from pairwise judgments."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.bradley_terry import USUAL_FIT, Fit, fit_weights
from periti.datasets.selection.quality.design import Design
from periti.datasets.selection.quality.features import (
    ENCODER,
    HASHED,
    REMOVED,
    USUAL_FEATURES,
    FeatureMap,
    FeatureOptions,
    fit_features,
)
from periti.datasets.selection.quality.judgments import Judgments
from periti.datasets.selection.quality.windows import windowed
from periti.datasets.selection.selector import Embed, Reason, Scores
from periti.errors import InputError

Floats = NDArray[np.float64]

_FREELY = 100.0
"""A column so much larger than the others is hardly penalised: what length can explain, it explains first."""


@dataclass(frozen=True, repr=False)
class Rater:
    """A fitted rater of k criteria.

    Attributes:
        features: from texts to features.
        criteria: k names.
        weights: of the features, float64 (k, columns).
        card: what else is known of it, plain values.
    """

    features: FeatureMap
    criteria: tuple[str, ...]
    weights: Floats
    card: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """With a digest of all numbers, since a job that goes on asks whether its selector is still the same one."""
        counts = self.features.frequencies.counts if self.features.frequencies else np.zeros(0)
        digest = hashlib.sha256()
        for numbers in (self.weights, self.features.mean, self.features.scale, counts):
            digest.update(np.ascontiguousarray(numbers).tobytes())
        return f"Rater({self.criteria}, {self.features.options}, sha256={digest.hexdigest()})"

    @property
    def needs_model(self) -> bool:
        """Whether it must be handed an encoder."""
        return ENCODER in self.features.options.kinds

    def rate(self, texts: Sequence[str], embed: Embed | None = None) -> Scores:
        """Ratings, float64 (n, k); differences are log-odds of being preferred. -inf for a text without words.

        Raises:
            InputError: the rater reads encoder features and was handed no encoder, or another one.
        """
        if not texts:
            return np.zeros((0, len(self.criteria)))
        design, words = self.features.design(texts, embed)
        scores = np.stack([design.times(weights) for weights in self.weights], axis=1)
        scores[words == 0] = -np.inf
        return scores

    def explain(self, text: str, embed: Embed | None = None) -> Mapping[str, tuple[Reason, ...]]:
        """By criterion what a rating is the sum of, the strongest first: n-grams, other numbers, the encoder."""
        design, words = self.features.design([text], embed)
        if not words[0]:
            return dict.fromkeys(self.criteria, ())
        shares = self._ngram_shares(text, design) if HASHED in self.features.options.kinds else {}
        return {name: self._reasons(design, shares, w) for name, w in zip(self.criteria, self.weights, strict=True)}

    def _reasons(self, design: Design, shares: Mapping[tuple[str, int], float], weights: Floats) -> tuple[Reason, ...]:
        names, d = self.features.dense, design.dense.shape[1]
        parts = Counter[str]()
        for name, value in zip(names, (design.dense[0] * weights[:d]).tolist(), strict=True):
            parts[ENCODER if name.startswith(f"{ENCODER} ") else name] += value
        for (ngram, bucket), share in shares.items():
            parts[f"n-gram {ngram!r}"] += share * weights[d + bucket]
        return tuple(Reason(what, float(v)) for what, v in sorted(parts.items(), key=lambda part: -abs(part[1])))

    def _ngram_shares(self, text: str, design: Design) -> dict[tuple[str, int], float]:
        """What of its bucket's value each n-gram has, by how often it stands in the text."""
        values = np.bincount(design.column, design.value, minlength=design.width)
        counts = Counter[tuple[str, int]]()
        for part in windowed([text], self.features.options.window).texts:
            counts += self.features.options.ngrams.named(part)
        totals = Counter[int]()
        for (_, bucket), count in counts.items():
            totals[bucket] += count
        return {key: values[key[1]] * count / totals[key[1]] for key, count in counts.items()}


def train_rater(
    judged: Sequence[Judgments],
    options: FeatureOptions = USUAL_FEATURES,
    fit: Fit = USUAL_FIT,
    embed: Embed | None = None,
    card: Mapping[str, Any] | None = None,
) -> Rater:
    """Fit a rater, deterministic.

    Args:
        judged: of one criterion each.
        options: features.
        fit: which pairs are learned from, and how.
        embed: for encoder features.
        card: what to note of its origin.

    Raises:
        InputError: no judgments, a criterion twice, no confident pair, or no encoder for encoder features.
    """
    names = tuple(one.criterion for one in judged)
    if not names or len(set(names)) != len(names):
        raise InputError(f"a rater was asked for of the criteria {', '.join(names) or '(none)'}; give each once")
    texts = tuple(dict.fromkeys(text for one in judged for text in one.texts))
    features = fit_features(options, texts, embed)
    weights = []
    for one in judged:
        design, words = features.design(one.texts, embed)
        weights.append(_weights(design, words, one, fit, options.length))
    return Rater(features, names, np.stack(weights), dict(card or {}))


def _weights(design: Design, words: NDArray[np.int64], judgments: Judgments, fit: Fit, length: str) -> Floats:
    if length != REMOVED:
        return fit_weights(design, judgments, fit)
    lengths = np.log1p(words)
    column = _FREELY * (lengths - lengths.mean()) / (lengths.std() or 1.0)
    # It stands beside the features while they are weighed and is then left out: what length explains is not theirs.
    beside = Design(np.column_stack([column, design.dense]), design.indptr, design.column, design.value, design.width)
    return fit_weights(beside, judgments, fit)[1:]
