"""Asking a judge: both orders of every pair, unreadable answers counted, a judge that goes by position refused.

QuRating (Wettig et al. 2024): the probability that a text is better is the mean of what is answered when it stands
first and when it stands second; a pair is discarded when half or more of its answers can not be parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.errors import InputError

Answer = float | None
"""Preference for the text that stood first: 1, 0, between them for a tie or a probability; None if unreadable."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class Criterion:
    """What "better" means.

    Attributes:
        name: short.
        description: the question that a judge answers about two texts.
    """

    name: str
    description: str


Judge = Callable[[Criterion, Sequence[Pair]], Sequence[Sequence[Answer]]]
"""For every ordered pair the answers, one or more: a model's, people's, clicks', a cross-encoder's agreement."""


@dataclass(frozen=True)
class Candidate:
    """A pair to be judged.

    Attributes:
        first, second: the texts.
        group: what is held out together.
    """

    first: str
    second: str
    group: str = ""


@dataclass(frozen=True)
class Asked:
    """What was answered about one pair, as preferences for its first text.

    Attributes:
        forward: asked with the first text first.
        backward: asked with the second text first, turned round already.
    """

    forward: tuple[Answer, ...]
    backward: tuple[Answer, ...] = ()

    @property
    def unreadable(self) -> int:
        """Answers that could not be parsed."""
        return sum(answer is None for answer in (*self.forward, *self.backward))

    @property
    def usable(self) -> bool:
        """Whether more than half of the answers could be parsed, and some in each order that was asked."""
        answers = (*self.forward, *self.backward)
        heard = all(any(answer is not None for answer in one) for one in (self.forward, self.backward) if one)
        return bool(answers) and 2 * self.unreadable < len(answers) and heard

    @property
    def orders(self) -> tuple[float, ...]:
        """Mean preference for the first text in each order that was asked."""
        means = ([answer for answer in one if answer is not None] for one in (self.forward, self.backward) if one)
        return tuple(fmean(one) for one in means)

    @property
    def p(self) -> float:
        """Mean of the orders, each counting the same."""
        return fmean(self.orders)


@dataclass(frozen=True)
class Counts:
    """How a judge answered.

    Attributes:
        pairs: asked about.
        answers: got.
        unreadable: of them.
        discarded: pairs, because half or more of their answers could not be read.
        both: pairs with a preference in each order.
        always_first: of these, those where whatever stood first was preferred.
        always_second: those where whatever stood second was.
    """

    pairs: int
    answers: int
    unreadable: int
    discarded: int
    both: int
    always_first: int
    always_second: int


@dataclass(frozen=True)
class Judging:
    """Bounds that a judge must keep.

    Attributes:
        most_by_position: share of the pairs with a preference in each order that may be decided by position alone,
            always the same way. One that answers by chance does so in a quarter.
        least_pairs: with fewer such pairs nothing is concluded.
    """

    most_by_position: float = 0.8
    least_pairs: int = 5


USUAL = Judging()


def judge_pairs(
    judge: Judge, criterion: Criterion, candidates: Sequence[Candidate], judging: Judging = USUAL
) -> tuple[Judgments, Counts]:
    """Ask about each pair in both orders.

    Args:
        judge: see Judge.
        criterion: what to ask.
        candidates: pairs of different texts.
        judging: when to refuse the judge.

    Raises:
        InputError: no pair; the judge goes by position, or no pair has answers enough that can be read; or it gives
            other than one list of answers of 0 to 1 for each ordered pair.
    """
    turned = [(one.second, one.first) for one in candidates]
    answers = judge(criterion, [*((one.first, one.second) for one in candidates), *turned])
    _check_answers(answers, 2 * len(candidates))
    asked = [
        Asked(tuple(forward), tuple(None if answer is None else 1 - answer for answer in backward))
        for forward, backward in zip(answers[: len(candidates)], answers[len(candidates) :], strict=True)
    ]
    return concluded(candidates, asked, criterion.name, judging)


def concluded(
    candidates: Sequence[Candidate], asked: Sequence[Asked], criterion: str, judging: Judging = USUAL
) -> tuple[Judgments, Counts]:
    """Judgments of what was answered.

    Raises:
        InputError: as `judge_pairs`.
    """
    counts = _counted(asked)
    _refuse_position(counts, criterion, judging)
    verdicts = [
        Verdict(one.first, one.second, heard.p, len(heard.forward) + len(heard.backward) - heard.unreadable, one.group)
        for one, heard in zip(candidates, asked, strict=True)
        if heard.usable
    ]
    if not verdicts:
        raise InputError(
            f"{criterion}: none of the {counts.pairs} pairs has answers enough that can be read ({counts.unreadable} "
            f"of {counts.answers} answers can not); ask for one of A and B"
        )
    return Judgments.of(verdicts, criterion), counts


def _counted(asked: Sequence[Asked]) -> Counts:
    both = always_first = always_second = 0
    for one in asked:
        # The backward answers are turned round: a preference for position shows as a contradiction.
        forward, backward = one.orders if one.usable and len(one.orders) == 2 else (0.5, 0.5)
        decided = forward != 0.5 and backward != 0.5
        both += decided
        always_first += decided and forward > 0.5 > backward
        always_second += decided and forward < 0.5 < backward
    return Counts(
        len(asked),
        sum(len(one.forward) + len(one.backward) for one in asked),
        sum(one.unreadable for one in asked),
        sum(not one.usable for one in asked),
        both,
        always_first,
        always_second,
    )


def _refuse_position(counts: Counts, criterion: str, judging: Judging) -> None:
    for place, number in (("first", counts.always_first), ("second", counts.always_second)):
        if counts.both >= judging.least_pairs and number > judging.most_by_position * counts.both:
            raise InputError(
                f"{criterion}: the judge goes by position: of {counts.both} pairs asked both ways round it preferred "
                f"whatever stood {place} in {number}; change the prompt or the judge"
            )


def _check_answers(answers: Sequence[Sequence[Answer]], wanted: int) -> None:
    if len(answers) != wanted:
        raise InputError(
            f"the judge gave {len(answers)} lists of answers for {wanted} ordered pairs; give one for each"
        )
    for number, one in enumerate(answers, 1):
        for answer in one:
            if answer is not None and not 0 <= answer <= 1:
                raise InputError(
                    f"the judge answered {answer} to ordered pair {number}; give a number from 0 to 1, or None"
                )
