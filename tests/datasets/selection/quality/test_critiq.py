"""The criteria miner over a judge with planted accuracies, and intervals against published values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.selection.quality.critiq import (
    BANNED,
    BETWEEN,
    KEPT,
    Case,
    CriteriaMiner,
    Mining,
    decided,
)
from periti.datasets.selection.quality.intervals import clopper_pearson, wilson
from periti.datasets.selection.quality.judging import Answer, Candidate, Criterion, Pair
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.datasets.selection.quality.voting import Vote, judged_by_vote, votes
from periti.errors import InputError

PEOPLE = Judgments.of([Verdict(f"better {i}", f"worse {i}", 1.0) for i in range(200)])


def share(*parts: object) -> float:
    """A number of 0..1 that belongs to its parts, as chance that stays the same."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


@dataclass
class Planted:
    """A judge that is right under a criterion with the chance in its description, and abstains with another.

    Attributes:
        asked: criteria in the order in which pairs were asked under them.
    """

    asked: list[Criterion] = field(default_factory=list)

    def __call__(self, criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:
        self.asked.append(criterion)
        right, abstains = map(float, criterion.description.split())
        return [[self._answer(criterion.name, right, abstains, pair)] for pair in pairs]

    @staticmethod
    def _answer(name: str, right: float, abstains: float, pair: Pair) -> Answer:
        number = pair[0].split()[1]
        if share("abstains", name, number) < abstains:
            return None
        knows = share("knows", name, number) < right
        return float(pair[0].startswith("better") is knows)


def of(name: str, right: float, abstains: float = 0.0) -> Criterion:
    return Criterion(name, f"{right} {abstains}")


def test_the_good_are_kept_and_the_bad_are_banned() -> None:
    knowledge = [of("good", 0.9), of("poor", 0.62), of("harmful", 0.2), of("fair", 0.85)]

    mine = CriteriaMiner(Planted()).mine(knowledge, PEOPLE)

    assert [one.criterion.name for one in mine.kept] == ["good", "fair"]
    assert mine.banned == ("harmful",)
    assert {one.criterion.name: one.state for one in mine.tried}["poor"] == BETWEEN
    assert mine.pairs == (100, 100)
    for one in mine.kept:
        assert one.confirmed is not None
        assert one.confirmed.interval[0] > 0.5


def test_luck_on_few_pairs_is_not_kept() -> None:
    few = PEOPLE.only(PEOPLE.first < 8)  # the rows of the first texts come first
    assert len(few) == 8
    lucky = [of(f"coin {number}", 0.5) for number in range(60)]

    mine = CriteriaMiner(Planted(), mining=Mining(held_out=0.0)).mine(lucky, few)

    by_accuracy = [one for one in mine.tried if one.trial.accuracy >= 0.75]
    assert len(by_accuracy) > 4, "several coins look good on eight pairs"
    assert all((one.state == KEPT) == (one.trial.interval[0] > 0.5) for one in by_accuracy)
    assert 0 < len(mine.kept) < len(by_accuracy), "the interval, not the accuracy, decides"


def test_the_half_that_confirms_refuses_what_the_other_half_let_through() -> None:
    lucky = [of(f"coin {number}", 0.5) for number in range(200)]
    some = PEOPLE.only(PEOPLE.first < 30)

    chosen = CriteriaMiner(Planted(), mining=Mining(held_out=0.5)).mine(lucky, some)

    looked_good = [one for one in chosen.tried if one.confirmed is not None]
    assert looked_good
    assert len(chosen.kept) <= len(looked_good) / 4


def test_what_is_in_between_is_rewritten_from_its_own_errors_and_keeps_its_origin() -> None:
    seen: list[tuple[str, Sequence[Case]]] = []

    def rewrite(criterion: Criterion, cases: Sequence[Case]) -> Criterion:
        seen.append((criterion.name, cases))
        right = float(criterion.description.split()[0])
        return of(f"{criterion.name}+", min(right + 0.15, 1.0))

    judge = Planted()
    mine = CriteriaMiner(judge, rewrite).mine([of("one", 0.66), of("two", 0.7), of("bad", 0.1)], PEOPLE)

    assert {one.criterion.name[:3]: one.origin for one in mine.kept} == {"one": "one", "two": "two"}
    assert all(one.criterion.name.endswith("+") for one in mine.kept)
    assert [name for name, _ in seen][:2] == ["one", "two"]
    for name, cases in seen:
        assert cases, name
        assert all(case.verdict is False and case.better.startswith("better") for case in cases)
    assert all(criterion.description for criterion in judge.asked), "a rewriting has a description when it is judged"
    tried = {one.criterion.name: one.trial for one in mine.tried}
    assert tried["one"] != tried["one+"], "a rewriting is measured anew"


def test_rewriting_ends_and_never_tries_the_same_or_the_banned_again() -> None:
    judge = Planted()
    stubborn = CriteriaMiner(judge, lambda criterion, cases: criterion)  # noqa: ARG005
    assert len(stubborn.mine([of("poor", 0.62)], PEOPLE).tried) == 1

    banned = CriteriaMiner(judge, lambda criterion, cases: of("bad", 0.9))  # noqa: ARG005
    assert [one.state for one in banned.mine([of("bad", 0.1), of("poor", 0.62)], PEOPLE).tried] == [BANNED, BETWEEN]

    none = CriteriaMiner(judge, lambda criterion, cases: None)  # noqa: ARG005
    assert len(none.mine([of("poor", 0.62)], PEOPLE).tried) == 1


def test_a_criterion_that_rarely_decides_is_not_kept_however_right() -> None:
    mine = CriteriaMiner(Planted()).mine([of("shy", 0.95, 0.7)], PEOPLE)

    assert not mine.kept
    trial = mine.tried[0].trial
    assert trial.accuracy > 0.85
    assert trial.coverage < 0.5
    assert trial.right + trial.wrong + trial.abstained == 100


def test_the_vote_of_kept_criteria_beats_each_of_them() -> None:
    knowledge = [of(f"criterion {number}", 0.8, 0.1) for number in range(5)]
    pairs = [Candidate(f"better {i}", f"worse {i}") for i in range(1000, 1600)]
    judge = Planted()

    found = votes(judge, knowledge, pairs)

    def accuracy(verdicts: Sequence[float]) -> float:
        return sum(verdicts) / len(verdicts)

    alone = [
        accuracy([1.0 if case.verdict else 0.5 if case.verdict is None else 0.0
                  for case in decided(judge, one, [(pair.first, pair.second) for pair in pairs])])
        for one in knowledge
    ]  # fmt: skip
    together = accuracy([1.0 if v.first > v.second else 0.5 if v.first == v.second else 0.0 for v in found])
    assert together > max(alone) + 0.05
    assert all(vote.first + vote.second + vote.abstained == 5 for vote in found)
    judgments, left_out = judged_by_vote(pairs, found)
    assert len(judgments) + left_out == len(pairs)
    assert judgments.p[0] == found[0].p


def test_abstentions_are_neither_votes_for_nor_against() -> None:
    assert Vote(2, 1, 2).p == pytest.approx(2 / 3)
    assert Vote(0, 0, 5).p is None
    pairs = [Candidate("a", "b"), Candidate("c", "d")]
    judgments, left_out = judged_by_vote(pairs, [Vote(0, 0, 3), Vote(0, 2, 1)])
    assert (len(judgments), left_out, judgments.p.tolist()) == (1, 1, [0.0])
    with pytest.raises(InputError, match="abstained on all of the 2 pairs"):
        judged_by_vote(pairs, [Vote(0, 0, 3)] * 2)


@pytest.mark.parametrize(
    ("forward", "backward", "verdict"),
    [
        ([1.0], [0.0], True),
        ([0.0], [1.0], False),
        ([1.0], [1.0], None),  # by position
        ([0.5], [0.0], None),
        ([None], [0.0], None),
        ([1.0, None], [0.0, 0.0], None),  # half can not be read
        ([1.0, 0.9, None], [0.2], True),
    ],
)
def test_a_criterion_decides_only_what_it_says_both_ways_round(
    forward: list[Answer], backward: list[Answer], verdict: bool | None
) -> None:
    cases = decided(lambda criterion, pairs: [forward, backward], of("x", 1.0), [("a", "b")])  # noqa: ARG005

    assert cases == (Case("a", "b", verdict),)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": 0.5}, "keep is 0.5 and ban 0.5"),
        ({"ban": 0.4}, "ban 0.4"),
        ({"held_out": 1.0}, "held_out is 1.0"),
        ({"interval": "wald"}, "interval is 'wald'"),
        ({"rounds": -1}, "rounds -1"),
    ],
)
def test_thresholds_without_a_meaning_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Mining(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("knowledge", "says"),
    [([], "none"), ([of("a", 1.0), of("a", 0.9)], "each once"), ([Criterion("a", " ")], "no description")],
)
def test_a_knowledge_base_without_a_meaning_is_refused(knowledge: list[Criterion], says: str) -> None:
    with pytest.raises(InputError, match=says):
        CriteriaMiner(Planted()).mine(knowledge, PEOPLE)


def test_pairs_without_a_preference_choose_nothing() -> None:
    ties = Judgments.of([Verdict("better 1", "worse 1", 0.5), Verdict("better 2", "worse 2", 1.0)])
    with pytest.raises(InputError, match="1 pairs have a preference, too few"):
        CriteriaMiner(Planted()).mine([of("a", 0.9)], ties)


# intervals


def test_intervals_are_the_published_ones() -> None:
    # The reference's example: 30 pairs at 0.75 is [0.58, 0.87]; 22.5 of 30 lies between these two.
    assert wilson(22, 30)[0] < 0.58 < wilson(23, 30)[0]
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=1e-4)
    assert clopper_pearson(20, 20) == pytest.approx((0.8316, 1.0), abs=1e-4)


@settings(deadline=None)
@given(trials=st.integers(1, 60), data=st.data())
def test_intervals_hold_the_share_and_mirror(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    for interval in (wilson, clopper_pearson):
        low, high = interval(successes, trials)
        assert 0 <= low <= successes / trials <= high <= 1
        assert interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_no_trial_has_no_interval(interval: object) -> None:
    for successes, trials in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(InputError, match="no interval"):
            interval(successes, trials)  # type: ignore[operator]
