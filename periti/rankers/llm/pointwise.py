"""Pointwise: is this document relevant, yes or no? The logit is the difference of two log-probabilities (monoT5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from periti.rankers.llm.verdicts import VerdictOptions, VerdictRanker


@dataclass(frozen=True)
class PointwiseOptions(VerdictOptions):
    """Settings as in `VerdictOptions`; the prompt holds {query} and {document}, and each document costs a call."""

    prompt: str = "Query: {query} Document: {document} Relevant:"
    instruction: str = "Say whether the document is relevant to the query. Answer with one word: yes or no."
    PLACES: ClassVar[tuple[str, ...]] = ("query", "document")


class PointwiseRanker(VerdictRanker):
    """Reranks by a model's yes or no to each document (Nogueira et al. 2020, monoT5); scores are logits in nats."""

    Options = PointwiseOptions
    method = "pointwise"

    def prompts(self, query: str, documents: Sequence[str]) -> list[str]:
        """One a document; what follows the document is never cut."""
        return [self._filled(query=query, document=document) for document in documents]

    def scores(self, logits: Sequence[float], n: int) -> list[float]:  # noqa: ARG002  (the seam's signature)
        """The logits themselves, at most −floor in size."""
        return list(logits)
