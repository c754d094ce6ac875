"""How much of the pool's distribution to mix into a target's: what predicts examples that are left out best.

Deleted interpolation (Jelinek and Mercer 1980), each example left out in turn. At the best share, unseen examples of
the target are likelier under the mixture than under the pool, so that documents like them gain by their length instead
of losing; too small a share makes the shortest documents win, and which share is too small depends on how many examples
there are and how many buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from periti.datasets.selection.features import Features
from periti.datasets.selection.hashing import Ints
from periti.datasets.selection.smoothing import Floats

_MOST = 0.95
"""The largest share, so that something of the target always stays."""
_STEPS = 30


def left_out_share(texts: Sequence[str], raw: Ints, features: Features) -> float:
    """The share of the pool's distribution under which left-out examples are likeliest, 0 to 0.95.

    Args:
        texts: the examples; copies count once, since a copy tells nothing of what is unseen. One alone is cut in two.
        raw: counts of the pool, (buckets,).
        features: that it was counted by.
    """
    ratios = _ratios(texts, raw, features)
    if not len(ratios):
        return _MOST
    low, high = 0.0, _MOST
    for _ in range(_STEPS):
        share = (low + high) / 2
        # Slope of the mean of log(ratio + share (1 - ratio)), which is concave.
        slope = ((1 - ratios) / (ratios + share * (1 - ratios))).sum()
        low, high = (share, high) if slope > 0 else (low, share)
    return (low + high) / 2


def _ratios(texts: Sequence[str], raw: Ints, features: Features) -> Floats:
    """p(n-gram | the other examples) / p(n-gram | pool) for each n-gram of each example that the pool has too."""
    found = features.of(list(dict.fromkeys(texts)))
    sizes = np.diff(found.indptr)
    if np.count_nonzero(sizes) == 1:
        total = int(sizes.sum())
        sizes = np.array([total // 2, total - total // 2])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    _, where, times = np.unique(owner * features.buckets + found.bucket, return_inverse=True, return_counts=True)
    others = found.counts(features.buckets)[found.bucket] - times[where]
    rest = (sizes.sum() - sizes)[owner]
    known = (raw[found.bucket] > 0) & (rest > 0)
    ratios: Floats = others[known] / rest[known] * (raw.sum() / raw[found.bucket[known]])
    return ratios
