"""Orders that follow the judgements by a rule: move-to-front and Hedge."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from periti.evaluation.adjudication.methods.base import NOBODY, NOTHING, Arms, Chooser, Dice
from periti.evaluation.adjudication.pool import TopicPool
from periti.evaluation.ranking import Values

HEDGE_BETA = 0.1
TIE_DIGITS = 12
"""Worths that agree to so many digits are tied; float64 sums differ in the last."""


class MoveToFront(Arms):
    """Stay with a run while it gives relevant documents; after another its priority falls by 1 and a run is picked.

    Source: Cormack, Palmer and Clarke, SIGIR 1998. Priorities begin at K; the highest is picked, ties at random.
    """

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        self.index = np.full(self.systems, float(topic.depth))
        self.current = self.best_arm()
        self._stay = False

    def learn(self, doc: int, *, relevant: bool) -> None:
        """The run that is being read answers for a document it holds."""
        answers = self.current != NOTHING and bool(self.topic.retrieved[self.current, doc])
        if answers and not relevant:
            self.index[self.current] -= 1.0
        self._stay = relevant or not answers

    def reckon(self) -> None:
        """Pick a run, unless the current one may go on."""
        if not self._stay or self.current == NOTHING or not self.left[self.current]:
            self.current = self.best_arm()

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The next document of the current run; if all of it is held, of the others by priority."""
        doc = NOTHING if self.current == NOTHING else self._next(self.current, held)
        return doc if doc != NOTHING else super().choose(held)

    @property
    def urgency(self) -> float:
        """The priority of the current run."""
        return -np.inf if self.current == NOTHING else float(self.index[self.current])


class Hedge(Chooser):
    """The document with the largest sum over runs of weight * 1/2 ln(Z / rank).

    A run's weight is multiplied by .1 to the power of that number after a document that is not relevant, and by .1 to
    its negative after a relevant one. Source: Aslam, Pavlu and Savell, SIGIR 2003. Z is K + 1 and a document that a run
    lacks has rank K + 1 there, so it adds 0. Ties go to the smaller document id.
    """

    seeded = False

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        self.worth: Values = 0.5 * np.log((topic.depth + 1) / topic.padded_ranks)
        self.log_weight: Values = np.zeros(len(topic.ranks))
        self._reckon()

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The document of the largest sum that is neither judged nor held."""
        if not held:
            best = int(np.argmax(self._score)) if len(self._score) else NOTHING
            return best if best != NOTHING and not self.judged[best] else NOTHING
        for doc in np.argsort(-self._score, kind="stable").tolist():
            if not self.judged[doc] and doc not in held:
                return int(doc)
        return NOTHING

    def tell(self, doc: int, *, relevant: bool) -> None:
        """Reward or punish every run that holds the document."""
        self.judged[doc] = True
        loss = self.worth[:, doc] * (-1.0 if relevant else 1.0)
        self.log_weight = self.log_weight + loss * np.log(HEDGE_BETA)
        self._reckon()

    @property
    def urgency(self) -> float:
        """The sum over the sum of weights."""
        return float(self._score.max(initial=-np.inf))

    def _reckon(self) -> None:
        """Weighted means, with -inf for judged documents."""
        weight = np.exp(self.log_weight - self.log_weight.max())
        mean = np.round(weight @ self.worth / weight.sum(), TIE_DIGITS)
        self._score: Values = np.where(self.judged, -np.inf, mean)
