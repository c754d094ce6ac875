"""How well raters order pairs of groups that they have not seen: cross-validation, intervals, and length alone.

Features, frequencies and weights come from the training folds only. A training pair with a text that is also in the
held-out fold is left out, so that no text is on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.bradley_terry import USUAL_FIT, Fit
from periti.datasets.selection.quality.features import (
    ENCODER,
    HASHED,
    KEPT,
    LENGTH,
    NORMALISED,
    REMOVED,
    SURFACE,
    FeatureOptions,
)
from periti.datasets.selection.quality.judgments import Judgments
from periti.datasets.selection.quality.rater import train_rater
from periti.datasets.selection.selector import Embed
from periti.datasets.selection.words import words_of
from periti.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALIKE = 1.2
"""Texts whose numbers of words differ by this factor or less are alike in length."""

SYSTEMS: Mapping[str, FeatureOptions] = {
    "length": FeatureOptions((LENGTH,)),
    "hashed, length kept": FeatureOptions((HASHED,), KEPT),
    "hashed": FeatureOptions((HASHED,), NORMALISED),
    "hashed, length removed": FeatureOptions((HASHED,), REMOVED),
    "surface": FeatureOptions((SURFACE,)),
    "surface + hashed": FeatureOptions((SURFACE, HASHED), NORMALISED),
    "surface + hashed, length removed": FeatureOptions((SURFACE, HASHED), REMOVED),
    "encoder": FeatureOptions((ENCODER,)),
    "encoder + hashed": FeatureOptions((ENCODER, HASHED), NORMALISED),
    "encoder + hashed, length removed": FeatureOptions((ENCODER, HASHED), REMOVED),
}
"""What is measured side by side; "length" is the baseline."""


@dataclass(frozen=True)
class HeldOut:
    """Ratings of held-out pairs.

    Attributes:
        first, second: ratings of the two texts of each pair by the rater that has not seen its group, float64 (m,).
        left_out: training pairs, summed over folds, that share a text with the fold held out.
    """

    first: Floats
    second: Floats
    left_out: int

    def outcomes(self, judgments: Judgments) -> Floats:
        """1 where the preferred text is rated higher, 0.5 for a tie, 0 else, float64 (m,); NaN without preference."""
        sign = np.sign(self.first - self.second) * judgments.preference
        return np.where(judgments.preference == 0, np.nan, (sign + 1) / 2)


def folds_of(judgments: Judgments, most: int, seed: int) -> Ints:
    """The fold of each pair: a group is in one fold, int64 (m,). Pairs without a group are groups of their own.

    Args:
        judgments: with groups.
        most: folds at most; with as many groups or fewer each group is a fold (leave one group out).
        seed: of who shares a fold.

    Raises:
        InputError: fewer than two groups, or folds.
    """
    names = [group or f"\0{number}" for number, group in enumerate(judgments.groups)]
    groups = sorted(set(names))
    if len(groups) < 2 or most < 2:
        raise InputError(
            f"{judgments.criterion}: {len(groups)} group(s) and {most} folds; held-out accuracy needs two of each: "
            "give pairs of several topics"
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    fold = {groups[place]: number % most for number, place in enumerate(order.tolist())}
    return np.array([fold[name] for name in names], np.int64)


def held_out(
    judgments: Judgments, folds: Ints, options: FeatureOptions, fit: Fit = USUAL_FIT, embed: Embed | None = None
) -> HeldOut:
    """Ratings of every pair by a rater that was trained on other folds.

    Raises:
        InputError: a fold leaves nothing to train on, or encoder features without an encoder.
    """
    first, second = np.zeros(len(judgments)), np.zeros(len(judgments))
    left_out = 0
    for fold in np.unique(folds):
        test = folds == fold
        seen = np.zeros(len(judgments.texts), bool)
        seen[judgments.first[test]] = seen[judgments.second[test]] = True
        shared = (seen[judgments.first] | seen[judgments.second]) & ~test
        left_out += int(shared.sum())
        rater = train_rater([compact(judgments.only(~test & ~shared))], options, fit, embed)
        rows = np.flatnonzero(seen)
        ratings = np.zeros(len(seen))
        ratings[rows] = rater.rate([judgments.texts[row] for row in rows.tolist()], embed)[:, 0]
        first[test], second[test] = ratings[judgments.first[test]], ratings[judgments.second[test]]
    return HeldOut(first, second, left_out)


def compact(judgments: Judgments) -> Judgments:
    """The same pairs over the texts that they are of only."""
    rows, places = np.unique(np.concatenate([judgments.first, judgments.second]), return_inverse=True)
    m = len(judgments)
    texts = tuple(judgments.texts[row] for row in rows.tolist())
    return Judgments(texts, places[:m], places[m:], judgments.p, judgments.votes, judgments.groups, judgments.criterion)


def lengths_of(judgments: Judgments) -> Ints:
    """Words of each text, int64 (n,)."""
    return np.diff(words_of(judgments.texts).indptr)


def alike_in_length(judgments: Judgments) -> NDArray[np.bool_]:
    """Pairs of texts of about the same length (factor ALIKE), bool (m,)."""
    logs = np.log1p(lengths_of(judgments))
    alike: NDArray[np.bool_] = np.abs(logs[judgments.first] - logs[judgments.second]) <= np.log(ALIKE)
    return alike


def resampled_means(values: Floats, groups: Sequence[str], rounds: int, seed: int) -> Floats:
    """Means of bootstrap samples of groups, and of pairs within each drawn group, float64 (rounds,).

    Args:
        values: of few different numbers, such as outcomes or their differences; NaN where a pair does not count.
        groups: of each pair.
        rounds: samples.
        seed: of the draws.
    """
    counts_of, levels = _table(values, groups)
    rng = np.random.default_rng(seed)
    sizes = counts_of.sum(axis=1)
    means = np.empty(rounds)
    for number in range(rounds):
        drawn = rng.integers(len(sizes), size=len(sizes))
        # As many pairs with each value as a draw with replacement from the group's own would have.
        counts = rng.multinomial(sizes[drawn], counts_of[drawn] / sizes[drawn][:, None])
        means[number] = (counts @ levels).sum() / counts.sum()
    return means


def interval(means: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap means."""
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _table(values: Floats, groups: Sequence[str]) -> tuple[Ints, Floats]:
    """How many pairs of each group (rows) have each value (columns), and the values."""
    counted = np.isfinite(values)
    if not counted.any():
        raise InputError("no pair has a preference; there is nothing to measure")
    levels, places = np.unique(values[counted], return_inverse=True)
    _, rows = np.unique(np.asarray(groups)[counted], return_inverse=True)
    table = np.zeros((int(rows.max()) + 1, len(levels)), np.int64)
    np.add.at(table, (rows, places), 1)
    return table, levels
