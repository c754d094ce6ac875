"""Fusion as an election: every expert is a voter, every document that anyone returned is a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.codes import Places
from periti.rankers.fusion.parts import fused
from periti.rankers.fusion.ranks import NoOptions
from periti.rankers.fusion.valued import Valued
from periti.types import Plan, Run

_CELLS = 1 << 22
"""Pairs of documents compared at once: bounds the memory of one query."""


class BordaFuse:
    """Borda count (Aslam, Montague; SIGIR 2001).

    Of c candidates the first of a list gets c points, the next c - 1, and so on; those that a list of n leaves out
    share its remaining points, (c - n + 1) / 2 each.
    """

    Options = NoOptions

    @classmethod
    def open(cls, options: NoOptions) -> Self:  # noqa: ARG003  (the seam's signature)
        """The fusion rule."""
        return cls()

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        return fused(runs, plan, self._scores, "borda")

    def _scores(self, ballots: Ballots) -> Values:
        count = ballots.candidates.sizes[ballots.query].astype(np.float64)
        points = ballots.spread(count) - ballots.rank + 1
        return Valued(ballots, points, (count - ballots.lengths + 1) / 2).total


class Condorcet:
    """Majority over pairs (Montague, Aslam; CIKM 2002), by Copeland's count.

    The paper sorts by pairwise majorities, which is no order where majorities form a cycle. Here a document's score is
    the number of candidates that it beats plus half the number that it draws with: wherever the majorities are an order
    it is that order, and a cycle is a tie. An expert prefers what it returned to what it did not, and has no say about
    two documents that it did not return. O(c²) for c candidates.
    """

    Options = NoOptions

    @classmethod
    def open(cls, options: NoOptions) -> Self:  # noqa: ARG003  (the seam's signature)
        """The fusion rule."""
        return cls()

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        return fused(runs, plan, self._scores, "condorcet")

    def _scores(self, ballots: Ballots) -> Values:
        own = [np.flatnonzero(ballots.query == query) for query in range(len(ballots.queries))]
        scores = [_copeland(ballots, query, lists) for query, lists in enumerate(own)]
        return np.concatenate([np.empty(0), *scores])


def _copeland(ballots: Ballots, query: int, lists: Places) -> Values:
    """Scores of one query's candidates."""
    found = ballots.candidates
    margins: list[tuple[float, Values]] = []
    for i in lists.tolist():
        rows = slice(ballots.starts[i], ballots.starts[i] + ballots.lengths[i])
        ranks = np.full(int(found.sizes[query]), np.inf)
        ranks[found.of_row[rows] - found.starts[query]] = ballots.rank[rows]
        margins.append((float(ballots.weights[i]), ranks))
    return np.concatenate([_beaten(margins, rows) for rows in _blocks(int(found.sizes[query]))])


def _blocks(candidates: int) -> list[slice]:
    size = max(1, _CELLS // candidates)
    return [slice(start, start + size) for start in range(0, candidates, size)]


def _beaten(margins: list[tuple[float, Values]], rows: slice) -> Values:
    """Wins plus half the draws of the candidates in `rows` against all, float64; a draw with itself is left out."""
    balance: NDArray[np.float64] = np.zeros((len(margins[0][1][rows]), len(margins[0][1])))
    for weight, ranks in margins:
        ahead = (ranks[rows, None] < ranks).astype(np.int8) - (ranks[rows, None] > ranks).astype(np.int8)
        balance += weight * ahead
    wins: Values = (balance > 0).sum(axis=1) + 0.5 * ((balance == 0).sum(axis=1) - 1)
    return wins
