"""From scores to the documents that are chosen: one sampler for all selectors.

Top-k, or Gumbel top-k (Kool et al. 2019; QuRating's selection): z + temperature × Gumbel noise, z being the score
standardised over what may be chosen. Noise is never put on raw scores: their spread is anything, and unit noise then
decides nothing or everything. Temperature 0 is top-k, infinity is chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periti.apportionment import largest_remainder
from periti.datasets.selection.bits import STRETCH, Bits
from periti.datasets.selection.budget import TOKENS, Budget
from periti.datasets.selection.keyed import gumbel, stream_key
from periti.datasets.selection.quotas import NONE, Quota, divided
from periti.datasets.selection.threshold import Keyed, best_within
from periti.errors import InputError

TOGETHER = "all criteria"


@dataclass(frozen=True)
class Rows:
    """A stretch of a scored pool; all arrays have one length m.

    Attributes:
        first: number of its first row, a multiple of `STRETCH`.
        scores: float64 (m, t).
        tokens: int64 (m,).
        groups: int64 (m,), numbers of groups.
        open: bool (m,), whether the row may be chosen.
    """

    first: int
    scores: NDArray[np.float64]
    tokens: NDArray[np.int64]
    groups: NDArray[np.int64]
    open: NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """A scored pool of n rows, read in stretches as often as needed.

    Attributes:
        size: n.
        columns: names of the t columns.
        groups: names of the groups.
        stretches: the rows in order, `STRETCH` at a time.
    """

    size: int
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    stretches: Callable[[], Iterator[Rows]]


@dataclass(frozen=True)
class Sampling:
    """How documents are drawn from scores.

    Attributes:
        budget: how much in all.
        temperature: of the noise, in standard deviations of the score; 0 draws none, infinity nothing else.
        seed: of the noise.
        shares: of each column in the budget, if the columns are targets that choose in turn; None if they are criteria,
            which are standardised and summed.
        quota: how each target's part is divided among the groups.
    """

    budget: Budget
    temperature: float = 0.0
    seed: int = 0
    shares: tuple[float, ...] | None = None
    quota: Quota = field(default_factory=Quota)

    def __post_init__(self) -> None:
        if math.isnan(self.temperature) or self.temperature < 0:
            raise InputError(f"the temperature is {self.temperature}; give 0 for the best, or a positive number")


@dataclass(frozen=True)
class Sample:
    """What was chosen.

    Attributes:
        columns: the targets that chose in turn, or one name for the only or all criteria.
        marks: of the rows that each of them chose; no row is chosen twice.
        budgets: what each was given, in the budget's unit.
        moments: mean and standard deviation of every score column over what could be chosen, (t, 2).
    """

    columns: tuple[str, ...]
    marks: tuple[Bits, ...]
    budgets: tuple[int, ...]
    moments: NDArray[np.float64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The chosen rows, ascending."""
        return np.sort(np.concatenate([marks.rows() for marks in self.marks]))

    def chooser(self, first: int, count: int) -> NDArray[np.int64]:
        """Which of `columns` chose each of some rows from `first`, a multiple of 8; -1 for none."""
        chooser = np.full(count, -1, np.int64)
        for number, marks in enumerate(self.marks):
            chooser[marks.stretch(first, count)] = number
        return chooser


def draw(pool: Scored, sampling: Sampling) -> Sample:
    """Choose documents.

    Args:
        pool: its scores; rows whose score is -inf are never chosen.
        sampling: how much, and how.

    Raises:
        InputError: the budget is above what may be chosen, a target finds fewer documents than its share or none that
            fits, or a quota names an unknown group.
    """
    return _Draw(pool, sampling).sample()


def sample(
    scores: NDArray[np.float64],
    sampling: Sampling,
    *,
    tokens: Sequence[int] | None = None,
    groups: Sequence[str] | None = None,
    open: NDArray[np.bool_] | None = None,  # noqa: A002
) -> Sample:
    """`draw` from scores in memory.

    Args:
        scores: float64 (n, t).
        sampling: how much, and how.
        tokens: of each row; 1 by default.
        groups: name of each row's group.
        open: whether each row may be chosen; all by default.

    Raises:
        InputError: as `draw`, or the arguments have other lengths than the scores.
    """
    n, t = scores.shape
    named = ("",) * n if groups is None else groups
    numbers = {name: number for number, name in enumerate(sorted({"", *named} if groups is None else {*named}))}
    codes = np.array([numbers[name] for name in named], np.int64)
    costs = np.ones(n, np.int64) if tokens is None else np.asarray(tokens, np.int64)
    may = np.ones(n, np.bool_) if open is None else open
    if not len(codes) == len(costs) == len(may) == n:
        raise InputError(
            f"{n} rows have {len(costs)} token counts, {len(codes)} groups and {len(may)} marks; give as many"
        )

    def stretches() -> Iterator[Rows]:
        for first in range(0, n, STRETCH):
            part = slice(first, first + STRETCH)
            yield Rows(first, scores[part], costs[part], codes[part], may[part])

    return draw(Scored(n, tuple(map(str, range(t))), tuple(numbers), stretches), sampling)


