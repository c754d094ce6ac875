"""CritiQ: criteria of quality that agree with people, found by asking a judge (Guo et al. 2025).

Criteria of a knowledge base are tried on pairs that people judged; those that agree well are kept, those that agree no
better than chance are banned, and those in between are rewritten from the pairs that they get wrong, for some rounds.
The criteria that are kept judge further pairs by majority (`voting`).

Three faults of the published code are not repeated: a rewritten criterion keeps its description and stays with the
criterion that it came from; and what is kept has to be better than chance, by its interval, on pairs that were never
used to choose or rewrite it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from periti.datasets.selection.quality.intervals import clopper_pearson, wilson
from periti.datasets.selection.quality.judging import Answer, Criterion, Judge
from periti.datasets.selection.quality.judgments import Judgments
from periti.errors import InputError

KEPT, BANNED, BETWEEN = "kept", "banned", "between"
INTERVALS = {"wilson": wilson, "clopper-pearson": clopper_pearson}


@dataclass(frozen=True)
class Case:
    """One pair that a criterion was asked about.

    Attributes:
        better, worse: the texts, by people.
        verdict: True if the criterion prefers the better one, False if the worse one, None if it abstains: a tie, the
            other answer when asked the other way round, or nothing that can be read.
    """

    better: str
    worse: str
    verdict: bool | None


@dataclass(frozen=True)
class Trial:
    """How a criterion did on some pairs.

    Attributes:
        right, wrong: pairs decided.
        abstained: pairs not decided; they count neither for nor against the accuracy, but see `coverage`.
        interval: of the accuracy, 95 %.
    """

    right: int
    wrong: int
    abstained: int
    interval: tuple[float, float]

    @property
    def accuracy(self) -> float:
        """Share of decided pairs that are right; 0 if it decides none."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def coverage(self) -> float:
        """Share of pairs that it decides."""
        pairs = self.right + self.wrong + self.abstained
        return (self.right + self.wrong) / pairs if pairs else 0.0


Rewrite = Callable[[Criterion, Sequence[Case]], Criterion | None]
"""A criterion and the cases that it got wrong to a better one of the same name or another, or None if there is none."""


@dataclass(frozen=True)
class Mining:
    """How criteria are mined.

    Attributes:
        keep: accuracy from which a criterion is kept, if the lower bound of its interval is above `ban` too.
        ban: accuracy up to which it is banned.
        rounds: of rewriting at most.
        held_out: share of the pairs that choose and rewrite nothing: the interval is that of these; with 0, that of the
            pairs that choose.
        interval: "wilson" or "clopper-pearson".
        least_coverage: share of pairs that a kept criterion must decide.
        seed: of the division of the pairs.
    """

    keep: float = 0.75
    ban: float = 0.5
    rounds: int = 3
    held_out: float = 0.5
    interval: str = "wilson"
    least_coverage: float = 0.5
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0.5 <= self.ban < self.keep <= 1:
            raise InputError(f"keep is {self.keep} and ban {self.ban}; give 0.5 <= ban < keep <= 1")
        if not 0 <= self.held_out < 1 or not 0 <= self.least_coverage <= 1 or self.rounds < 0:
            raise InputError(
                f"held_out is {self.held_out}, least_coverage {self.least_coverage} and rounds {self.rounds}; give "
                "shares from 0 to 1 (held_out below 1), and 0 rounds or more"
            )
        if self.interval not in INTERVALS:
            raise InputError(f"interval is {self.interval!r}; give one of {', '.join(INTERVALS)}")


@dataclass(frozen=True)
class Mined:
    """What became of one criterion of the knowledge base, or of a rewriting of it.

    Attributes:
        criterion: name and description.
        state: kept, banned, or between.
        trial: on the pairs that choose.
        confirmed: on the held-out pairs; None where there are none, or it was not asked.
        origin: name of the criterion of the knowledge base that it comes from.
    """

    criterion: Criterion
    state: str
    trial: Trial
    confirmed: Trial | None
    origin: str


@dataclass(frozen=True)
class Mine:
    """The outcome.

    Attributes:
        kept: criteria, the most accurate first.
        tried: every criterion and rewriting, in the order of trying.
        banned: names that are not tried again.
        pairs: with a preference: that choose, and that confirm.
    """

    kept: tuple[Mined, ...]
    tried: tuple[Mined, ...]
    banned: tuple[str, ...]
    pairs: tuple[int, int]


