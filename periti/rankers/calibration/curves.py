"""Monotone curves from one expert's scores to a scale that all experts share.

* quantile: the empirical distribution of the scores that the expert retrieves; needs no judgements.
* platt: the chance of relevance by logistic regression (Platt 1999), fitted by the safe Newton steps and with the
  smoothed targets of Lin, Lin and Weng (Machine Learning 68, 2007).
* isotonic: the chance of relevance by monotone regression (pool adjacent violators; Ayer et al. 1955), its flat
  stretches shrunk to their centres with straight lines between (centred isotonic regression; Oron, Flournoy 2017), so
  that documents with different scores are told apart wherever the data allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
QUANTILE_KNOTS = 512
"""Knots over the whole distribution, and as many again over its upper tail, where rankings are decided."""


@dataclass(frozen=True)
class Curve:
    """A non-decreasing function of a score, to 0..1.

    Attributes:
        x: m scores, strictly increasing.
        y: m values, non-decreasing; straight lines between, constant outside. For a logistic curve the two ends of
            `x` are standardised to 0 and 1 and `y` holds intercept and slope.
        logistic: which of the two it is.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    logistic: bool = False

    def __post_init__(self) -> None:
        x, y = np.array(self.x, np.float64), np.array(self.y, np.float64)
        good = len(x) == len(y) and len(x) > 0 and np.isfinite(x).all() and np.isfinite(y).all()
        rising = good and (np.diff(x) > 0).all() and (y[-1] > 0 if self.logistic else (np.diff(y) >= 0).all())
        if not rising or (self.logistic and len(x) != 2):
            raise InputError("calibration: a curve does not rise with the score; fit it again")

    def __call__(self, scores: Values) -> Values:
        """Calibrated values float64 (n,) of scores float64 (n,)."""
        x, y = np.array(self.x), np.array(self.y)
        if not self.logistic:
            return _straight(scores, x, y)
        z = y[0] + y[1] * ((scores - x[0]) / (x[1] - x[0]))
        return _sigmoid(z)


def quantile(scores: Values) -> Curve:
    """The mid-distribution function of scores float64 (n,): share below plus half the share equal.

    Raises:
        InputError: there are no scores.
    """
    if not len(scores):
        raise InputError("no scores to calibrate on; give queries that the expert answers")
    x, counts = np.unique(scores, return_counts=True)
    y = (np.cumsum(counts) - counts / 2) / len(scores)
    if len(x) > 2 * QUANTILE_KNOTS:
        tail = 1 - np.geomspace(1 / len(scores), 0.5, QUANTILE_KNOTS)
        levels = np.concatenate([np.linspace(0, 1, QUANTILE_KNOTS), tail])
        kept = np.unique(np.append(np.searchsorted(y, levels).clip(0, len(x) - 1), [0, len(x) - 1]))
        x, y = x[kept], y[kept]
    return Curve(tuple(x.tolist()), tuple(y.tolist()))


def platt(scores: Values, relevant: Mask) -> Curve:
    """Chance of relevance 1 / (1 + exp(-(a + b s))) by regularised maximum likelihood.

    Args:
        scores: float64 (n,).
        relevant: bool (n,).

    Raises:
        InputError: nothing or everything is relevant, all scores are equal, or relevance falls with the score.
    """
    _require_both(relevant)
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        raise InputError("all scores are equal, so they say nothing of relevance; leave the expert out")
    positives, negatives = int(relevant.sum()), int((~relevant).sum())
    target = np.where(relevant, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    intercept, slope = _newton((scores - low) / (high - low), target)
    if not slope > 0:
        raise InputError("relevance does not rise with the score, so no rising curve fits; leave the expert out")
    return Curve((low, high), (intercept, slope), logistic=True)


def isotonic(scores: Values, relevant: Mask) -> Curve:
    """Chance of relevance by centred isotonic regression of relevant bool (n,) on scores float64 (n,).

    One document of the other kind is added at either end, as Platt's targets are smoothed: else the single best score
    of a noisy expert, if it happens to be relevant, would be a certainty.

    Raises:
        InputError: nothing or everything is relevant.
    """
    _require_both(relevant)
    scores, relevant = np.append(scores, [scores.min(), scores.max()]), np.append(relevant, [True, False])
    x, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    share = np.bincount(place, relevant.astype(np.float64)) / counts
    fitted = pav(share, counts.astype(np.float64))
    begins = np.flatnonzero(np.diff(fitted, prepend=-1.0) > 0)
    weight = np.add.reduceat(counts.astype(np.float64), begins)
    centre = np.add.reduceat(x * counts, begins) / weight
    return Curve(tuple(centre.tolist()), tuple(fitted[begins].tolist()))


def pav(values: Values, weights: Values) -> Values:
    """The non-decreasing sequence nearest to `values` in weighted squares: pool adjacent violators.

    Args:
        values: float64 (n,), in order of the predictor.
        weights: float64 (n,), positive.

    Returns:
        float64 (n,).
    """
    means: list[float] = []
    masses: list[float] = []
    sizes: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, size = value, weight, 1
        while means and means[-1] >= mean:
            before = masses.pop()
            mean = (means.pop() * before + mean * mass) / (before + mass)
            mass += before
            size += sizes.pop()
        means.append(mean)
        masses.append(mass)
        sizes.append(size)
    return np.repeat(np.array(means, np.float64), sizes)


def _straight(scores: Values, x: Values, y: Values) -> Values:
    """Straight lines between knots; unlike np.interp no rounding ever makes a larger score get less."""
    if len(x) == 1:
        return np.full(len(scores), y[0])
    i = (np.searchsorted(x, scores, side="right") - 1).clip(0, len(x) - 2)
    share = ((scores - x[i]) / (x[i + 1] - x[i])).clip(0, 1)
    straight: Values = np.minimum(y[i] + (y[i + 1] - y[i]) * share, y[i + 1])
    return straight


def _require_both(relevant: Mask) -> None:
    if relevant.all() or not relevant.any():
        raise InputError(
            f"{int(relevant.sum())} of {len(relevant)} retrieved documents are relevant; a chance of relevance needs "
            "some of both kinds, so give more queries or use the quantile method"
        )


def _newton(z: Values, target: Values) -> tuple[float, float]:
    """Intercept and slope of logistic regression on one predictor; each step is halved until the loss falls."""
    intercept, slope = float(np.log(target.mean() / (1 - target.mean()))), 0.0
    loss = _loss(intercept + slope * z, target)
    for _ in range(100):
        chance = _sigmoid(intercept + slope * z)
        residual, spread = target - chance, np.maximum(chance * (1 - chance), 1e-12)
        gradient = np.array([residual.sum(), (residual * z).sum()])
        if np.abs(gradient).max() < 1e-10 * len(z):
            break
        cross = float((spread * z).sum())
        hessian = np.array([[spread.sum(), cross], [cross, float((spread * z * z).sum())]])
        step, size = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient), 1.0
        while size > 1e-10:
            tried = intercept + size * step[0], slope + size * step[1]
            new = _loss(tried[0] + tried[1] * z, target)
            if new < loss:
                break
            size /= 2
        else:
            break
        intercept, slope, loss = float(tried[0]), float(tried[1]), new
    return intercept, slope


def _loss(logits: Values, target: Values) -> float:
    """Cross-entropy, summed, without overflow."""
    return float((np.logaddexp(0, logits) - target * logits).sum())


def _sigmoid(z: Values) -> Values:
    chance: Values = 0.5 * (1 + np.tanh(0.5 * z))
    return chance
