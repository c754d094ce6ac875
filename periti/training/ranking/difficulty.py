"""How easy a document is by the first stage: the heuristics of MacAvaney et al., SIGIR 2020.

D(q, d) in 0..1 is high where a document is easy if it is relevant, and hard if it is not:

    recip  D = 1 / rank
    norm   D = (s - min) / (max - min) over the scores s of the query's list
    kde    D = CDF at s of a Gaussian kernel density estimate on the list's scores (Scott's bandwidth)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def ease_of(heuristic: str, scores: Values) -> Values:
    """D of each document of a first stage's list.

    Args:
        heuristic: "recip", "norm", "kde"; empty gives zeros.
        scores: float64 (n,), best first.

    Returns:
        float64 (n,). Where all scores are equal, norm and kde say 1/2: neither easy nor hard.
    """
    n = len(scores)
    if not heuristic or not n:
        return np.zeros(n)
    if heuristic == "recip":
        return 1 / np.arange(1.0, n + 1)
    return normalised(scores) if heuristic == "norm" else kernel_cdf(scores)


def normalised(scores: Values) -> Values:
    """(s - min) / (max - min), float64 (n,); 1/2 where all are equal."""
    spread = float(np.ptp(scores))
    return (scores - scores.min()) / spread if spread > 0 else np.full(len(scores), 0.5)


def kernel_cdf(scores: Values) -> Values:
    """CDF of a Gaussian kernel density estimate on the scores, at each of them, float64 (n,).

    The bandwidth is Scott's, n ** (-1/5) standard deviations (ddof 1), as in scipy's gaussian_kde; equal scores, which
    have no density, are at the middle of their one kernel.
    """
    n = len(scores)
    bandwidth = float(np.std(scores, ddof=1)) * n ** (-0.2) if n > 1 else 0.0
    if bandwidth == 0:
        return np.full(n, 0.5)
    scaled = (scores[:, None] - scores[None, :]) / (bandwidth * math.sqrt(2))
    below = np.array([math.erf(value) for value in scaled.ravel()]).reshape(n, n)
    found: Values = (1 + below.mean(axis=1)) / 2
    return found
