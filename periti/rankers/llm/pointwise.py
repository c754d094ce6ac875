"""Pointwise: is this document relevant, yes or no? The logit is the difference of two log-probabilities (monoT5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from periti.errors import ConfigError, EndpointError
from periti.rankers.llm.candidates import Candidates, ModelRanker, check_on_failure
from periti.rankers.llm.endpoint import Endpoint, Session
from periti.rankers.llm.passages import cut, filled
from periti.rankers.llm.settings import EndpointSettings, at_least
from periti.rankers.llm.wire import Answer, Question

PROMPT = "Query: {query} Document: {document} Relevant:"
INSTRUCTION = "Say whether the document is relevant to the query. Answer with one word: yes or no."
_BLANKS = " \t\r\n\u2581\u0120\u010a"
"""Also the signs for blank and line end in the vocabularies of SentencePiece and GPT-2."""


@dataclass(frozen=True)
class PointwiseOptions:
    """Settings.

    Attributes:
        endpoint: where the model is.
        depth: documents of a query that are judged; each costs a call.
        cache: file of answers; a question in it costs nothing. None keeps none.
        on_failure: "error", or "first-stage" to leave a query as it was when one of its questions has no answer.
        prompt: what is asked; holds {query} once and {document} once.
        instruction: system message of a chat, or put before the prompt; "" for models trained on the bare prompt.
        yes, no: the two answers; capitals and blanks around a token do not matter.
        query_words, document_words: more of a text is cut, and counted.
        alternatives: tokens whose log-probabilities are asked for (OpenAI: at most 20).
        floor: log-probability of an answer that is not among them; none counts as less.
    """

    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    depth: int = 100
    cache: Path | None = None
    on_failure: str = "error"
    prompt: str = PROMPT
    instruction: str = INSTRUCTION
    yes: str = "yes"
    no: str = "no"
    query_words: int = 256
    document_words: int = 300
    alternatives: int = 20
    floor: float = -20.0

    def __post_init__(self) -> None:
        check_on_failure(self.on_failure)
        at_least("ranker", self, {"depth": 1, "query_words": 1, "document_words": 1, "alternatives": 2})
        if not -math.inf < self.floor < 0:
            raise ConfigError(f"ranker: floor is {self.floor}; it must be a negative number")
        if _bare(self.yes) == _bare(self.no) or not _bare(self.yes) or not _bare(self.no):
            raise ConfigError(f"ranker: yes is {self.yes!r} and no is {self.no!r}; give two different words")
        if [self.prompt.count(part) for part in ("{query}", "{document}")] != [1, 1]:
            raise ConfigError("ranker: prompt must hold {query} and {document} once each; mend it")


class PointwiseRanker(ModelRanker):
    """Reranks by a model's yes or no to each document."""

    Options = PointwiseOptions

    def __init__(self, endpoint: Endpoint, options: PointwiseOptions) -> None:
        super().__init__(endpoint, options.depth, options.on_failure)
        self._options = options

    @classmethod
    def open(cls, options: PointwiseOptions) -> Self:
        """The ranker; raises as `Endpoint`. Nothing is asked yet."""
        return cls(Endpoint(options.endpoint, options.cache), options)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Endpoint, model, prompt, answers, budgets and depth."""
        names = (
            "depth",
            "prompt",
            "instruction",
            "yes",
            "no",
            "query_words",
            "document_words",
            "alternatives",
            "floor",
        )
        own = {name: getattr(self._options, name) for name in names}
        return {"method": "pointwise", **self.endpoint.identity, **own}

    def judged(self, session: Session, batch: Sequence[Candidates]) -> Sequence[Sequence[float] | None]:
        """Logits in nats, at most −floor in size; None for a query of which a question failed."""
        failed: set[int] = set()
        jobs = [
            self._job(session, question, number, failed)
            for number, candidates in enumerate(batch)
            for question in self._questions(session, candidates)
        ]
        logits = iter(self._parallel(session, jobs))
        found = [[next(logits) for _ in candidates.documents] for candidates in batch]
        return [[x for x in own if x is not None] if None not in own else None for own in found]

    def _job(self, session: Session, question: Question, query: int, failed: set[int]) -> Callable[[], float | None]:
        """Ask one question, unless another one of the same query has failed: the query falls back anyway."""

        def ask() -> float | None:
            if query in failed:
                return None
            try:
                answer = session.ask(question)
            except EndpointError:
                failed.add(query)
                raise
            return self._logit(session, answer)

        return ask

    def _questions(self, session: Session, candidates: Candidates) -> list[Question]:
        options = self._options
        query, cut_query = cut(candidates.text, options.query_words)
        session.count("truncated_queries", cut_query)
        questions = []
        for document in candidates.documents:
            text, cut_document = cut(document.default_text(), options.document_words)
            session.count("truncated_pairs", cut_document)
            prompt = filled(options.prompt, {"query": query, "document": text})
            questions.append(Question(options.instruction, prompt, 1, options.alternatives))
        return questions

    def _logit(self, session: Session, answer: Answer) -> float:
        yes = _log_mass(answer, self._options.yes, self._options.floor)
        no = _log_mass(answer, self._options.no, self._options.floor)
        session.count("answers_without_yes", yes is None)
        session.count("answers_without_no", no is None)
        session.count("answers_without_either", yes is None and no is None)
        floor = self._options.floor
        return (floor if yes is None else yes) - (floor if no is None else no)


def _bare(token: str) -> str:
    return token.strip(_BLANKS).casefold()


def _log_mass(answer: Answer, word: str, floor: float) -> float | None:
    """Log of the summed probability of a word's spellings, at least the floor; None if none is listed."""
    values = [value for token, value in answer.first if _bare(token) == _bare(word) and value > -math.inf]
    if not values:
        return None
    top = max(values)
    return max(top + math.log(sum(math.exp(value - top) for value in values)), floor)
