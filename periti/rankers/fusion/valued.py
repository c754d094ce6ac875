"""Lists whose documents have a value each, and what a document's values come to: the numbers that the rules combine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from periti.rankers.fusion.ballots import Ballots, Values


@dataclass(frozen=True)
class Valued:
    """What each list says of its documents, and of all others.

    All properties are float64 (candidates,), one number for each of `ballots.candidates`.

    Attributes:
        ballots: n rows in lists.
        value: float64 (n,), of the document in the row.
        absent: float64 (lists,), of a document that the list has not.
    """

    ballots: Ballots
    value: Values
    absent: Values

    @property
    def hits(self) -> Values:
        """h, the lists that have the document."""
        return self.ballots.candidates.hits

    @property
    def weights(self) -> Values:
        """Σ w over the lists that have the document."""
        return self.ballots.candidates.sum(self.ballots.weight)

    @cached_property
    def total(self) -> Values:
        """Σ w s over all lists, absent values included."""
        return self._over_all(self.ballots.weights)

    @property
    def plain(self) -> Values:
        """Σ s over all lists, absent values included."""
        return self._over_all(np.ones(len(self.absent)))

    @property
    def own(self) -> Values:
        """Σ w s over the lists that have the document."""
        return self.ballots.candidates.sum(self._weighted)

    @property
    def top(self) -> Values:
        """The largest w s of the lists that have the document."""
        return -self.ballots.candidates.least(-self._weighted)

    @property
    def bottom(self) -> Values:
        """The smallest w s of the lists that have the document."""
        return self.ballots.candidates.least(self._weighted)

    @property
    def middle(self) -> Values:
        """The median w s of the lists that have the document."""
        return self.ballots.candidates.median(self._weighted)

    @property
    def _weighted(self) -> Values:
        """Each row's w s, float64 (n,)."""
        return self.ballots.weight * self.value

    def _over_all(self, weights: Values) -> Values:
        """The sum over all lists with these weights, float64 (lists,)."""
        ballots, found = self.ballots, self.ballots.candidates
        if not self.absent.any():
            return found.sum(ballots.spread(weights) * self.value)
        gain = found.sum(ballots.spread(weights) * (self.value - ballots.spread(self.absent)))
        base = np.bincount(ballots.query, weights * self.absent, len(found.sizes))
        return gain + base[found.query]
