"""What every selector must beat: chance, and chance with the target's lengths ("many gains are length")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.keyed import gumbel, stream_key, text_words, uniform
from periti.datasets.selection.selector import DIVERSIFICATION, MATCHING, Blocks, Reason, Scores, Target
from periti.datasets.selection.tokens import count_tokens
from periti.errors import InputError

BINS = 256
SMALLEST_RATIO, LARGEST_RATIO = 1.05, 4.0
"""Of lengths within a bin: at the smallest the last bin begins at 250,000 tokens."""


@dataclass(frozen=True)
class RandomScorer:
    """A uniform number of text and seed: copies of a text stand or fall together."""

    seed: int
    names: tuple[str, ...] = ("random",)

    def score(self, texts: Sequence[str]) -> Scores:
        """Uniform in (0, 1), float64 (n, 1)."""
        return uniform(text_words(tuple(texts)), stream_key("random", self.seed))[:, None]

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """The number that was drawn."""
        return (Reason("drawn by chance", float(self.score([text])[0, 0])),)[:limit]


@dataclass(frozen=True)
class RandomSelector:
    """Any documents, by chance."""

    family: ClassVar[str] = DIVERSIFICATION
    needs_target: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 2.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> RandomScorer:  # noqa: ARG002
        """Nothing is learned."""
        return RandomScorer(seed)


@dataclass(frozen=True)
class RandomLengthScorer:
    """Log importance weight of a text's length, with Gumbel noise: the best k are a weighted sample.

    Attributes:
        seed: of the noise.
        names: of the t targets.
        ratio: longest length of a bin over its shortest.
        weights: log of target's over pool's share of each bin for each target, (BINS, t).
    """

    seed: int
    names: tuple[str, ...]
    ratio: float
    weights: tuple[tuple[float, ...], ...]

    def score(self, texts: Sequence[str]) -> Scores:
        """Log weight plus noise of the text's own, float64 (n, t)."""
        words = text_words(tuple(texts))
        noise = [gumbel(words, stream_key("random-length", self.seed, column)) for column in range(len(self.names))]
        return self._weights(texts) + np.stack(noise, axis=1)

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """Weight of its length for each target, the largest first."""
        tokens, weights = count_tokens(text), self._weights([text])[0]
        named = zip(self.names, weights.tolist(), strict=True)
        reasons = [Reason(f"{tokens} tokens, for {name}", weight) for name, weight in named]
        return tuple(sorted(reasons, key=lambda reason: -reason.value)[:limit])

    def _weights(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(self.weights)[_bins(texts, self.ratio)]


@dataclass(frozen=True)
class RandomLengthSelector:
    """Any documents, by chance, but with the target's histogram of lengths.

    Importance resampling (without replacement, by Gumbel noise) over bins of token counts. The noise is in the scores
    already: draw with temperature 0.

    Attributes:
        ratio: longest length of a bin over its shortest.
    """

    ratio: float = 1.25
    family: ClassVar[str] = MATCHING
    needs_target: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 15.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> RandomLengthScorer:
        """Count lengths.

        Raises:
            InputError: no target or no text in one, an empty pool, or a ratio out of range.
        """
        if not SMALLEST_RATIO <= self.ratio <= LARGEST_RATIO:
            raise InputError(f"the ratio is {self.ratio:g}; give one from {SMALLEST_RATIO:g} to {LARGEST_RATIO:g}")
        if not targets or not all(target.texts for target in targets):
            raise InputError("random-length needs a target, and a text in each; give examples whose lengths to match")
        counts = np.zeros(BINS)
        for texts in pool():
            counts += np.bincount(_bins(texts, self.ratio), minlength=BINS)
        if not counts.sum():
            raise InputError("the pool is empty; give one with at least one document")
        wanted = np.stack([np.bincount(_bins(one.texts, self.ratio), minlength=BINS) for one in targets], axis=1)
        # Half an example spread over all bins: lengths that no example has stay possible where nothing else is left.
        share = (wanted + 0.5 / BINS) / (wanted.sum(axis=0) + 0.5)
        weights = np.log(share) - np.log((counts + 1) / (counts + 1).sum())[:, None]
        names = tuple(one.name for one in targets)
        return RandomLengthScorer(seed, names, self.ratio, tuple(map(tuple, weights.tolist())))


def _bins(texts: Sequence[str], ratio: float) -> NDArray[np.int64]:
    """Number of each text's bin: lengths of 0 and 1, then up to `ratio` times as long each, int64 (n,)."""
    tokens = np.array([count_tokens(text) for text in texts], dtype=np.int64)
    bins: NDArray[np.int64] = np.minimum(np.log(np.maximum(tokens, 1)) / np.log(ratio), BINS - 1).astype(np.int64)
    return bins
