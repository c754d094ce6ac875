"""A linear adversary over ready features: how well labels can be guessed from what should not tell them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Guesses:
    """What linear classifiers made of items that they had not seen.

    Attributes:
        correct: times each item was guessed right, (n,).
        times: times each item was held out, (n,).
        margins: mean over these times of its own class's value less the best other's, (n,).
    """

    correct: NDArray[np.int64]
    times: NDArray[np.int64]
    margins: NDArray[np.float64]

    @property
    def predictability(self) -> NDArray[np.float64]:
        """Share of right guesses, (n,); 0 for an item that was never held out."""
        share: NDArray[np.float64] = self.correct / np.maximum(self.times, 1)
        return share

    @property
    def accuracy(self) -> float:
        """Share of right guesses of all."""
        return float(self.correct.sum() / max(int(self.times.sum()), 1))


def standardised(features: Features) -> Features:
    """Columns of mean 0 and deviation 1; constant columns become 0."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    scaled: Features = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
    return scaled


@dataclass(frozen=True)
class Adversary:
    """Ridge regression on indicators of the classes, with an intercept; the class of the largest value is guessed.

    Attributes:
        partitions: random parts to learn from.
        share: of the items that are in a part, at least one and all but one.
        ridge: penalty as a multiple of the number of items in a part.
    """

    partitions: int
    share: float
    ridge: float

    def guess(self, features: Features, classes: NDArray[np.int64], rng: np.random.Generator) -> Guesses:
        """Learn from random parts, guess the rest.

        Args:
            features: (n, d), standardised.
            classes: 0..c-1, (n,).
            rng: draws the parts.
        """
        count = len(classes)
        size = min(max(round(self.share * count), 1), count - 1)
        wanted = np.eye(int(classes.max()) + 1)[classes]
        correct, times = np.zeros(count, np.int64), np.zeros(count, np.int64)
        margins = np.zeros(count)
        for _ in range(self.partitions):
            order = rng.permutation(count)
            seen, held = order[:size], order[size:]
            values = self._values(features[seen], wanted[seen], features[held])
            own = values[np.arange(len(held)), classes[held]]
            values[np.arange(len(held)), classes[held]] = -np.inf
            margin = own - values.max(axis=1)
            # A tie counts as right for every second item: the number of an item knows no label.
            correct[held] += (margin > 0) | ((margin == 0) & (held % 2 == 0))
            times[held] += 1
            margins[held] += margin
        return Guesses(correct, times, margins / np.maximum(times, 1))

    def _values(self, seen: Features, wanted: Features, held: Features) -> Features:
        mean = wanted.mean(axis=0)
        gram = seen.T @ seen + max(self.ridge * len(seen), 1e-9) * np.eye(seen.shape[1])
        values: Features = held @ np.linalg.solve(gram, seen.T @ (wanted - mean)) + mean
        return values
