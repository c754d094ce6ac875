"""Fusion in place: documents that a reranker has read exchange their places in the fusion of the other lists.

A reranker reads one first stage's list, and says nothing of what the other lists found. Added up like any list, its
scores push what it has not read up or down by whatever a missing document gets. Here what is not read keeps its place:

    base = Σ w s over the other lists;    the documents read, by base + w s of the reranker, take the places that they
    hold together when all documents are ordered by base.

Where the reranker has read everything this is the weighted sum, where it has read nothing the fusion without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.codes import Places
from periti.rankers.fusion.parts import fused
from periti.rankers.fusion.scaling import scaled
from periti.rankers.fusion.scores import ScaledOptions
from periti.types import Plan, Run


@dataclass(frozen=True)
class InPlaceOptions(ScaledOptions):
    """`reader` is the name of the reranker's list; `missing` is for the other lists."""

    scaling: str = "z-score"
    reader: str = "reranked"


class InPlace:
    """The documents of the reader's list, ordered with its scores, in the places that they hold without it.

    The scores of the fused list are places counted from its end: 1 is the last document.
    """

    Options = InPlaceOptions

    def __init__(self, options: InPlaceOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: InPlaceOptions) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs or without the reader."""
        if runs and self.options.reader not in runs:
            raise InputError(
                f"in-place: no run is called {self.options.reader!r}, whose documents exchange places; there are "
                f"{', '.join(sorted(runs))}; set the option reader"
            )
        return fused(runs, plan, self._scores, f"in-place({self.options.reader})")

    def _scores(self, ballots: Ballots) -> Values:
        """Places from the end of each query's list, float64 (candidates,)."""
        valued = scaled(ballots, self.options.scaling, self.options.missing)
        reader = np.array(ballots.asked) == self.options.reader
        read_rows = ballots.spread(reader)
        others = replace(
            valued, value=np.where(read_rows, 0.0, valued.value), absent=np.where(reader, 0.0, valued.absent)
        )
        found, base = ballots.candidates, others.total
        place = _places(ballots, base, _best(ballots, ~read_rows))
        read = np.flatnonzero(found.sum(read_rows.astype(np.float64)))
        gained = base + found.sum(np.where(read_rows, ballots.weight * valued.value, 0.0))
        # Places run through the queries one after the other: sorted, each query's are those of its own documents.
        place[read[np.argsort(_places(ballots, gained, ballots.best)[read])]] = np.sort(place[read])
        after = (found.starts + found.sizes)[found.query]
        return (after - place).astype(np.float64)


def _best(ballots: Ballots, rows: NDArray[np.bool_]) -> Places:
    """The smallest rank that these rows give each candidate, intp (candidates,); a larger number if they give none."""
    best = np.full(len(ballots.candidates.doc), len(ballots.doc) + 1)
    np.minimum.at(best, ballots.candidates.of_row[rows], ballots.rank[rows])
    return best


def _places(ballots: Ballots, score: Values, best: Places) -> Places:
    """Each candidate's place among all, by query, score, best rank and id: ties as all fusions settle them."""
    found = ballots.candidates
    by_id = np.empty(len(ballots.docs), np.intp)
    by_id[ballots.docs.arg_sort(descending=True).to_numpy()] = np.arange(len(ballots.docs))
    order = np.lexsort((by_id[found.doc], best, -score.astype(np.float32), found.query))
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    return place
