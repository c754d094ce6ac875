"""Orders that are known before anyone judges: by depth, by id, at random, by fusion."""

from __future__ import annotations

import numpy as np

from periti.evaluation.adjudication.methods.base import Fixed
from periti.evaluation.ranking import Values

RRF_K = 60


class Depth(Fixed):
    """By the best rank that any run gives the document: what pooling to growing depth does."""

    def value(self) -> Values:
        """The best rank, negative."""
        worth: Values = -self.topic.padded_ranks.min(axis=0).astype(np.float64)
        return worth


class DocId(Fixed):
    """By document id: the order in which TREC hands pools to assessors."""

    def value(self) -> Values:
        """The place, negative."""
        return -np.arange(len(self.topic), dtype=np.float64)


class Random(Fixed):
    """In random order."""

    seeded = True

    def value(self) -> Values:
        """From 0 to 1, so that queries share a budget evenly."""
        count = len(self.topic)
        return np.asarray((self.dice.permutation(count) + 1.0) / (count + 1.0), dtype=np.float64)


class Borda(Fixed):
    """By points: a run gives n to its first document, n - 1 to the next, and the rest evenly to those it lacks.

    Source: Aslam and Montague, SIGIR 2001. n is the size of the pool.
    """

    def value(self) -> Values:
        """Points as a share of the most that a document can get, added exactly."""
        count, held = len(self.topic), self.topic.retrieved.sum(axis=1)
        # A document that only entered from beyond others that were left out may have a rank above n.
        order = np.argsort(np.argsort(self.topic.padded_ranks, axis=1, kind="stable"), axis=1)
        rest = (count - held + 1) / 2.0
        points = np.where(self.topic.retrieved, count - order, rest[:, None])
        worth: Values = points.sum(axis=0).astype(np.float64) / max(1, count * len(held))
        return worth


class ReciprocalRanks(Fixed):
    """By the sum of 1 / (60 + rank) over runs.

    Source: Cormack, Clarke and Büttcher, SIGIR 2009.
    """

    def value(self) -> Values:
        """The sum, added in order of size so that equal ranks in other runs give equal sums."""
        shares = np.where(self.topic.retrieved, 1.0 / (RRF_K + self.topic.padded_ranks), 0.0)
        worth: Values = np.sort(shares, axis=0).sum(axis=0)
        return worth
