"""Active learning: a ranking that is learned anew from the judgements of the topic itself.

The first ranking is a prior belief (fusion, or what other topics taught); every judgement adds evidence by logistic
regression over the words and the vectors of the documents (`logistic`). Batches grow by a tenth, as in AutoTAR.

Source: Cormack and Gordon, Autonomy and reliability of continuous active learning, arXiv 1504.06868 (batches; there
the prior is a made-up document of the query's words).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from periti.errors import InputError
from periti.retrievers.routing.learners import sigmoid
from periti.screening.logistic import fit
from periti.screening.terms import counts, shares, weighted
from periti.screening.topics import Flags, Floats, Ints, Topic

PENALTY, TRUST = 0.3, 0.5
"""λ, and the log-odds that one standard deviation of the first ranking is worth."""
FIRST, GROWTH = 10, 0.1
"""Documents of the first batch, and the share by which a batch is larger than the one before."""


@dataclass(frozen=True, eq=False)
class Screener:
    """What to read next, given what was judged.

    Attributes:
        topic: n candidates.
        prior: float64 (n,), log-odds believed at first.
        kernel: float64 (n, n), how alike documents are: words and vectors, 0 to 2.
        penalty: λ of the regression.
    """

    topic: Topic
    prior: Floats
    kernel: Floats
    penalty: float = PENALTY

    @classmethod
    def of(cls, topic: Topic, first: Floats, *, trust: float = TRUST, penalty: float = PENALTY) -> Self:
        """A screener that starts from the scores of a ranking.

        Args:
            topic: n candidates.
            first: float64 (n,), scores that rank them at first.
            trust: log-odds that one standard deviation of them is worth, 0 or more.
            penalty: λ, above 0.

        Raises:
            InputError: a number out of range.
        """
        if trust < 0 or penalty <= 0:
            raise InputError(f"trust is {trust} and the penalty {penalty}; give 0 or more, and a number above 0")
        counted = counts(topic.documents)
        # A word of one document is like no other document's.
        share = {word: s for word, s in shares(counted).items() if 1.5 < s * len(counted) < len(counted) - 0.5}
        words = weighted(counted, share)
        read = ~topic.textless[:, None]
        vectors = np.where(read, topic.vectors - topic.vectors[read[:, 0]].mean(axis=0), 0.0) if read.any() else 0.0
        length = np.linalg.norm(vectors, axis=1, keepdims=True) if read.any() else np.ones((len(topic), 1))
        vectors = vectors / np.where(length > 0, length, 1.0)
        kernel = words @ words.T + vectors @ vectors.T
        return cls(topic, trust * topic.scaled(first), kernel, penalty)

    def scores(self, judged: Sequence[int], included: Sequence[bool]) -> Floats:
        """Log-odds of inclusion of every candidate, float64 (n,).

        Args:
            judged: places of the judged candidates, each once, in any order.
            included: what each was judged to be.
        """
        if not len(judged):
            return self.prior
        places, order = np.unique(np.asarray(judged, np.int64), return_index=True)
        labels = np.asarray(included, np.bool_)[order]
        fitted = fit(self.kernel[np.ix_(places, places)], labels, self.prior[places], self.penalty)
        return fitted(self.kernel[:, places], self.prior)

    def unread(self, judged: Sequence[int]) -> Ints:
        """Places that are not judged, ascending, int64."""
        return np.setdiff1d(np.arange(len(self.topic)), np.asarray(judged, np.int64))


@dataclass(frozen=True)
class State:
    """A screening after a batch.

    Attributes:
        read: documents judged.
        found: included ones among them.
        expected: Σ p over the unread, how many are believed to be left.
        variance: Σ p (1 - p), of that number if the model were right.
    """

    read: int
    found: int
    expected: float
    variance: float


def sizes(total: int, first: int = FIRST, growth: float = GROWTH) -> Iterator[int]:
    """Sizes of the batches that read `total` documents: the first, then each larger by a share, rounded up.

    Raises:
        InputError: a number out of range.
    """
    if first < 1 or growth < 0:
        raise InputError(f"the first batch is {first} and grows by {growth}; give 1 or more, and 0 or more")
    size, left = first, total
    while left > 0:
        yield min(size, left)
        left -= size
        size += int(np.ceil(size * growth))


@dataclass(frozen=True, eq=False)
class Screening:
    """A whole topic read in the order in which a screener asks.

    Attributes:
        order: int64 (n,), places as they were read.
        states: after each batch, the last with everything read.
    """

    order: Ints
    states: tuple[State, ...]


def simulate(screener: Screener, relevant: Flags, *, first: int = FIRST, growth: float = GROWTH) -> Screening:
    """Read a topic whose judgements are known; a judgement is used only once its document was read.

    Args:
        screener: of the topic.
        relevant: bool (n,), the judgements.
        first: documents of the first batch.
        growth: share by which a batch is larger than the one before.
    """
    order: list[int] = []
    states = []
    scores = screener.prior
    for size in sizes(len(relevant), first, growth):
        order += screener.topic.order(scores, screener.unread(order))[:size].tolist()
        found = relevant[order]
        left = screener.unread(order)
        # Nothing is asked of the classifier any more, and its last fit would be the longest.
        scores = screener.scores(order, found.tolist()) if len(left) else scores
        chance = sigmoid(scores[left])
        states.append(State(len(order), int(found.sum()), float(chance.sum()), float((chance * (1.0 - chance)).sum())))
    return Screening(np.array(order, np.int64), tuple(states))
