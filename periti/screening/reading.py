"""One person reads a topic: what comes next and how far it is, as a pure function of the decisions made so far.

As `simulate` would: the order is learned anew after each batch, from all decisions before it, so that the same
decisions always give the same order, whenever the service was stopped in between. Taking one back takes the order back.

The reader may at any moment have the rest drawn at random instead. What is proven then errs as `stopping` says: the
bound counts draws in the order in which they were drawn, and all moments share one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from periti.retrievers.routing.learners import sigmoid
from periti.screening.feedback import FIRST, GROWTH, Screener, State, sizes
from periti.screening.stopping import Target, most_left
from periti.screening.topics import Floats, Ints

Decisions = Mapping[int, bool]
"""Place to whether it was included, in the order of the first decision about each place."""


@dataclass(frozen=True)
class Draw:
    """The moment from which the rest is drawn at random.

    Attributes:
        after: decisions made before.
        seed: of the draws, 0 or more.
    """

    after: int
    seed: int


@dataclass(frozen=True)
class Drawn:
    """What random draws prove.

    Attributes:
        total: candidates that were left when the drawing began.
        read: draws judged, in the order drawn without a gap.
        found: included ones among them.
        most: the largest number of included ones among `total` that is still possible.
        recall: the least recall that is still possible, 0 to 1.
        error: the chance that recall is lower, over all moments at which one may look.
    """

    total: int
    read: int
    found: int
    most: int
    recall: float
    error: float


class Reading:
    """A topic before one reader. Remembers its last fit and nothing else; not to be shared between threads.

    Args:
        screener: of the topic.
        first: documents of the first batch.
        growth: share by which a batch is larger than the one before.

    Raises:
        InputError: a size out of range.
    """

    def __init__(self, screener: Screener, *, first: int = FIRST, growth: float = GROWTH) -> None:
        self.screener = screener
        # The last batch is not learned from: nothing is left to be ordered, and its fit would be the longest.
        self.ends = tuple(accumulate(sizes(len(screener.topic), first, growth)))[:-1]
        self._fitted: tuple[tuple[tuple[int, bool], ...], Floats] = ((), screener.prior)

    def learned_from(self, decided: Decisions) -> int:
        """How many decisions the order rests on: those of the batches that are complete."""
        return max((end for end in self.ends if end <= len(decided)), default=0)

    def scores(self, decided: Decisions) -> Floats:
        """Log-odds of inclusion of every candidate, float64 (n,), learned from the complete batches."""
        key = tuple(decided.items())[: self.learned_from(decided)]
        if self._fitted[0] != key:
            places, included = zip(*key, strict=True) if key else ((), ())
            self._fitted = key, self.screener.scores(places, included)
        return self._fitted[1]

    def order(self, decided: Decisions, draw: Draw | None = None) -> Ints:
        """Places that are not decided yet, the next one first, int64: by score, or as they were drawn."""
        if draw is None:
            return self.screener.topic.order(self.scores(decided), self.screener.unread(list(decided)))
        drawn = self._draws(decided, draw)
        return drawn[~np.isin(drawn, list(decided))]

    def state(self, decided: Decisions) -> State | None:
        """What the classifier believes is left; None until it has learned from a batch, or nothing is left."""
        left = self.screener.unread(list(decided))
        if len(left) and not self.learned_from(decided):
            return None
        chance = sigmoid(self.scores(decided)[left])
        found = sum(decided.values())
        return State(len(decided), found, float(chance.sum()), float((chance * (1.0 - chance)).sum()))

    def drawn(self, decided: Decisions, draw: Draw, target: Target) -> Drawn:
        """What the draws prove so far."""
        draws = self._draws(decided, draw).tolist()
        # What was judged out of turn was not drawn: counting it would let the reader choose the sample.
        read = next((number for number, place in enumerate(draws) if place not in decided), len(draws))
        found = sum(decided[place] for place in draws[:read])
        most = most_left(read, found, len(draws), target.alpha)
        before = sum(list(decided.values())[: draw.after])
        # What was found out of turn is among the `most`, unless there are more of it.
        included = sum(decided.values())
        possible = max(before + most, included)
        return Drawn(len(draws), read, found, most, included / possible if possible else 1.0, target.alpha)

    def _draws(self, decided: Decisions, draw: Draw) -> Ints:
        """What was not decided when the drawing began, in random order."""
        rest = self.screener.unread(list(decided)[: draw.after])
        # By the digest's places first, so that the order of storage does not reach the draw.
        places = self.screener.topic.places[rest]
        return np.random.default_rng(draw.seed).permutation(rest[np.argsort(places)])
