"""Criteria that vote: the majority decides a pair, and who abstains is counted, not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from periti.datasets.selection.quality.critiq import decided
from periti.datasets.selection.quality.judging import Candidate, Criterion, Judge
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.errors import InputError


@dataclass(frozen=True)
class Vote:
    """What criteria say of one pair.

    Attributes:
        first, second: how many prefer each text.
        abstained: how many prefer neither.
    """

    first: int
    second: int
    abstained: int

    @property
    def p(self) -> float | None:
        """Share of the votes given that the first text has; None if all abstain."""
        given = self.first + self.second
        return self.first / given if given else None


def votes(judge: Judge, criteria: Sequence[Criterion], pairs: Sequence[Candidate]) -> tuple[Vote, ...]:
    """The votes of all criteria on each pair.

    Raises:
        InputError: no criterion, or an answer of the judge that is none.
    """
    if not criteria:
        raise InputError("there is no criterion to vote; mine some first")
    asked = [(pair.first, pair.second) for pair in pairs]
    by_criterion = [[case.verdict for case in decided(judge, criterion, asked)] for criterion in criteria]
    return tuple(
        Vote(one.count(True), one.count(False), one.count(None))
        for one in (list(column) for column in zip(*by_criterion, strict=True))
    )


def judged_by_vote(pairs: Sequence[Candidate], found: Sequence[Vote], name: str = "vote") -> tuple[Judgments, int]:
    """Judgments of the vote, and how many pairs are left out, since all criteria abstained.

    Raises:
        InputError: all criteria abstained on every pair.
    """
    verdicts = [
        Verdict(pair.first, pair.second, vote.p, vote.first + vote.second, pair.group)
        for pair, vote in zip(pairs, found, strict=True)
        if vote.p is not None
    ]
    if not verdicts:
        raise InputError(f"{name}: the criteria abstained on all of the {len(pairs)} pairs; ask another judge")
    return Judgments.of(verdicts, name), len(pairs) - len(verdicts)
