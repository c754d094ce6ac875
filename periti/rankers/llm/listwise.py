"""Listwise: a model orders twenty passages at a time, in windows that slide from the bottom to the top (RankGPT).

The scores are 1/rank: they order the documents of one query and say nothing across queries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.rankers.llm.candidates import Candidates, ModelRanker, check_on_failure
from periti.rankers.llm.endpoint import Endpoint, Session
from periti.rankers.llm.passages import cut, filled, without_identifiers
from periti.rankers.llm.permutations import read_permutation, windows
from periti.rankers.llm.settings import EndpointSettings, at_least
from periti.rankers.llm.wire import Question

INSTRUCTION = "You order passages by how relevant they are to a search query."
_BEFORE = "Below are {n} passages, each after its identifier in brackets. Order them by relevance to the query: {query}"
_AFTER = (
    "Query: {query}\nOrder the {n} passages above, the most relevant first. Name each identifier once, in the form "
    "[2] > [1] > ... and write nothing else."
)
_TOKENS_PER_PASSAGE = 8
"""`[20] > ` takes five or six; an answer that is cut misses documents, which is counted."""


@dataclass(frozen=True)
class ListwiseOptions:
    """Settings.

    Attributes:
        endpoint: where the model is.
        depth: documents of a query that are ordered, in ⌈(depth − window)/stride⌉ + 1 calls.
        cache: file of answers; a question in it costs nothing. None keeps none.
        on_failure: "error", or "first-stage" to leave a query as it was when one of its windows has no answer.
        window, stride: passages a call, and how far the next window is above.
        query_words, document_words: more of a text is cut, and counted.
        instruction: system message of a chat, or put before the prompt.
        answer_tokens: limit of an answer; 0 allows for the identifiers only, too little for models that think aloud.
        repeats: orders of which the mean rank counts; the first starts from the first stage, the others from shuffles.
        seed: of the shuffles.
    """

    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    depth: int = 100
    cache: Path | None = None
    on_failure: str = "error"
    window: int = 20
    stride: int = 10
    query_words: int = 256
    document_words: int = 300
    instruction: str = INSTRUCTION
    answer_tokens: int = 0
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_on_failure(self.on_failure)
        least = {"depth": 1, "window": 2, "stride": 1, "query_words": 1, "document_words": 1, "repeats": 1}
        at_least("ranker", self, {**least, "answer_tokens": 0, "seed": 0})
        if self.stride > self.window:
            raise ConfigError(
                f"ranker: stride is {self.stride} and window {self.window}; windows must meet, so lower the stride"
            )


class ListwiseRanker(ModelRanker):
    """Reranks by a model's own order of passages."""

    Options = ListwiseOptions

    def __init__(self, endpoint: Endpoint, options: ListwiseOptions) -> None:
        super().__init__(endpoint, options.depth, options.on_failure)
        self._options = options

    @classmethod
    def open(cls, options: ListwiseOptions) -> Self:
        """The ranker; raises as `Endpoint`. Nothing is asked yet."""
        return cls(Endpoint(options.endpoint, options.cache), options)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Endpoint, model, prompt, windows, budgets, repeats and depth."""
        names = (
            "depth", "window", "stride", "query_words", "document_words", "instruction", "answer_tokens", "repeats",
            "seed",
        )  # fmt: skip
        own = {name: getattr(self._options, name) for name in names}
        return {"method": "listwise", **self.endpoint.identity, **own}

    def judged(self, session: Session, batch: Sequence[Candidates]) -> Sequence[Sequence[float] | None]:
        """1/rank of each document; None for a query of which a window failed."""
        repeats = self._options.repeats
        texts = [self._prepared(session, candidates) for candidates in batch]
        jobs: list[Callable[[], list[int]]] = [
            partial(self._order, session, *prepared, start)
            for candidates, prepared in zip(batch, texts, strict=True)
            for start in self._starts(candidates)
        ]
        orders = iter(self._parallel(session, jobs))
        found = [[next(orders) for _ in range(repeats)] for _ in batch]
        return [
            _reciprocal(session, [order for order in own if order is not None]) if None not in own else None
            for own in found
        ]

    def _prepared(self, session: Session, candidates: Candidates) -> tuple[str, list[str]]:
        """The query and the passages as they stand in prompts."""
        query, cut_query = cut(candidates.text, self._options.query_words)
        session.count("truncated_queries", cut_query)
        passages = []
        for document in candidates.documents:
            text, cut_document = cut(document.default_text(), self._options.document_words)
            session.count("truncated_pairs", cut_document)
            passages.append(without_identifiers(text))
        return without_identifiers(query), passages

    def _starts(self, candidates: Candidates) -> list[list[int]]:
        """The order that each repeat starts from; depends on the query and its candidates only."""
        n = len(candidates.documents)
        own = hashlib.sha256(candidates.text.encode("utf-8", "replace")).digest()
        rng = np.random.default_rng([self._options.seed, int.from_bytes(own, "big")])
        return [list(range(n)), *(rng.permutation(n).tolist() for _ in range(self._options.repeats - 1))]

    def _order(self, session: Session, query: str, passages: Sequence[str], start: Sequence[int]) -> list[int]:
        """One pass of windows, from the bottom up: places of passages, the most relevant first."""
        order = list(start)
        for window in windows(len(order), self._options.window, self._options.stride):
            inside = order[window]
            answer = session.ask(self._question(query, [passages[place] for place in inside]))
            found = read_permutation(answer.text, len(inside))
            session.count(f"answers_{found.form}")
            order[window] = [inside[place] for place in found.order]
        return order

    def _question(self, query: str, passages: Sequence[str]) -> Question:
        n = len(passages)
        lines = [f"[{number}] {passage}" for number, passage in enumerate(passages, 1)]
        before, after = (filled(text, {"n": str(n), "query": query}) for text in (_BEFORE, _AFTER))
        prompt = "\n\n".join([before, "\n".join(lines), after])
        return Question(self._options.instruction, prompt, self._options.answer_tokens or _TOKENS_PER_PASSAGE * n + 16)


def _reciprocal(session: Session, orders: Sequence[Sequence[int]]) -> list[float]:
    """1/rank of each document in the order of mean ranks, ties by first-stage rank.

    Where there are several orders, their spread is counted: `rank_spread` sums, over `documents_in_repeats`, the
    difference between the largest and the smallest rank of a document.
    """
    ranks: NDArray[np.int64] = np.empty((len(orders), len(orders[0])), dtype=np.int64)
    for own, order in zip(ranks, orders, strict=True):
        own[list(order)] = np.arange(1, len(order) + 1)
    if len(orders) > 1:
        session.count("rank_spread", int(np.ptp(ranks, axis=0).sum()))
        session.count("documents_in_repeats", ranks.shape[1])
    final = np.empty(ranks.shape[1])
    final[np.argsort(ranks.sum(axis=0), kind="stable")] = np.arange(1, ranks.shape[1] + 1)
    reciprocal: list[float] = (1 / final).tolist()
    return reciprocal
