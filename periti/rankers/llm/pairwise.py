"""Pairwise: which of two documents is more relevant, asked both ways round, and summed up (duoT5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np

from periti.rankers.llm.verdicts import VerdictOptions, VerdictRanker


@dataclass(frozen=True)
class PairwiseOptions(VerdictOptions):
    """Settings as in `VerdictOptions`; a query costs depth × (depth − 1) calls.

    The prompt holds {query}, {first} and {second}; yes means that the first is more relevant.
    """

    depth: int = 10
    prompt: str = "Query: {query} Document0: {first} Document1: {second} Relevant:"
    instruction: str = (
        "Say whether Document0 is more relevant to the query than Document1. Answer with one word: yes or no."
    )
    document_words: int = 150
    PLACES: ClassVar[tuple[str, ...]] = ("query", "first", "second")


class PairwiseRanker(VerdictRanker):
    """Reranks the top by a model's preferences between all ordered pairs (Pradeep et al. 2021, SYM-SUM)."""

    Options = PairwiseOptions
    method = "pairwise"

    def prompts(self, query: str, documents: Sequence[str]) -> list[str]:
        """One an ordered pair of different places, in the order of `itertools.permutations`."""
        return [self._filled(query=query, first=one, second=two) for one, two in permutations(documents, 2)]

    def scores(self, logits: Sequence[float], n: int) -> list[float]:
        """s_i = Σ_{j≠i} (p_ij + (1 − p_ji)), p the logistic of the logit; between 0 and 2(n − 1).

        Summed exactly, so that preferences that cancel leave ties, which the first stage breaks.
        """
        chances = np.full((n, n), 0.5)
        chances[~np.eye(n, dtype=bool)] = np.exp(-np.logaddexp(0, -np.asarray(logits, dtype=np.float64)))
        return [n - 1 + math.fsum(own) for own in (chances - chances.T).tolist()]