class _Draw:
    """One drawing: the pool, and which rows are taken already."""

    def __init__(self, pool: Scored, sampling: Sampling) -> None:
        self._pool, self._sampling = pool, sampling
        self._together = sampling.shares is None
        self._moments = moments(pool, together=self._together)
        self._taken = Bits(pool.size)
        self._unit = 1 if sampling.budget.unit == TOKENS else 0

    def sample(self) -> Sample:
        pool, sampling = self._pool, self._sampling
        if sampling.shares is not None and len(sampling.shares) != len(pool.columns):
            raise InputError(f"{len(sampling.shares)} shares for {len(pool.columns)} targets; give one each")
        names = (TOGETHER,) if self._together and len(pool.columns) > 1 else pool.columns
        room = self._room(None).sum(axis=0)
        parts = largest_remainder(np.asarray(sampling.shares or (1.0,)), sampling.budget.of(int(room[0]), int(room[1])))
        marks = tuple(self._choose(name, None if self._together else i, int(parts[i])) for i, name in enumerate(names))
        return Sample(names, marks, tuple(parts.tolist()), self._moments)

    def _choose(self, name: str, column: int | None, part: int) -> Bits:
        """The rows that one target chooses of those not taken, which are taken then."""
        pool, sampling = self._pool, self._sampling
        room = self._room(column)[:, self._unit]
        if part > room.sum():
            raise InputError(
                f"{name} may choose only {int(room.sum()):,} {sampling.budget.unit} of those that are left, and its "
                f"part of the budget is {part:,}; lower the budget or its share"
            )
        competing = sampling.quota.kind == NONE
        budgets = np.array([part]) if competing else divided(part, sampling.quota, pool.groups, room)
        own = Bits(pool.size)
        best_within(lambda: self._keyed(column, competing=competing), budgets, own)
        if part and not own.count():
            raise InputError(f"no document is as short as the {part:,} tokens that {name} has; raise the budget")
        for rows in pool.stretches():
            self._taken.mark(rows.first, own.stretch(rows.first, len(rows.open)))
        return own

    def _stretches(self, column: int | None) -> Iterator[tuple[Rows, NDArray[np.float64], NDArray[np.bool_]]]:
        """Rows, the columns that matter, and whether each row may be chosen now."""
        for rows in self._pool.stretches():
            scores = rows.scores if column is None else rows.scores[:, column : column + 1]
            free = rows.open & ~self._taken.stretch(rows.first, len(rows.open)) & np.isfinite(scores).all(axis=1)
            yield rows, scores, free

    def _room(self, column: int | None) -> NDArray[np.int64]:
        """Documents and tokens of each group that may be chosen, int64 (g, 2); without a column by any target."""
        groups = len(self._pool.groups)
        room = np.zeros((groups, 2), np.int64)
        for rows in self._pool.stretches():
            finite = np.isfinite(rows.scores if column is None else rows.scores[:, column : column + 1])
            every = self._together or column is not None
            usable = np.all(finite, axis=1) if every else np.any(finite, axis=1)
            free = rows.open & ~self._taken.stretch(rows.first, len(rows.open)) & usable
            room[:, 0] += np.bincount(rows.groups[free], minlength=groups)
            # Sums of whole numbers below 2^53 are exact.
            room[:, 1] += np.bincount(rows.groups[free], rows.tokens[free], minlength=groups).astype(np.int64)
        return room

    def _keyed(self, column: int | None, *, competing: bool) -> Iterator[Keyed]:
        key = stream_key("gumbel", self._sampling.seed, column or 0)
        for rows, scores, free in self._stretches(column):
            costs = rows.tokens if self._unit else np.ones(len(free), np.int64)
            groups = np.zeros(len(free), np.int64) if competing else rows.groups
            yield Keyed(rows.first, self._keys(rows.first, scores, column, key), costs, groups, free)

    def _keys(self, first: int, scores: NDArray[np.float64], column: int | None, key: np.uint64) -> NDArray[np.float64]:
        """What the rows are ordered by, (m,)."""
        temperature = self._sampling.temperature
        if not temperature and scores.shape[1] == 1:
            return scores[:, 0]
        noise = gumbel(np.arange(first, first + len(scores), dtype=np.uint64), key) if temperature else 0.0
        if temperature == math.inf:
            return np.asarray(noise)
        mean, spread = (self._moments if column is None else self._moments[column : column + 1]).T
        # What is -inf is closed anyway; it must not become nan beside a spread of 0.
        z = (np.where(np.isfinite(scores), scores, 0.0) - mean) / np.where(spread > 0, spread, 1.0)
        keys: NDArray[np.float64] = z.sum(axis=1) + temperature * noise
        return keys


def moments(pool: Scored, *, together: bool) -> NDArray[np.float64]:
    """Mean and standard deviation of each column over the rows that it may choose, (t, 2)."""
    counts, sums = np.zeros(len(pool.columns)), np.zeros(len(pool.columns))
    squares = np.zeros(len(pool.columns))

    def usable() -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        for rows in pool.stretches():
            finite = np.isfinite(rows.scores) & rows.open[:, None]
            yield rows.scores, finite & np.all(finite, axis=1, keepdims=True) if together else finite

    for scores, may in usable():
        counts += may.sum(axis=0)
        sums += np.where(may, scores, 0.0).sum(axis=0)
    means = sums / np.maximum(counts, 1)
    for scores, may in usable():
        squares += np.where(may, (np.where(may, scores, 0.0) - means) ** 2, 0.0).sum(axis=0)
    return np.stack([means, np.sqrt(squares / np.maximum(counts, 1))], axis=1)
