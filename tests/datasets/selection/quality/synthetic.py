"""A planted scalar quality: texts whose good and bad words say how good they are, and noisy judgments of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.judgments import Judgments, Verdict

GOOD = tuple(f"good{number}" for number in range(20))
BAD = tuple(f"bad{number}" for number in range(20))
PLAIN = tuple(f"plain{number}" for number in range(60))


@dataclass(frozen=True)
class Planted:
    """Texts and what they are worth.

    Attributes:
        texts: n different ones.
        quality: float64 (n,).
    """

    texts: tuple[str, ...]
    quality: NDArray[np.float64]


def planted(seed: int, count: int, words: int = 40) -> Planted:
    """Texts of plain, good and bad words; quality is their share of good less that of bad ones, standardised."""
    rng = np.random.default_rng(seed)
    texts, quality = list[str](), list[float]()
    for value in rng.normal(size=count).tolist():
        chances = 0.2 / (1 + np.exp(-np.array([value, -value])))
        kinds = rng.choice(3, size=words, p=[*chances, 1 - chances.sum()])
        places = rng.random(len(kinds)).tolist()
        lists = [(GOOD, BAD, PLAIN)[kind] for kind in kinds.tolist()]
        texts.append(" ".join(words[int(place * len(words))] for place, words in zip(places, lists, strict=True)))
        quality.append(float((kinds == 0).mean() - (kinds == 1).mean()))
    found = np.array(quality)
    return Planted(tuple(texts), (found - found.mean()) / found.std())


def judged(
    made: Planted, pairs: int, seed: int, *, votes: int = 0, flipped: float = 0.05, slope: float = 4.0
) -> Judgments:
    """Pairs drawn by chance.

    Args:
        made: the texts.
        pairs: how many.
        seed: of pairs and noise.
        votes: of people who decide by a Bradley-Terry chance; 0 tells the better one.
        flipped: share of judgments that are turned round.
        slope: log-odds for one standard deviation of quality.
    """
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(pairs):
        i, j = rng.choice(len(made.texts), size=2, replace=False).tolist()
        difference = float(made.quality[i] - made.quality[j])
        p = float(difference > 0)
        if votes:
            p = float(rng.binomial(votes, 1 / (1 + np.exp(-slope * difference)))) / votes
        if rng.random() < flipped:
            p = 1 - p
        verdicts.append(Verdict(made.texts[i], made.texts[j], p, max(votes, 1)))
    return Judgments.of(verdicts)
