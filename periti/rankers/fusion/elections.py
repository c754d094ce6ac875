"""Fusion as an election: every expert is a voter, every document that anyone returned is a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.ranks import NoOptions
from periti.rankers.fusion.scaling import candidates
from periti.rankers.fusion.valued import Valued, summed
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
        ballots = Ballots.of(runs, plan)
        count = candidates(ballots)
        absent = (count - ballots.spread(ballots.lengths.astype(np.float64)) + 1) / 2
        return ballots.settled(summed(Valued(ballots, count - ballots.column("rank") + 1, absent)), "borda")


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
        ballots = Ballots.of(runs, plan)
        number = pl.Series("list", ballots.spread(np.arange(len(ballots.starts), dtype=np.float64)))
        votes = ballots.frame.with_columns(number)
        parts = [_copeland(own) for own in votes.partition_by("query", maintain_order=True)]
        if not parts:
            return Run.empty("condorcet")
        return ballots.settled(pl.concat(parts), "condorcet")


def _copeland(votes: pl.DataFrame) -> pl.DataFrame:
    """The candidates of one query with their scores and best ranks."""
    wide = votes.group_by("doc", maintain_order=True).agg(pl.col("rank").min().alias("best"))
    places = {doc: i for i, doc in enumerate(wide["doc"])}
    margins: list[tuple[float, Values]] = []
    for own in votes.partition_by("list", maintain_order=True):
        ranks = np.full(len(places), np.inf)
        ranks[[places[doc] for doc in own["doc"]]] = own["rank"].to_numpy()
        margins.append((float(own["weight"][0]), ranks))
    score = np.concatenate([_beaten(margins, rows) for rows in _blocks(len(places))])
    return wide.select(pl.lit(votes["query"][0], pl.UInt32).alias("query"), "doc", pl.Series("score", score), "best")


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
