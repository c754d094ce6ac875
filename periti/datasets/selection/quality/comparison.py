"""Raters beside each other and beside length: the figures that `periti train rater` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.bradley_terry import USUAL_FIT, Fit
from periti.datasets.selection.quality.features import FeatureOptions
from periti.datasets.selection.quality.held_out import (
    HeldOut,
    alike_in_length,
    folds_of,
    held_out,
    interval,
    lengths_of,
    resampled_means,
)
from periti.datasets.selection.quality.judgments import Judgments
from periti.datasets.selection.selector import Embed
from periti.progress import Progress

Floats = NDArray[np.float64]

BASELINE = "length"


@dataclass(frozen=True)
class Standing:
    """One system on held-out pairs.

    Attributes:
        accuracy: share of pairs with a preference whose better text is rated higher; ties count half.
        interval: of the accuracy, 95 %, over groups and pairs.
        over_length: accuracy less that of the baseline on the same pairs.
        over_length_interval: 95 %.
        alike: accuracy over pairs of texts that are alike in length; None where there is none.
        subsets: accuracy over named subsets of pairs.
        length_correlation: Spearman's, of ratings and numbers of words, over the texts of all pairs.
    """

    accuracy: float
    interval: tuple[float, float]
    over_length: float
    over_length_interval: tuple[float, float]
    alike: float | None
    subsets: Mapping[str, float]
    length_correlation: float


@dataclass(frozen=True)
class Comparison:
    """Systems on the same held-out pairs.

    Attributes:
        criterion: what was judged.
        pairs: all that are judged.
        preferred: those with a preference, which accuracy counts.
        alike: of these, those of texts alike in length.
        texts: different ones.
        groups: held out together.
        folds: of groups.
        left_out: training pairs over all folds that shared a text with the fold held out.
        rounds: bootstrap samples.
        systems: by name, the baseline first.
    """

    criterion: str
    pairs: int
    preferred: int
    alike: int
    texts: int
    groups: int
    folds: int
    left_out: int
    rounds: int
    systems: Mapping[str, Standing]


@dataclass(frozen=True)
class Protocol:
    """How systems are compared.

    Attributes:
        folds: at most.
        rounds: bootstrap samples.
        seed: of folds and bootstrap.
        fit: of raters.
    """

    folds: int = 16
    rounds: int = 2000
    seed: int = 1
    fit: Fit = USUAL_FIT


def cross_validated(
    judgments: Judgments,
    systems: Mapping[str, FeatureOptions],
    protocol: Protocol,
    progress: Progress,
    embed: Embed | None = None,
) -> Mapping[str, HeldOut]:
    """Ratings of held-out pairs by several systems, on the same folds.

    Args:
        judgments: with groups.
        systems: features by name, among them "length".
        protocol: folds and how to fit.
        progress: told of each system that is done.
        embed: for encoder features; hand in one that remembers.

    Raises:
        InputError: as `folds_of` and `held_out`.
    """
    folds = folds_of(judgments, protocol.folds, protocol.seed)
    found = {}
    progress.start("cross-validating raters", len(systems))
    for name, options in systems.items():
        found[name] = held_out(judgments, folds, options, protocol.fit, embed)
        progress.advance(1)
    progress.finish()
    return found


def compared(
    judgments: Judgments,
    found: Mapping[str, HeldOut],
    protocol: Protocol,
    subsets: Mapping[str, NDArray[np.bool_]],
) -> Comparison:
    """The systems beside each other.

    Args:
        judgments: as they were cross-validated on.
        found: what `cross_validated` gave.
        protocol: folds, bootstrap, seed.
        subsets: masks of pairs, bool (m,).
    """
    folds = folds_of(judgments, protocol.folds, protocol.seed)
    baseline = found[BASELINE].outcomes(judgments)
    alike = alike_in_length(judgments)
    standings = {
        name: _standing(judgments, one, baseline, {**subsets, "": alike}, protocol) for name, one in found.items()
    }
    preferred = judgments.preference != 0
    return Comparison(
        judgments.criterion,
        len(judgments),
        int(preferred.sum()),
        int((alike & preferred).sum()),
        len(judgments.texts),
        len(set(judgments.groups)),
        len(np.unique(folds)),
        found[BASELINE].left_out,
        protocol.rounds,
        standings,
    )


def _standing(
    judgments: Judgments, one: HeldOut, baseline: Floats, subsets: Mapping[str, NDArray[np.bool_]], protocol: Protocol
) -> Standing:
    outcomes = one.outcomes(judgments)
    means = resampled_means(outcomes, judgments.groups, protocol.rounds, protocol.seed)
    gains = resampled_means(outcomes - baseline, judgments.groups, protocol.rounds, protocol.seed)
    by_subset = {name: _mean(outcomes[mask]) for name, mask in subsets.items()}
    lengths = lengths_of(judgments)
    rows = np.concatenate([judgments.first, judgments.second])
    ratings = np.concatenate([one.first, one.second])
    return Standing(
        float(np.nanmean(outcomes)),
        interval(means),
        float(np.nanmean(outcomes - baseline)),
        interval(gains),
        by_subset.pop(""),
        {name: value for name, value in by_subset.items() if value is not None},
        spearman(ratings, lengths[rows].astype(np.float64)),
    )


def _mean(outcomes: Floats) -> float | None:
    counted = outcomes[np.isfinite(outcomes)]
    return float(counted.mean()) if len(counted) else None


def spearman(left: Floats, right: Floats) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    a, b = _ranks(left), _ranks(right)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    lasts = np.cumsum(counts)
    ranks: Floats = (lasts - (counts - 1) / 2)[places]
    return ranks
