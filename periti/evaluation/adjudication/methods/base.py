"""What every judging method is: it chooses a document, is told the judgement, and chooses again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from periti.evaluation.adjudication.pool import TopicPool
from periti.evaluation.ranking import Ints, Mask, Values

NOTHING = -1
"""What `choose` says when no document is left."""
NOBODY: Collection[int] = frozenset()


class Dice(Protocol):
    """The chance that methods use: a subset of numpy's Generator."""

    def random(self, size: int) -> NDArray[np.float64]:
        """Uniform numbers from 0 to 1, float64 (size,)."""
        ...

    def beta(self, a: Values, b: Values) -> NDArray[np.float64]:
        """One draw of each Beta distribution, float64 as given."""
        ...

    def permutation(self, x: int) -> NDArray[np.int64]:
        """The numbers 0..x-1 in random order."""
        ...


class Chooser:
    """One method on one query.

    `choose` never changes the state and `tell` does: two choosers with the same dice that were told the same
    judgements in the same order choose alike, which is what makes an interrupted session resumable.

    Args:
        topic: the pool; methods never look at its grades.
        dice: the chance of this query and seed.
    """

    seeded = True
    """Whether the order hangs on the dice."""

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        self.topic = topic
        self.dice = dice
        self.judged: Mask = np.zeros(len(topic), dtype=np.bool_)

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The document to judge next, `NOTHING` if none is left.

        Args:
            held: documents that others are judging now.
        """
        raise NotImplementedError

    def tell(self, doc: int, *, relevant: bool) -> None:
        """Take in one judgement, of whatever document."""
        raise NotImplementedError

    @property
    def urgency(self) -> float:
        """How much the next document is worth beside those of other queries, larger first."""
        raise NotImplementedError


class Fixed(Chooser):
    """A method that looks at no judgement: its whole order is known at the start.

    Subclasses give the worth of each document once; ties go to the smaller document id.
    """

    seeded = False

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        self.worth = self.value()
        self.order: Ints = np.argsort(-self.worth, kind="stable")
        self._place = 0

    def value(self) -> Values:
        """float64 (n,): larger is judged first."""
        raise NotImplementedError

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The first of the order that is neither judged nor held."""
        for doc in self.order[self._place :].tolist():
            if not self.judged[doc] and doc not in held:
                return int(doc)
        return NOTHING

    def tell(self, doc: int, *, relevant: bool) -> None:  # noqa: ARG002  # the judgement changes nothing
        """Note that the document is judged."""
        self.judged[doc] = True
        while self._place < len(self.order) and self.judged[self.order[self._place]]:
            self._place += 1

    @property
    def urgency(self) -> float:
        """The worth of the first document that is left."""
        return float(self.worth[self.order[self._place]]) if self._place < len(self.order) else -np.inf


class Arms(Chooser):
    """A method that chooses a run and takes its best document that nobody judged yet.

    Subclasses set `index`, float64 (k,), the worth of each run, in `__init__` and after every judgement; ties are
    broken at random.
    """

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        self.systems = len(topic.ranks)
        self.index: Values = np.zeros(self.systems)
        self.left: Ints = topic.retrieved.sum(axis=1)
        self._place = [0] * self.systems
        self._jitter = dice.random(self.systems)

    def rank_arms(self) -> list[int]:
        """The runs that have documents left, best first."""
        alive = np.flatnonzero(self.left > 0)
        return [int(arm) for arm in alive[np.lexsort((-self._jitter[alive], -self.index[alive]))]]

    def best_arm(self) -> int:
        """The first of `rank_arms`, `NOTHING` if every run is exhausted."""
        index = np.where(self.left > 0, self.index, -np.inf)
        highest = index.max(initial=-np.inf)
        if highest == -np.inf:
            return NOTHING
        tied = np.flatnonzero(index == highest)
        return int(tied[0]) if len(tied) == 1 else int(tied[np.argmax(self._jitter[tied])])

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The best document that is left in the best run."""
        if not held:
            arm = self.best_arm()
            return NOTHING if arm == NOTHING else self._next(arm, held)
        for arm in self.rank_arms():
            doc = self._next(arm, held)
            if doc != NOTHING:
                return doc
        return NOTHING

    def tell(self, doc: int, *, relevant: bool) -> None:
        """Take in the judgement, then let chance decide the ties of the next choice."""
        if not self.judged[doc]:
            self.judged[doc] = True
            self.left = self.left - self.topic.retrieved[:, doc]
        self.learn(doc, relevant=relevant)
        self._jitter = self.dice.random(self.systems)
        self.reckon()

    def learn(self, doc: int, *, relevant: bool) -> None:
        """Change what is known of the runs."""
        raise NotImplementedError

    def reckon(self) -> None:
        """Set `index` from what is known."""
        raise NotImplementedError

    @property
    def urgency(self) -> float:
        """The index of the best run."""
        arm = self.best_arm()
        return -np.inf if arm == NOTHING else float(self.index[arm])

    def _next(self, arm: int, held: Collection[int]) -> int:
        """The run's best document that is neither judged nor held."""
        ranked, place = self.topic.lists[arm], self._place[arm]
        while place < len(ranked) and self.judged[ranked[place]]:
            place += 1
        self._place[arm] = place
        for doc in ranked[place:]:
            if not self.judged[doc] and doc not in held:
                return doc
        return NOTHING
