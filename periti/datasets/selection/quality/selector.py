"""The selector "quality": raters' numbers, one column a criterion, or their weighted sum."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.keyed import mixed, stream_key, text_words
from periti.datasets.selection.quality.rater import Rater
from periti.datasets.selection.selector import QUALITY, Blocks, Embed, Reason, Scores, Target
from periti.errors import InputError
from periti.registry import nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QualityScorer:
    """Ratings of a text.

    Attributes:
        raters: at least one.
        embed: the encoder of those that need one.
        weights: of all criteria, or empty for a column each.
        mean, scale: of each criterion over a sample of the pool, where there are weights.
    """

    raters: tuple[Rater, ...]
    embed: Embed | None = None
    weights: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The criteria, or "quality" for their sum."""
        return ("quality",) if self.weights else criteria_of(self.raters)

    def score(self, texts: Sequence[str]) -> Scores:
        """Ratings, float64 (n, k) or their weighted sum (n, 1); -inf for texts without words."""
        ratings = rated(self.raters, texts, self.embed)
        if not self.weights:
            return ratings
        with np.errstate(invalid="ignore"):
            summed = ((ratings - np.array(self.mean)) / np.array(self.scale) * np.array(self.weights)).sum(axis=1)
        summed[np.isneginf(ratings).any(axis=1)] = -np.inf
        column: Scores = summed[:, None]
        return column

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """The rating by each criterion, and then the n-grams and other features that it rests on most."""
        found = {name: reasons for rater in self.raters for name, reasons in rater.explain(text, self.embed).items()}
        ratings = [
            Reason(f"criterion {name}", sum(one.value for one in parts)) for name, parts in found.items() if parts
        ]
        parts = [Reason(f"{name}: {one.what}", one.value) for name, reasons in found.items() for one in reasons]
        return tuple([*ratings, *sorted(parts, key=lambda one: -abs(one.value))][:limit])


@dataclass(frozen=True)
class QualitySelector:
    """Texts that raters rate high (QuRating, Wettig et al. 2024).

    Attributes:
        raters: trained ones, as `read_rater` gives them.
        embed: the encoder of those that need one.
        weights: of criteria by name, "name=weight", all named; empty for the same weight each. A negative weight wants
            less of it.
        sample: texts of the pool by which ratings are standardised before they are weighted.
    """

    raters: tuple[Rater, ...] = ()
    embed: Embed | None = None
    weights: tuple[tuple[str, float], ...] = ()
    sample: int = 5000
    family: ClassVar[str] = QUALITY
    needs_target: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 60.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> QualityScorer:  # noqa: ARG002
        """Look at the pool's ratings where weights are given; else nothing is learned.

        Raises:
            InputError: no rater, one that needs an encoder without it, a criterion twice, weights of other criteria, or
                an empty pool.
        """
        names = criteria_of(self.raters)
        if not names:
            raise InputError("quality needs a rater; train one by periti train rater and hand it in")
        if len(set(names)) != len(names):
            raise InputError(f"two raters have a criterion of one name ({', '.join(names)}); give each criterion once")
        if self.embed is None and any(rater.needs_model for rater in self.raters):
            raise InputError("the rater reads encoder features; hand in the encoder that it was trained with")
        if not self.weights:
            return QualityScorer(self.raters, self.embed)
        given = dict(self.weights)
        for name in given.keys() ^ set(names):
            raise InputError(
                f"the weights name {', '.join(given)}; give one for each criterion; {nearest(name, names)}"
            )
        ratings = rated(self.raters, sampled(pool, self.sample, seed), self.embed)
        ratings = ratings[np.isfinite(ratings).all(axis=1)]
        if not len(ratings):
            raise InputError("the pool is empty, or has no text with words; give one with at least one")
        scale = ratings.std(axis=0)
        return QualityScorer(
            self.raters,
            self.embed,
            tuple(given[name] for name in names),
            tuple(ratings.mean(axis=0).tolist()),
            tuple(np.where(scale > 0, scale, 1.0).tolist()),
        )


def criteria_of(raters: Sequence[Rater]) -> tuple[str, ...]:
    """All criteria, in order."""
    return tuple(name for rater in raters for name in rater.criteria)


def rated(raters: Sequence[Rater], texts: Sequence[str], embed: Embed | None) -> Scores:
    """Ratings by all criteria, float64 (n, k)."""
    found: Scores = np.concatenate([rater.rate(texts, embed) for rater in raters], axis=1)
    return found


def sampled(pool: Blocks, size: int, seed: int) -> list[str]:
    """Some texts of a pool, by a hash of each, so that neither order nor blocks matter."""
    key, kept = stream_key("quality sample", seed), list[tuple[int, str]]()
    for texts in pool():
        drawn = mixed(text_words(tuple(texts)), key).tolist()
        for number, text in zip(drawn, texts, strict=True):
            item = (-number, text)
            if len(kept) < size:
                heapq.heappush(kept, item)
            elif item > kept[0]:
                heapq.heapreplace(kept, item)
    return [text for _, text in sorted(kept, reverse=True)]