@dataclass(frozen=True)
class CriteriaMiner:
    """Finds the criteria that agree with people.

    Attributes:
        judge: asked under one criterion at a time, both ways round.
        rewrite: makes a better criterion of one in between; None rewrites nothing.
        mining: thresholds.
    """

    judge: Judge
    rewrite: Rewrite | None = None
    mining: Mining = field(default_factory=Mining)

    def mine(self, knowledge: Sequence[Criterion], judgments: Judgments) -> Mine:
        """Try criteria on pairs that people judged.

        Args:
            knowledge: criteria to begin with, of different names.
            judgments: people's; pairs without a preference are left out.

        Raises:
            InputError: no criterion, or one without description or of a name twice; fewer than two pairs with a
                preference; or an answer of the judge that is none.
        """
        _check_knowledge(knowledge)
        choosing, confirming = self._divided(judgments)
        tried, banned = list[Mined](), dict[str, None]()
        open_ = [(criterion, criterion.name) for criterion in knowledge]
        for round_ in range(self.mining.rounds + 1):
            between = list[tuple[Criterion, str, Sequence[Case]]]()
            for criterion, origin in open_:
                mined, cases = self._tried(criterion, origin, choosing, confirming)
                tried.append(mined)
                if mined.state == BANNED:
                    banned[criterion.name] = None
                elif mined.state == BETWEEN:
                    between.append((criterion, origin, cases))
            if round_ == self.mining.rounds or self.rewrite is None:
                break
            open_ = self._rewritten(between, tried, banned)
        kept = [one for one in tried if one.state == KEPT]
        kept.sort(key=lambda one: -(one.confirmed or one.trial).accuracy)
        return Mine(tuple(kept), tuple(tried), tuple(banned), (len(choosing), len(confirming)))

    def _divided(self, judgments: Judgments) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Better and worse texts of the pairs that choose, and of those that confirm."""
        texts = judgments.texts
        pairs = [
            (texts[first], texts[second]) if preference > 0 else (texts[second], texts[first])
            for first, second, preference in zip(
                judgments.first.tolist(), judgments.second.tolist(), judgments.preference.tolist(), strict=True
            )
            if preference
        ]
        held = round(self.mining.held_out * len(pairs))
        if len(pairs) - held < 1 or (self.mining.held_out and not held):
            raise InputError(
                f"{len(pairs)} pairs have a preference, too few to choose criteria and confirm them; judge more pairs"
            )
        order = np.random.default_rng(self.mining.seed).permutation(len(pairs)).tolist()
        shuffled = [pairs[place] for place in order]
        return shuffled[held:], shuffled[:held]

    def _tried(
        self, criterion: Criterion, origin: str, choosing: list[tuple[str, str]], confirming: list[tuple[str, str]]
    ) -> tuple[Mined, Sequence[Case]]:
        cases = decided(self.judge, criterion, choosing)
        trial = self._trial(cases)
        state = self._state(trial)
        confirmed = None
        if state == KEPT and confirming:
            confirmed = self._trial(decided(self.judge, criterion, confirming))
        if state == KEPT and (confirmed or trial).interval[0] <= self.mining.ban:
            state = BETWEEN
        return Mined(criterion, state, trial, confirmed, origin), cases

    def _state(self, trial: Trial) -> str:
        if trial.right + trial.wrong and trial.accuracy <= self.mining.ban:
            return BANNED
        enough = trial.coverage >= self.mining.least_coverage
        return KEPT if enough and trial.accuracy >= self.mining.keep else BETWEEN

    def _trial(self, cases: Sequence[Case]) -> Trial:
        right, wrong = (sum(case.verdict is one for case in cases) for one in (True, False))
        bounds = INTERVALS[self.mining.interval](right, right + wrong) if right + wrong else (0.0, 1.0)
        return Trial(right, wrong, len(cases) - right - wrong, bounds)

    def _rewritten(
        self,
        between: Sequence[tuple[Criterion, str, Sequence[Case]]],
        tried: Sequence[Mined],
        banned: Mapping[str, None],
    ) -> list[tuple[Criterion, str]]:
        """Better versions of the criteria in between, each beside its origin; none that was tried or is banned."""
        known, found = {one.criterion for one in tried}, list[tuple[Criterion, str]]()
        for criterion, origin, cases in between:
            better = (
                self.rewrite(criterion, [case for case in cases if case.verdict is False]) if self.rewrite else None
            )
            if better is None or better in known or better.name in banned:
                continue
            _check_knowledge([better])
            known.add(better)
            found.append((better, origin))
        return found


def decided(judge: Judge, criterion: Criterion, pairs: Sequence[tuple[str, str]]) -> tuple[Case, ...]:
    """Ask about (better, worse) pairs both ways round; where the two answers differ the criterion abstains.

    Raises:
        InputError: not one list of answers from 0 to 1 for each ordered pair.
    """
    answers = judge(criterion, [*pairs, *((worse, better) for better, worse in pairs)])
    if len(answers) != 2 * len(pairs):
        raise InputError(
            f"the judge gave {len(answers)} lists of answers for {2 * len(pairs)} pairs; give one for each"
        )
    return tuple(
        Case(better, worse, _verdict(forward, backward))
        for (better, worse), forward, backward in zip(pairs, answers[: len(pairs)], answers[len(pairs) :], strict=True)
    )


def _verdict(forward: Sequence[Answer], backward: Sequence[Answer]) -> bool | None:
    sides = [_side(forward), _side([None if answer is None else 1 - answer for answer in backward])]
    if sides[0] is None or sides[0] is not sides[1]:
        return None
    return sides[0]


def _side(answers: Sequence[Answer]) -> bool | None:
    """Whether the first text is preferred; None for a tie, or if half of the answers or more can not be read."""
    read = [answer for answer in answers if answer is not None]
    if 2 * len(read) <= len(answers):
        return None
    for answer in read:
        if not 0 <= answer <= 1:
            raise InputError(f"the judge answered {answer}; give a number from 0 to 1, or None")
    mean = sum(read) / len(read)
    return None if mean == 0.5 else mean > 0.5


def _check_knowledge(criteria: Sequence[Criterion]) -> None:
    names = [criterion.name for criterion in criteria]
    if not names or len(set(names)) != len(names):
        raise InputError(f"criteria of the names {', '.join(names) or '(none)'}; give one at least, each once")
    for criterion in criteria:
        if not criterion.name.strip() or not criterion.description.strip():
            raise InputError(f"the criterion {criterion.name!r} has no name or no description; say what is asked")
