"""MaxSim: every query token looks for its best document token (Khattab, Zaharia; ColBERT, SIGIR 2020, equation 3).

score(q, d) = Σ over tokens i of q of max over tokens j of d of ⟨q_i, d_j⟩. The maximum starts at -∞, and only tokens
take part: a document that is padded with zeros has similarity 0 in store, which beats every negative one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periti.encoders.tokens import TokenVectors
from periti.protocols import Vectors

LEAST = -1.0
"""What a query token finds in a document without tokens: the least that unit vectors can score."""


def maxsim(query: Vectors, documents: TokenVectors) -> NDArray[np.float64]:
    """Scores of n documents for one query.

    Args:
        query: float32 (q, d), unit vectors of its tokens; without any, all documents score 0.
        documents: token vectors of n texts.

    Returns:
        float64 (n,), computed in float64 and rounded to float32, so that equal documents score the same wherever they
        stand; -q for a document without tokens.
    """
    similarities = documents.values.astype(np.float64) @ query.astype(np.float64).T
    best = np.full((len(documents), len(query)), -np.inf)
    filled = np.flatnonzero(np.diff(documents.offsets))
    if len(filled):
        best[filled] = np.maximum.reduceat(similarities, documents.offsets[filled], axis=0)
    best[np.isneginf(best)] = LEAST
    scores: NDArray[np.float64] = best.sum(axis=1).astype(np.float32).astype(np.float64)
    return scores
