"""The selector "combined": what several selectors say of a text, each standardised over the pool, and summed.

Matching and quality, or two ways to match, err in different ways: n-grams miss other words for the same, embeddings
take a neighbouring subject for the target's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from periti.datasets.selection.quality.selector import sampled
from periti.datasets.selection.selector import MATCHING, Blocks, Reason, Scorer, Scores, Selector, Target
from periti.errors import ConfigError, InputError

TOGETHER = "combined"


@dataclass(frozen=True)
class Share:
    """One scorer in the sum.

    Attributes:
        name: of the part, for explanations.
        scorer: fitted.
        weight: in the sum.
        mean, scale: of each of its columns over a sample of the pool.
        aligned: whether its columns are the targets; else they are criteria, which add to every column of the sum.
    """

    name: str
    scorer: Scorer
    weight: float
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    aligned: bool

    def score(self, texts: Sequence[str]) -> Scores:
        """Weighted standard scores, float64 (n, t) if aligned, else (n, 1); -inf where a column has it."""
        found = self.scorer.score(texts)
        closed = np.isneginf(found)
        z: Scores = self.weight * (np.where(closed, 0.0, found) - np.array(self.mean)) / np.array(self.scale)
        z[closed] = -np.inf
        summed: Scores = z if self.aligned else z.sum(axis=1, keepdims=True)
        return summed


@dataclass(frozen=True)
class CombinedScorer:
    """Sums of standard scores.

    Attributes:
        names: the targets if a part has a column for each, else one name.
        shares: the parts.
    """

    names: tuple[str, ...]
    shares: tuple[Share, ...]

    def score(self, texts: Sequence[str]) -> Scores:
        """Sums, float64 (n, t); -inf where a part says so."""
        total: Scores = np.zeros((len(texts), len(self.names)))
        for share in self.shares:
            total = total + share.score(texts)
        return total

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """What each part adds, for the target that the text suits best, and then the parts' own strongest reasons."""
        column = int(np.argmax(self.score([text])[0]))
        added = [(share, share.score([text])[0]) for share in self.shares]
        values = [(share, float(found[column if share.aligned else 0])) for share, found in added]
        sums = [Reason(f"{share.name}, in standard deviations", value) for share, value in values if np.isfinite(value)]
        if not sums:
            return ()
        own = [share.scorer.explain(text, limit) for share in self.shares]
        named = [
            [Reason(f"{share.name}: {reason.what}", reason.value) for reason in reasons]
            for share, reasons in zip(self.shares, own, strict=True)
        ]
        # In turn: the parts' units differ.
        turns = [reasons[place] for place in range(limit) for reasons in named if place < len(reasons)]
        return tuple([*sums, *turns][:limit])


@dataclass(frozen=True)
class CombinedSelector:
    """The weighted sum of several selectors' scores, each standardised over a sample of the pool.

    Attributes:
        parts: name and selector, e.g. ("dsir", DsirSelector()).
        weights: of the parts in their order; empty for the same weight each.
        sample: texts of the pool by which scores are standardised.

    Raises:
        ConfigError: two parts of one name, as many weights as parts are not given, or one that is not above 0.
    """

    parts: tuple[tuple[str, Selector], ...] = ()
    weights: tuple[float, ...] = ()
    sample: int = 10_000
    family: ClassVar[str] = MATCHING
    needs_target: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 75.0

    def __post_init__(self) -> None:
        names = [name for name, _ in self.parts]
        if len(set(names)) != len(names):
            raise ConfigError(f"the parts are {', '.join(names)}; give each once")
        if self.weights and len(self.weights) != len(names):
            raise ConfigError(f"{len(self.weights)} weights for {len(names)} parts; give one each")
        for weight in self.weights:
            if not 0 < weight < float("inf"):
                raise ConfigError(f"a part has the weight {weight}; give a positive number, or leave the part out")

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> CombinedScorer:
        """Fit every part, and look at what it says of a sample of the pool.

        Raises:
            InputError: no part, no target, a part that says so, or an empty pool.
        """
        if not self.parts:
            raise InputError("nothing to combine was given; give two selectors, such as dsir and target")
        if not any(text.strip() for target in targets for text in target.texts):
            raise InputError("no target was given; give examples of what is wanted")
        texts = sampled(pool, self.sample, seed)
        if not texts:
            raise InputError("the pool is empty; give one with at least one document")
        wanted = tuple(target.name for target in targets)
        weights = self.weights or (1.0,) * len(self.parts)
        shares = tuple(
            _share(name, selector.fit(pool, targets, seed=seed), weight, texts, wanted)
            for (name, selector), weight in zip(self.parts, weights, strict=True)
        )
        return CombinedScorer(wanted if any(share.aligned for share in shares) else (TOGETHER,), shares)


def _share(name: str, scorer: Scorer, weight: float, texts: Sequence[str], targets: tuple[str, ...]) -> Share:
    found = scorer.score(texts)
    finite = np.isfinite(found)
    counts = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, found, 0.0).sum(axis=0) / counts
    scale = np.sqrt(np.where(finite, (np.where(finite, found, 0.0) - mean) ** 2, 0.0).sum(axis=0) / counts)
    spread = np.where(scale > 0, scale, 1.0)
    return Share(name, scorer, weight, tuple(mean.tolist()), tuple(spread.tolist()), scorer.names == targets)
