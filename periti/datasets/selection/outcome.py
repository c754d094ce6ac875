"""What a job knows of every row of a pool once it is scored: what was taken out, what is left, what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.bits import Bits
from periti.datasets.selection.blocks import Bad
from periti.datasets.selection.duplicates import Digests, repeated, surpassed
from periti.datasets.selection.parts import WorkFolder
from periti.datasets.selection.pool import Pool
from periti.datasets.selection.report import Amount
from periti.datasets.selection.sampler import Rows, Sample, Scored, moments
from periti.datasets.selection.scoring import Scoring
from periti.datasets.selection.selector import Blocks
from periti.datasets.selection.stages import Stage
from periti.datasets.selection.values import ColumnDigests
from periti.errors import InputError

DUPLICATES = "exact duplicates"


@dataclass
class Outcome:
    """The rows of a scored pool, read from the parts of a job.

    Attributes:
        work: holds the parts.
        scoring: that made them.
        sizes: rows of each part.
        groups: number of each group.
        bad: what could not be read.
        removals: rows taken out by looking at several texts, by reason.
    """

    work: WorkFolder
    scoring: Scoring
    sizes: list[int]
    groups: dict[str, int]
    bad: list[Bad]
    removals: dict[str, Bits] = field(default_factory=dict)

    @classmethod
    def of(cls, work: WorkFolder, parts: int, scoring: Scoring) -> Self:
        """What the parts hold."""
        sizes, groups, bad = list[int](), dict[str, int](), list[Bad]()
        for number in range(parts):
            part = work.read(number)
            sizes.append(len(part.rows))
            bad += part.bad
            for name in part.groups if len(part.rows) else ():
                groups.setdefault(name, len(groups))
        ordered = {name: number for number, name in enumerate(sorted(groups))}
        return cls(work, scoring, sizes, ordered, bad)

    @property
    def size(self) -> int:
        """Rows in all."""
        return sum(self.sizes)

    def stretches(self) -> Iterator[tuple[int, NDArray[np.void]]]:
        """First row and rows, STRETCH at a time."""
        return self.work.stretches(len(self.sizes), self.groups)

    def take_out_duplicates(self) -> None:
        """Take out every text, of those still there, that an earlier one has."""

        def rows() -> Iterator[tuple[NDArray[np.int64], Digests]]:
            for first, found in self.stretches():
                there = np.flatnonzero(self._open(first, found))
                yield first + there, found["digest"][there]

        self.removals[DUPLICATES] = repeated(rows, self.size, self.work.path)

    def take_out_by(self, stage: Stage, pool: Blocks, seed: int) -> None:
        """Take out what the stage does not let stay, of what is there; texts taken out before reach it as blank ones.

        Raises:
            InputError: the stage judged another number of texts.
        """
        there = np.concatenate([self._open(first, found) for first, found in self.stretches()])

        def left() -> Iterator[Sequence[str]]:
            row = 0
            for texts in pool():
                yield [text if stays else "" for text, stays in zip(texts, there[row : row + len(texts)], strict=True)]
                row += len(texts)

        stay = stage.stay(left, seed=seed)
        if len(stay) != self.size:
            raise InputError(
                f"stage {stage.name!r} judged {len(stay):,} of {self.size:,} texts; it is at fault, report it"
            )
        marks = Bits(self.size)
        marks.mark(0, ~stay)
        self.removals[stage.name] = marks

    def take_out_surpassed(self, column: str, pool: Pool, *, together: bool) -> None:
        """Take out every row, of those still there, whose value in a column a row of a better score has.

        Args:
            column: of the pool.
            pool: whose rows these are.
            together: whether the score is the sum of all columns of scores, standardised; else the best of them.

        Raises:
            InputError: a record has no such column, or nothing in it.
        """
        mean, spread = moments(self.scored(), together=together).T
        digests = ColumnDigests(pool, column)

        def rows() -> Iterator[tuple[NDArray[np.int64], Digests, NDArray[np.float64]]]:
            for first, found in self.stretches():
                z = (found["scores"] - mean) / np.where(spread > 0, spread, 1.0)
                worth = z.sum(axis=1) if together else z.max(axis=1)
                there = np.flatnonzero(self._open(first, found) & np.isfinite(worth))
                yield first + there, digests.take(len(found))[there], worth[there]

        self.removals[f"the same {column}, a lower score"] = surpassed(rows, self.size, self.work.path)

    def scored(self) -> Scored:
        """What the sampler draws from."""

        def stretches() -> Iterator[Rows]:
            for first, found in self.stretches():
                tokens, groups = found["tokens"].astype(np.int64), found["group"].astype(np.int64)
                yield Rows(first, found["scores"], tokens, groups, self._open(first, found))

        return Scored(self.size, self.scoring.scorer.names, tuple(self.groups), stretches)

    def fate(self, row: int, out: int) -> str:
        """Why a row was taken out; empty if it was not."""
        if out:
            return self.scoring.reasons[out - 1]
        return next((reason for reason, marks in self.removals.items() if marks.anywhere(row, 1)[0]), "")

    def removed(self) -> dict[str, int]:
        """Documents taken out, each counted for the first reason that it was taken out for."""
        counts = dict.fromkeys((*self.scoring.reasons, *self.removals), 0)
        for first, found in self.stretches():
            there = np.ones(len(found), np.bool_)
            for number, reason in enumerate(self.scoring.reasons, 1):
                counts[reason] += int((found["out"] == number).sum())
            there &= found["out"] == 0
            for reason, marks in self.removals.items():
                own = there & marks.stretch(first, len(found))
                counts[reason] += int(own.sum())
                there &= ~own
        return counts

    def amounts(self, sample: Sample) -> tuple[Amount, Amount, Amount, NDArray[np.int64]]:
        """Pool, what was left, what was chosen; and int64 (g, 2), documents of each group in pool and choice."""
        totals, groups = np.zeros((3, 2), np.int64), np.zeros((len(self.groups), 2), np.int64)
        for first, found in self.stretches():
            chosen = sample.chooser(first, len(found)) >= 0
            for number, marks in enumerate((np.ones(len(found), np.bool_), self._open(first, found), chosen)):
                totals[number] += int(marks.sum()), int(found["tokens"][marks].sum())
            groups[:, 0] += np.bincount(found["group"], minlength=len(groups))
            groups[:, 1] += np.bincount(found["group"][chosen], minlength=len(groups))
        pool, left, taken = (Amount(int(documents), int(tokens)) for documents, tokens in totals)
        return pool, left, taken, groups

    def _open(self, first: int, found: NDArray[np.void]) -> NDArray[np.bool_]:
        may: NDArray[np.bool_] = found["out"] == 0
        for marks in self.removals.values():
            may &= ~marks.stretch(first, len(found))
        return may
