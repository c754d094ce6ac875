"""The ways to order a topic: without feedback by words, vectors, their sum, what others taught or a model; or with it.

Every score is scaled within its topic (`Topic.scaled`) before it is added to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from periti.errors import InputError, UnknownName
from periti.rankers.reranking import PairScorer
from periti.registry import nearest
from periti.screening.criteria import Criteria
from periti.screening.feedback import FIRST, GROWTH, Screener, Screening, simulate
from periti.screening.topics import Floats, Ints, Topic

METHODS = {
    "bm25": "BM25 of title and text with the topic's name",
    "dense": "cosine of the vectors of the topic's name and of the document",
    "fusion": "sum of both, scaled within the topic",
    "criteria": "dense, and words of included documents learned from the other topics",
    "cross-encoder": "a cross-encoder's logit, every candidate read with the topic's name",
    "criteria+cross-encoder": "sum of criteria and the logit, scaled within the topic",
    "criteria+bm25+cross-encoder": "sum of all signals, each scaled within the topic",
    "active": "fusion at first, learned anew from the topic's own judgements batch by batch",
    "criteria+active": "criteria at first, then as active",
    "cross-encoder+active": "cross-encoder at first, then as active",
    "criteria+cross-encoder+active": "criteria and the logit at first, then as active",
    "criteria+bm25+cross-encoder+active": "all signals at first, then as active",
}
"""Name to what orders the candidates."""
ACTIVE = "active"
LEARNED = "criteria"
MODEL = "cross-encoder"


def uses_feedback(method: str) -> bool:
    """Whether judgements of the topic itself are used while it is read; such orders are no one-shot rankings."""
    return method == ACTIVE or method.endswith(f"+{ACTIVE}")


def uses_model(method: str) -> bool:
    """Whether a cross-encoder reads the candidates."""
    return MODEL in method.split("+")


@dataclass(frozen=True, eq=False)
class Ordered:
    """A topic in the order of a method.

    Attributes:
        order: int64 (n,), places of the candidates, first to last.
        screening: how it was read, for methods with feedback.
    """

    order: Ints
    screening: Screening | None = None


@dataclass(eq=False)
class Orderer:
    """Orders topics by any method.

    Attributes:
        topics: all topics; those that others learn from too.
        rel: lowest relevant grade, which criteria and feedback learn.
        model: scores pairs, for cross-encoder.
        first, growth: of the batches that are judged between two updates.
    """

    topics: Sequence[Topic]
    rel: int = 1
    model: PairScorer | None = None
    first: int = FIRST
    growth: float = GROWTH

    _read: dict[str, Floats] = field(default_factory=dict)

    @cached_property
    def criteria(self) -> Criteria:
        """What is learned from other topics; made when first needed.

        Raises:
            InputError: fewer than three topics.
        """
        return Criteria(self.topics, self.rel)

    def order(self, topic: Topic, method: str) -> Ordered:
        """The topic in the order of a method.

        Raises:
            UnknownName: no such method.
            InputError: it needs a model, or other topics to learn from.
        """
        if method not in METHODS:
            raise UnknownName(f"no screening method {method!r}; {nearest(method, METHODS)}")
        if not uses_feedback(method):
            return Ordered(topic.order(self.scores(topic, method)))
        first = "fusion" if method == ACTIVE else method.removesuffix(f"+{ACTIVE}")
        screener = Screener.of(topic, self.scores(topic, first))
        screening = simulate(screener, topic.relevant(self.rel), first=self.first, growth=self.growth)
        return Ordered(screening.order, screening)

    def scores(self, topic: Topic, method: str) -> Floats:
        """Scores of a method without feedback, float64 (n,): the sum of its signals, each scaled within the topic."""
        total = np.zeros(len(topic))
        for signal in ("bm25", "dense") if method == "fusion" else method.split("+"):
            if signal == "bm25":
                total += topic.scaled(topic.words)
            elif signal == MODEL:
                total += topic.scaled(self._by_model(topic))
            else:
                if signal == LEARNED:
                    total += topic.scaled(self.criteria.scores(topic))
                total += topic.scaled(topic.meaning)
        return total

    def _by_model(self, topic: Topic) -> Floats:
        """Logits, each pair scored once however many methods start from them."""
        if self.model is None:
            raise InputError("the method cross-encoder needs a model; give its folder with --model")
        if topic.name not in self._read:
            logits = self.model.score([topic.query] * len(topic), topic.documents).logits
            if not np.isfinite(logits).all():
                raise InputError(f"the model gave logits of topic {topic.name!r} that are no numbers; it is damaged")
            self._read[topic.name] = logits
        return self._read[topic.name]
