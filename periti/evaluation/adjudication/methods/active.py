"""Active sampling: documents are drawn, runs that seem good have more say, and estimates divide by the chances.

Source: Li and Kanoulas, CIKM 2017. A document is drawn, with replacement, with probability
p(d) = sum over runs of w * q(d), where q is proportional to ln((K + 1) / rank) within a run and w to the run's
estimated AP. A draw of a judged document costs nothing: how many pass before a new one is geometric, so only new ones
are drawn and the others are counted. The chance that d is in the sample is 1 - prod over draws of (1 - p(d)), given
the weights.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from periti.evaluation.adjudication.methods.base import NOBODY, NOTHING, Chooser, Dice
from periti.evaluation.adjudication.pool import TopicPool
from periti.evaluation.ranking import Ints, Values


class ActiveSampling(Chooser):
    """Sampling with weights that follow the estimates; `draws` and `chances` say how each document came in."""

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        share = np.log((topic.depth + 1) / topic.padded_ranks)
        total = share.sum(axis=1, keepdims=True)
        self._share: Values = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
        self._filled = total[:, 0] > 0
        self.chances: list[Values] = []
        self.draws: list[int] = []
        self._log_missed: Values = np.zeros(len(topic))
        self._relevant: list[int] = []
        self._weigh()
        self._next = NOTHING
        self._draw()

    def choose(self, held: Collection[int] = NOBODY) -> int:
        """The drawn document; if another assessor holds it, the most probable one that is left."""
        if self._next == NOTHING or self._next not in held:
            return self._next
        for doc in np.argsort(-self._chance, kind="stable").tolist():
            if not self.judged[doc] and doc not in held:
                return int(doc)
        return NOTHING

    def tell(self, doc: int, *, relevant: bool) -> None:
        """Count the draws, and weigh the runs again after a relevant document."""
        self.judged[doc] = True
        self.chances.append(self._chance)
        self.draws.append(self._count)
        with np.errstate(divide="ignore"):
            self._log_missed = self._log_missed + self._count * np.log1p(-np.minimum(self._chance, 1.0))
        if relevant:
            self._relevant.append(doc)
            self._weigh()
        self._draw()

    @property
    def urgency(self) -> float:
        """The share that is left, so that every query is judged to the same share: chances hold within a query."""
        return float(1.0 - self.judged.mean()) if len(self.judged) else -np.inf

    def _weigh(self) -> None:
        """Runs' weights by estimated AP, even ones before the first relevant document."""
        weight = self._filled.astype(np.float64)
        if self._relevant:
            chance = -np.expm1(self._log_missed[self._relevant])
            joint = np.outer(chance, chance)
            np.fill_diagonal(joint, chance)
            estimated = weighted_ap(self.topic.ranks[:, self._relevant], joint)
            weight = estimated if estimated.sum() > 0 else weight
        total = weight.sum()
        chance = weight @ self._share / total if total > 0 else np.zeros(len(self.topic))
        self._chance: Values = chance

    def _draw(self) -> None:
        """The next document that is new, and how many draws it took to come upon it."""
        fresh = np.where(self.judged, 0.0, self._chance)
        total = float(fresh.sum())
        left = np.flatnonzero(~self.judged)
        if total <= 0.0:
            # Runs with weight hold nothing new: go on with what the others hold, for sure.
            self._next, self._count = (int(left[0]) if len(left) else NOTHING), 1
            return
        first, second = self.dice.random(2)
        cumulative = np.cumsum(fresh)
        place = int(np.searchsorted(cumulative, first * cumulative[-1], side="right"))
        self._next = min(place, int(np.flatnonzero(fresh)[-1]))
        repeats = np.log1p(-second) / np.log1p(-total) if total < 1.0 else 0.0
        self._count = 1 + int(min(repeats, 1e9))


def weighted_ap(ranks: Ints, joint: Values, cutoff: int | None = None) -> Values:
    """Horvitz-Thompson estimate of AP, float64 (k,): sum over pairs of 1 / rank / chance of the pair, over estimated R.

    Args:
        ranks: int64 (k, m), ranks of the m relevant documents in the sample, 0 where a run lacks one.
        joint: float64 (m, m), the chance that both documents are in the sample, of one on the diagonal.
        cutoff: the last rank that counts.
    """
    wanted = float((1.0 / np.diagonal(joint)).sum())
    reached = ranks > 0 if cutoff is None else (ranks > 0) & (ranks <= cutoff)
    inverse = np.divide(1.0, ranks, out=np.zeros(ranks.shape), where=reached)
    above = (ranks[:, None, :] <= ranks[:, :, None]) & (ranks[:, None, :] > 0)
    total: Values = np.einsum("ki,kij,ij->k", inverse, above, 1.0 / joint)
    return total / wanted
