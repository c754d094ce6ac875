"""Portfolio choice: the floor and the greedy steps by hand, and the planted panel that means can not see through."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats
from periti.retrievers.diagnosis.portfolio import Candidates, Portfolio, beats, choose

HAND = Candidates(
    experts=["first", "second", "twin", "poor"],
    utilities=[[0.9, 0.2, 0.8, 0], [0.9, 0.2, 0.8, 0], [0.2, 0.6, 0.3, 0], [0.2, 0.6, 0.3, 0]],
    base=[0.1, 0.1, 0.1, 0.1],
)


def test_greedy_steps_by_hand() -> None:
    # Means .55, .4, .55, 0: "first" goes first. Then second adds (.4 + .4)/4 = .2, twin (.1 + .1)/4 = .05.
    chosen = choose(HAND, n=2, gamma=0, seed=1)

    assert chosen.experts == ("first", "second")
    assert [pick.gain for pick in chosen.picks] == pytest.approx([0.55, 0.2])
    assert chosen.utility == pytest.approx(0.75)
    reasons = {rejection.expert: rejection for rejection in chosen.rejections}
    assert reasons["poor"].confidence == 0
    assert "beats the base's 0.100 in 0% of resamples of 4 queries, 90% are asked" in reasons["poor"].reason
    assert reasons["twin"].reason == "the 2 places are taken; it would add 0.000 for a penalty of 0.000"


def test_likeness_costs_and_ends_the_choice_by_hand() -> None:
    overlap = np.zeros((4, 4))
    overlap[0, 1] = 0.9  # one triangle is enough
    overlap[0, 2] = 0.1

    # second: .2 - .5·.9 < 0; twin: .05 - .05 = 0, which is not worth its penalty.
    chosen = choose(Candidates(HAND.experts, HAND.utilities, HAND.base, overlap), n=4, gamma=0.5, seed=1)

    assert chosen.experts == ("first",)
    assert {r.reason for r in chosen.rejections if r.expert == "second"} == {
        "it would only add 0.200 for a penalty of 0.450"
    }


def test_the_floor_by_hand() -> None:
    # One query of four is .4 better, three are .1 worse: the mean of a resample is above the base's if it holds that
    # query at least once in four draws but for equality at (once: .4 - .3 > 0): 1 - (3/4)^4 = .684.
    lucky = np.array([[0.5], [0.0], [0.0], [0.0]])
    base = np.full(4, 0.1)

    assert beats(lucky, base, seed=1)[0] == pytest.approx(1 - 0.75**4, abs=0.04)
    assert beats(base[:, None], base, seed=1)[0] == 0


def test_nobody_above_the_floor_leaves_the_base() -> None:
    chosen = choose(Candidates(["a"], [[0.1], [0.2]], [0.1, 0.2]), n=1, gamma=0, seed=1)

    assert chosen.experts == ()
    assert chosen.utility == pytest.approx(0.15)
    assert [rejection.expert for rejection in chosen.rejections] == ["a"]


def planted(seed: int) -> Candidates:
    """Three experts for three kinds of query, five that follow the first of them, two that guess."""
    rng, queries = np.random.default_rng(seed), 50
    kind = rng.permutation(np.repeat(np.arange(3), [22, 14, 14]))
    base = np.clip(rng.normal(0.4, 0.08, queries), 0, 1)
    experts, columns = [], []
    for own in range(3):
        experts.append(f"complementary{own}")
        columns.append(base + np.where(kind == own, 0.45, -0.03) + rng.normal(0, 0.03, queries))
    for follower in range(5):
        experts.append(f"redundant{follower}")
        columns.append(columns[0] - 0.03 + rng.normal(0, 0.02, queries))
    for guesser in range(2):
        experts.append(f"lucky{guesser}")
        columns.append(np.where(rng.random(queries) < 0.35, 0.95, 0.0))
    return Candidates(experts, np.clip(np.stack(columns, axis=1), 0, 1), base)


def complementary(portfolio: Portfolio) -> bool:
    return sorted(portfolio.experts) == [f"complementary{own}" for own in range(3)]


def test_greedy_finds_the_planted_three_and_the_best_means_do_not() -> None:
    found, by_mean = 0, 0
    for seed in range(40):
        candidates = planted(seed)
        found += complementary(choose(candidates, n=3, gamma=0.02, seed=seed))
        means = np.array(candidates.utilities).mean(axis=0)
        by_mean += {candidates.experts[e] for e in np.argsort(-means)[:3]} == {f"complementary{i}" for i in range(3)}

    assert found >= 36
    assert by_mean <= 4


def test_without_the_floor_the_guessers_would_win_a_place() -> None:
    # A fourth place would go to a guesser, whose hits raise a maximum; against a base of nothing the floor is open.
    kept, taken = 0, 0
    for seed in range(10):
        candidates = planted(seed)
        open_floor = Candidates(candidates.experts, candidates.utilities, np.zeros(50))
        kept += any(name.startswith("lucky") for name in choose(candidates, n=4, gamma=0, seed=seed).experts)
        taken += any(name.startswith("lucky") for name in choose(open_floor, n=4, gamma=0, seed=seed).experts)

    assert kept == 0
    assert taken == 10


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_greedy_is_within_its_bound_of_the_best_and_rises_ever_less(seed: int, n: int) -> None:
    utilities: Floats = np.random.default_rng(seed).uniform(0.01, 1, (6, 5))
    chosen = choose(Candidates(list("abcde"), utilities, np.zeros(6)), n, gamma=0, seed=1)

    best = max(utilities[:, list(group)].max(axis=1).mean() for group in combinations(range(5), n))
    gains = [pick.gain for pick in chosen.picks]
    assert chosen.utility >= (1 - 1 / np.e) * best - 1e-12
    assert sum(gains) == pytest.approx(chosen.utility)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(gains))
    assert len(chosen.picks) + len(chosen.rejections) == 5


@pytest.mark.parametrize(
    ("candidates", "n", "gamma", "message"),
    [
        (Candidates([], [[1]], [1]), 1, 0, "experts: there are none"),
        (Candidates(["a"], [[np.nan]], [1]), 1, 0, "1 of 1 cells are missing"),
        (Candidates(["a"], [[1], [1]], [1]), 1, 0, r"base: the shape is \(1,\), expected \(2\)"),
        (Candidates(["a"], [[1]], [1], [[2]]), 1, 0, "overlap: values from 2 to 2"),
        (Candidates(["a"], [[1]], [1]), 0, 0, "n is 0"),
        (Candidates(["a"], [[1]], [1]), 1, -1, "gamma is -1"),
    ],
)
def test_what_does_not_fit_is_refused(candidates: Candidates, n: int, gamma: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(candidates, n, gamma, seed=1)


def test_in_groups_a_specialist_is_welcome_and_the_base_answers_elsewhere() -> None:
    """By hand: two groups of 20; one expert gains .2 on the first and loses .4 on the second, one loses everywhere."""
    base = np.full(40, 0.5)
    specialist = np.repeat([0.7, 0.1], 20)
    worse = np.full(40, 0.4)
    groups = ["a"] * 20 + ["b"] * 20
    utilities = np.column_stack([specialist, worse])

    alone = choose(Candidates(["specialist", "worse"], utilities, base), 2, 0.0, 0)
    assert alone.experts == ()
    found = choose(Candidates(["specialist", "worse"], utilities, base, None, groups), 2, 0.0, 0)
    assert found.experts == ("specialist",)
    assert found.picks[0].gain == pytest.approx(0.1)
    assert found.utility == pytest.approx(0.6)
    assert (
        "on a 0.400 beats the base's 0.500 in 0% of resamples of 20 queries, 95% are asked"
        in found.rejections[0].reason
    )
    with pytest.raises(InputError, match="there are 1 for 40 queries"):
        choose(Candidates(["specialist", "worse"], utilities, base, None, ["a"]), 2, 0.0, 0)


def test_in_groups_an_expert_that_does_not_pay_its_likeness_is_no_pick() -> None:
    """A copy adds nothing, and with groups not even the first place is given away for nothing."""
    base = np.full(20, 0.5)
    good = np.full(20, 0.6)
    found = choose(
        Candidates(["one", "copy"], np.column_stack([good, good]), base, np.ones((2, 2)), ["a"] * 20), 2, 0.1, 0
    )

    assert found.experts == ("one",)
    assert found.rejections[0].reason == "it would only add 0.000 for a penalty of 0.100"
