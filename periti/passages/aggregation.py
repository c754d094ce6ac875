"""Scores of passages to one score of their document.

Scores are logits or inner products: a sum of probabilities is another rule than a sum of logits. With s_(1) >= s_(2) >=
... the scores of a document's n passages, and s_1 that of its first:

    first     s_1                                          FirstP
    max       s_(1)                                        MaxP
    sum       s_1 + ... + s_n                              SumP; it favours long documents
    mean      sum / n                                      MeanP
    top-mean  (s_(1) + ... + s_(m)) / m, m = min(k, n)     mean of the k best
    decayed   s_(1) + w s_(2) + ... + w^(m-1) s_(m)        k-MaxP with decay w

Source: Dai and Callan, SIGIR 2019 (FirstP, MaxP, SumP); the k best and their decay as in
periti's reference of rankers, section 2.9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periti.errors import ConfigError, InputError

RULES = ("first", "max", "sum", "mean", "top-mean", "decayed")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Aggregation:
    """One of the rules.

    Attributes:
        rule: its name.
        k: passages that top-mean and decayed look at.
        decay: weight of a passage over that of the one before it, for decayed; 0 to 1.

    Raises:
        ConfigError: there is no such rule, or a value is out of range.
    """

    rule: str = "max"
    k: int = 3
    decay: float = 0.5

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"passages: no aggregation {self.rule!r}; known: {', '.join(RULES)}")
        if self.k < 1:
            raise ConfigError(f"passages: k is {self.k}; the best passages counted must be at least 1")
        if not 0 <= self.decay <= 1:
            raise ConfigError(f"passages: decay is {self.decay}; it must be between 0 and 1")

    def __call__(self, scores: ArrayLike, mask: NDArray[np.bool_]) -> Floats:
        """One score a document.

        Args:
            scores: (..., width), passages in the document's order; what `mask` leaves out may hold anything.
            mask: bool (..., width), where there is a passage; the first place is taken in every document.

        Returns:
            float64 (...); bit for bit the same however wide the padding is.

        Raises:
            InputError: the shapes differ, or a document has no passage.
        """
        values = np.asarray(scores, np.float64)
        if values.shape != mask.shape or not values.ndim:
            raise InputError(f"passages: scores of shape {values.shape} under a mask of shape {mask.shape}")
        if not values.shape[-1] or not mask[..., 0].all():
            raise InputError("passages: a document without a first passage has no score; give each one at least")
        if self.rule == "first":
            return values[..., 0].copy()
        if self.rule in ("sum", "mean"):
            total = _summed(np.where(mask, values, 0.0))
            counts: Floats = mask.sum(axis=-1).astype(np.float64)
            return total if self.rule == "sum" else total / counts
        best = -np.sort(-np.where(mask, values, -np.inf), axis=-1)
        if self.rule == "max":
            return best[..., 0].copy()
        counted = (np.arange(best.shape[-1]) < self.k) & (np.arange(best.shape[-1]) < mask.sum(axis=-1)[..., None])
        best = np.where(counted, best, 0.0)
        if self.rule == "top-mean":
            means: Floats = _summed(best) / counted.sum(axis=-1)
            return means
        return _summed(best * self.decay ** np.arange(best.shape[-1]))

    def bound(self, highest: ArrayLike, most: int) -> Floats:
        """What no document exceeds whose passages all score `highest` at most.

        Args:
            highest: (q,).
            most: passages that a document has at most, 1 or more.

        Returns:
            float64 (q,).
        """
        top = np.asarray(highest, np.float64)
        weight = 1.0
        if self.rule == "sum":
            weight = float(most)
        elif self.rule == "decayed":
            weight = float((self.decay ** np.arange(min(self.k, most))).sum())
        # Below zero every further passage lowers a sum: one passage alone is the best a document can have.
        bounds: Floats = np.maximum(top, top * weight)
        return bounds


def padded(scores: ArrayLike, owners: NDArray[np.int64], documents: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores of passages as a matrix of documents.

    Args:
        scores: (p,).
        owners: int64 (p,), ascending: the document, 0 to documents - 1, that each passage is of.
        documents: how many.

    Returns:
        float64 and bool (documents, width), padded with 0 and False.
    """
    counts = np.bincount(owners, minlength=documents)
    mask = np.arange(counts.max(initial=0)) < counts[:, None]
    matrix = np.zeros(mask.shape)
    matrix[mask] = np.asarray(scores, np.float64)
    return matrix, mask


def _summed(values: Floats) -> Floats:
    """Sums along the last axis, from the left: zeros behind a document's passages change no bit."""
    total: Floats = np.cumsum(values, axis=-1)[..., -1]
    return total
