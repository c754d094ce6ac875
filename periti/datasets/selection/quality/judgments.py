"""Which of two texts is better, with what probability: the one form of judgments of people, models and clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """One judged pair.

    Attributes:
        first, second: the texts.
        p: probability that the first is better, 0 to 1.
        votes: answers that it is the mean of.
        group: what is held out together, e.g. a topic; may be empty.
    """

    first: str
    second: str
    p: float
    votes: int = 1
    group: str = ""


@dataclass(frozen=True)
class Judgments:
    """m judged pairs over n texts.

    Which text stands first means nothing: a pair turned round, with 1 - p, is the same judgment.

    Attributes:
        texts: n different ones.
        first, second: rows of `texts`, int64 (m,).
        p: probability that the first is better, float64 (m,).
        votes: answers behind each, int64 (m,).
        groups: what is held out together, m names.
        criterion: what "better" means.
    """

    texts: tuple[str, ...]
    first: Ints
    second: Ints
    p: Floats
    votes: Ints
    groups: tuple[str, ...]
    criterion: str = "quality"

    def __post_init__(self) -> None:
        if not len(self.p):
            raise InputError(f"{self.criterion}: there is no judged pair; give at least one")
        wrong = np.flatnonzero(~((self.p >= 0) & (self.p <= 1)))
        if len(wrong):
            raise InputError(
                f"{self.criterion}: pair {wrong[0] + 1} has the probability {self.p[wrong[0]]}; give one from 0 to 1"
            )
        same = np.flatnonzero(self.first == self.second)
        if len(same):
            raise InputError(f"{self.criterion}: pair {same[0] + 1} is of a text with itself; leave such pairs out")

    @classmethod
    def of(cls, verdicts: Sequence[Verdict], criterion: str = "quality") -> Self:
        """Judgments of pairs of texts.

        Raises:
            InputError: no pair, a text beside itself, or a probability outside of 0 to 1.
        """
        rows: dict[str, int] = {}
        first = [rows.setdefault(verdict.first, len(rows)) for verdict in verdicts]
        second = [rows.setdefault(verdict.second, len(rows)) for verdict in verdicts]
        # Rows are given in turn to all first and then all second texts; their order means nothing.
        return cls(
            tuple(rows),
            np.array(first, np.int64),
            np.array(second, np.int64),
            np.array([verdict.p for verdict in verdicts], np.float64),
            np.array([verdict.votes for verdict in verdicts], np.int64),
            tuple(verdict.group for verdict in verdicts),
            criterion,
        )

    def __len__(self) -> int:
        return len(self.p)

    @property
    def preference(self) -> NDArray[np.int8]:
        """1 where the first is better, -1 where the second is, 0 where neither, int8 (m,)."""
        return np.sign(self.p - 0.5).astype(np.int8)

    @property
    def confidence(self) -> Floats:
        """How far from a tie, 0 to 1, float64 (m,): |2p - 1|."""
        return np.abs(2 * self.p - 1)

    def only(self, mask: NDArray[np.bool_]) -> Judgments:
        """Some of the pairs, over the same rows of texts.

        Raises:
            InputError: none is left.
        """
        groups = tuple(group for group, kept in zip(self.groups, mask.tolist(), strict=True) if kept)
        return Judgments(
            self.texts, self.first[mask], self.second[mask], self.p[mask], self.votes[mask], groups, self.criterion
        )
