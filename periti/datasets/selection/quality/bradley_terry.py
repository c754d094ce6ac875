"""Bradley-Terry: scores whose differences are the log-odds of being preferred, linear in features of the texts.

Bradley and Terry (1952); with soft labels and a threshold of confidence as QuRating (Wettig et al. 2024) has it: binary
cross-entropy of p and sigmoid(s_a - s_b) over pairs with |p - 0.5| of at least 0.25. There is no intercept, so turning
a pair round changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.design import Design
from periti.datasets.selection.quality.judgments import Judgments
from periti.datasets.selection.quality.lbfgs import minimise
from periti.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """How a rater is fitted.

    Attributes:
        confidence: least |2p - 1| of a pair that is learned from; 0.5 is QuRating's |p - 0.5| >= 0.25.
        soft: learn the probabilities; otherwise only who is preferred, 0 or 1, without ties.
        penalty: of the squared weights, beside the mean loss of a pair.
    """

    confidence: float = 0.5
    soft: bool = True
    penalty: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            raise InputError(f"confidence is {self.confidence}; give a number from 0 to 1")
        if not (np.isfinite(self.penalty) and self.penalty > 0):
            raise InputError(f"penalty is {self.penalty}; give a number above 0")

    def learned_from(self, judgments: Judgments) -> NDArray[np.bool_]:
        """Which pairs a rater learns from, bool (m,)."""
        sure = judgments.confidence >= self.confidence - 1e-9
        return sure if self.soft else sure & (judgments.preference != 0)


USUAL_FIT = Fit()


def fit_weights(design: Design, judgments: Judgments, fit: Fit = USUAL_FIT) -> Floats:
    """Weights of the features.

    Args:
        design: features of `judgments.texts`, in their order.
        judgments: of one criterion.
        fit: which pairs count, and how.

    Returns:
        float64 (columns,); a larger product with a text's features is a better text.

    Raises:
        InputError: no pair is confident enough, or all of these are ties.
    """
    used = fit.learned_from(judgments)
    if not (used & (judgments.preference != 0)).any():
        raise InputError(
            f"{judgments.criterion}: none of the {len(judgments)} pairs has a preference of confidence "
            f"{fit.confidence:g} or more; lower it or judge more pairs"
        )
    first, second = judgments.first[used], judgments.second[used]
    p = judgments.p[used] if fit.soft else (judgments.preference[used] > 0).astype(np.float64)
    n, m = len(design), len(p)

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = design.times(weights)
        odds = scores[first] - scores[second]
        value = float(np.mean(np.logaddexp(0, odds) - p * odds)) + fit.penalty / 2 * float(
            np.einsum("i,i->", weights, weights)
        )
        wrong = (0.5 * (1 + np.tanh(0.5 * odds)) - p) / m
        texts = np.bincount(first, wrong, n) - np.bincount(second, wrong, n)
        return value, design.transposed_times(texts.astype(np.float64)) + fit.penalty * weights

    return minimise(loss, np.zeros(design.columns))
