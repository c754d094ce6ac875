"""Yes or no: what pointwise and pairwise rankers ask, and how an answer becomes a logit."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from periti.errors import ConfigError, EndpointError
from periti.rankers.llm.candidates import Candidates, ModelRanker, check_on_failure
from periti.rankers.llm.endpoint import Endpoint, Session
from periti.rankers.llm.passages import cut, filled
from periti.rankers.llm.settings import EndpointSettings, at_least
from periti.rankers.llm.wire import Answer, Question

_BLANKS = " \t\r\n\u2581\u0120\u010a"
"""Also the signs for blank and line end in the vocabularies of SentencePiece and GPT-2."""


@dataclass(frozen=True)
class VerdictOptions:
    """Settings of a ranker that asks for yes or no.

    Attributes:
        endpoint: where the model is.
        depth: documents of a query that are judged.
        cache: file of answers; a question in it costs nothing. None keeps none.
        on_failure: "error", or "first-stage" to leave a query as it was when one of its questions has no answer.
        prompt: what is asked; holds each of the ranker's places ({query}, ...) once.
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
    prompt: str = ""
    instruction: str = ""
    yes: str = "yes"
    no: str = "no"
    query_words: int = 256
    document_words: int = 300
    alternatives: int = 20
    floor: float = -20.0
    PLACES: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_on_failure(self.on_failure)
        at_least("ranker", self, {"depth": 1, "query_words": 1, "document_words": 1, "alternatives": 2})
        if not -math.inf < self.floor < 0:
            raise ConfigError(f"ranker: floor is {self.floor}; it must be a negative number")
        if _bare(self.yes) == _bare(self.no) or not _bare(self.yes) or not _bare(self.no):
            raise ConfigError(f"ranker: yes is {self.yes!r} and no is {self.no!r}; give two different words")
        places = [f"{{{name}}}" for name in self.PLACES]
        if any(self.prompt.count(place) != 1 for place in places):
            raise ConfigError(f"ranker: prompt must hold each of {', '.join(places)} once; mend it")


class VerdictRanker(ModelRanker):
    """A ranker whose scores are made of yes or no to questions about a query."""

    method: ClassVar[str]

    def __init__(self, endpoint: Endpoint, options: VerdictOptions) -> None:
        super().__init__(endpoint, options.depth, options.on_failure)
        self._options = options

    @classmethod
    def open(cls, options: VerdictOptions) -> Self:
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
        return {"method": self.method, **self.endpoint.identity, **own}

    @abstractmethod
    def prompts(self, query: str, documents: Sequence[str]) -> list[str]:
        """What is asked about a query and its documents, all of them within their budgets."""

    @abstractmethod
    def scores(self, logits: Sequence[float], n: int) -> list[float]:
        """The scores of n documents from the logits of their prompts."""

    def judged(self, session: Session, batch: Sequence[Candidates]) -> Sequence[Sequence[float] | None]:
        """Scores of the documents; None for a query of which a question failed."""
        failed: set[int] = set()
        prompts = [self._prompts(session, candidates) for candidates in batch]
        jobs = [self._job(session, prompt, query, failed) for query, own in enumerate(prompts) for prompt in own]
        logits = iter(self._parallel(session, jobs))
        found = [[next(logits) for _ in own] for own in prompts]
        return [
            self.scores([x for x in own if x is not None], len(candidates.documents)) if None not in own else None
            for candidates, own in zip(batch, found, strict=True)
        ]

    def _prompts(self, session: Session, candidates: Candidates) -> list[str]:
        options = self._options
        query, cut_query = cut(candidates.text, options.query_words)
        documents = [cut(document.default_text(), options.document_words) for document in candidates.documents]
        session.count("truncated_queries", cut_query)
        session.count("truncated_pairs", sum(cut_document for _, cut_document in documents))
        return self.prompts(query, [text for text, _ in documents])

    def _job(self, session: Session, prompt: str, query: int, failed: set[int]) -> Callable[[], float | None]:
        """Ask one question, unless another one of the same query has failed: the query falls back anyway."""
        options = self._options

        def ask() -> float | None:
            if query in failed:
                return None
            try:
                answer = session.ask(Question(options.instruction, prompt, 1, options.alternatives))
            except EndpointError:
                failed.add(query)
                raise
            return self._logit(session, answer)

        return ask

    def _filled(self, **texts: str) -> str:
        return filled(self._options.prompt, texts)

    def _logit(self, session: Session, answer: Answer) -> float:
        """The logit log P(yes) − log P(no), in nats; what is not listed has the floor, and is counted."""
        floor = self._options.floor
        yes, no = (_log_mass(answer, word, floor) for word in (self._options.yes, self._options.no))
        session.count("answers_without_yes", yes is None)
        session.count("answers_without_no", no is None)
        session.count("answers_without_either", yes is None and no is None)
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
