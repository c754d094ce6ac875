"""Scorers with a learner or with words: pairs, classifiers, cards, skills; and the oracles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.errors import ConfigError, InputError, UnknownName
from periti.retrievers.routing import oracles
from periti.retrievers.routing.classifiers import Classifier, ClassifierHeadRouter, ClassifierOptions, ClassifierRouter
from periti.retrievers.routing.learners import logistic, sigmoid, softmax
from periti.retrievers.routing.pairwise import Pairwise, PairwiseOptions, pairs
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.prior import Prior, PriorOptions, PriorRouter
from periti.retrievers.routing.skills import SkillOptions, Skills, strongest
from periti.types import Queries
from tests.retrievers.routing.test_scorers import COSTS, at_random
from tests.retrievers.routing.toy import at, panel, scattered, table

SIDES = table([[1, 0]] * 10 + [[0, 1]] * 10, degrees=[*range(10), *range(90, 100)], datasets="A" * 10 + "B" * 10)
"""Expert a is right for queries near 0 degrees, b for those near 90."""


@pytest.fixture(
    params=["pairwise", "classifier", "classifier-head", "skills", "prior"],
)
def fit(request: pytest.FixtureRequest) -> Any:
    return {
        "pairwise": Pairwise.fit,
        "classifier": Classifier.fit,
        "classifier-head": lambda made: Classifier.fit(made, joint=False),
        "skills": Skills.fit,
        "prior": lambda made: Prior.fit(Pilots.fit(made), at_random(len(made.experts)), made),
    }[request.param]


def test_a_query_scores_the_same_alone_and_in_any_batch(fit: Any) -> None:
    scorer, vectors = fit(scattered()), at_random(33)
    texts = [f"word{i % 5} other" for i in range(33)]
    whole = scorer.scores(vectors, texts)

    assert (whole.dtype, whole.shape) == (np.float32, (33, 3))
    assert np.isfinite(whole).all()
    parts = [scorer.scores(vectors[i : i + 1], texts[i : i + 1]) for i in range(33)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_panel_of_one_is_scored(fit: Any) -> None:
    assert np.isfinite(fit(scattered(e=1)).scores(at_random(4), list("abcd"))).all()


# pairs


def test_pairwise_scores_are_mean_chances_to_win() -> None:
    made = Pairwise.fit(scattered())
    vectors = at_random(20)
    chance = sigmoid(made.map(vectors))

    assert pairs(3) == [(0, 1), (0, 2), (1, 2)]
    expected = np.stack([chance[:, 0] + chance[:, 1], 1 - chance[:, 0] + chance[:, 2], 2 - chance[:, 1] - chance[:, 2]])
    np.testing.assert_allclose(made.scores(vectors, [""] * 20), expected.T / 2, atol=1e-6)


def test_pairwise_learns_who_wins_where() -> None:
    assert Pairwise.fit(SIDES).scores(at(5, 95), ["", ""]).argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("utilities", "chance"),
    [([[1, 0]] * 3, 4 / 5), ([[1, 1]] * 3, 1 / 2)],  # won 3 of 3: (3 + 1) / (3 + 2); never differing: even
)
def test_a_pair_that_can_not_be_learnt_gets_a_constant_chance(utilities: Any, chance: float) -> None:
    scores = Pairwise.fit(table(utilities)).scores(at(0, 77), ["", ""])

    np.testing.assert_allclose(scores, [[chance, 1 - chance]] * 2, rtol=1e-6)


def test_pairwise_counts_costs_and_knows_its_flags() -> None:
    free, paid = (
        Pairwise.fit(scattered(), PairwiseOptions(costs=COSTS, lambdas=lambdas)).scores(at_random(), [""] * 50)
        for lambdas in ({"size": 0.0}, {"size": 100.0})
    )

    np.testing.assert_array_equal(free, Pairwise.fit(scattered()).scores(at_random(), [""] * 50))
    assert (paid.argmax(axis=1) == 0).all()
    with pytest.raises(ConfigError, match="cost flag 'latncy' is unknown; did you mean 'latency'"):
        Pairwise.fit(scattered(), PairwiseOptions(costs=COSTS, lambdas={"latncy": 1.0}))


# classifiers


def test_logistic_regression_fulfils_its_optimality_condition() -> None:
    made = scattered(80)
    labels = (made.utilities[:, 0] > 0.5).astype(np.int64)
    learnt = logistic(made.vectors, labels, 2.0)
    x = made.vectors.astype(np.float64)

    # Gradient of C Σ loss + |w|² / 2: C X'(p - y) + w = 0, and Σ (p - y) = 0 for the free intercept.
    gap = sigmoid(learnt(made.vectors))[:, 0] - labels
    np.testing.assert_allclose(2.0 * x.T @ gap + learnt.weights[0], 0, atol=1e-3)
    assert abs(gap.sum()) < 1e-3


def test_classifiers_learn_from_unique_winners_and_weigh_experts_alike() -> None:
    rare = table([[1, 0]] * 30 + [[0, 1]] * 3 + [[1, 1]] * 9, degrees=[*range(30), 90, 91, 92, *range(100, 109)])

    for joint in (True, False):
        scores = Classifier.fit(rare, ClassifierOptions(inverse_strength=10.0), joint=joint).scores(at(5, 95), ["", ""])
        assert scores.argmax(axis=1).tolist() == [0, 1]
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-3)


def test_an_expert_that_never_wins_alone_gets_nothing() -> None:
    made = table([[1, 0, 1e-3]] * 5 + [[0, 1, 0]] * 5, degrees=[*range(5), *range(90, 95)], experts="abc")

    for joint in (True, False):
        assert (Classifier.fit(made, joint=joint).scores(at(3), [""])[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("utilities", "message"),
    [([[1, 0], [1, 1]], "it is 'a' wherever it is unique"), ([[1, 1], [0, 0]], "it is never unique")],
)
def test_a_table_without_a_choice_teaches_no_classifier(utilities: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"of the best one {message}, so there is nothing to learn; use another"):
        Classifier.fit(table(utilities))


def test_softmax_and_sigmoid_do_not_overflow() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([[-1e4, 0, 1e4]])), [[0, 0.5, 1]])
    np.testing.assert_array_equal(softmax(np.array([[-1e4, 1e4]])), [[0, 1]])


@pytest.mark.parametrize("kind", [ClassifierRouter, ClassifierHeadRouter])
def test_both_baselines_open_on_a_panel(kind: Any, tmp_path: Path) -> None:
    SIDES.write(tmp_path / "t")
    router = kind.open(panel(), kind.Options(table=tmp_path / "t"))

    assert router.scores(Queries.from_pairs([("x", "3"), ("y", "97")])).argmax(axis=1).tolist() == [0, 1]


# cards


def test_the_prior_counts_much_near_a_card_and_little_elsewhere() -> None:
    # Cards at 45 and 135 degrees. The nearest card is 45 degrees off at 0 and at 90, where a and b are at their best.
    local = Pilots.fit(SIDES)
    made = Prior.fit(local, at(45, 135), SIDES, PriorOptions(large=5.0, small=0.0, threshold=0.9))

    # At 50 degrees the pilots prefer b (45 degrees off, a is 46 off), but a's card is near: the card decides.
    assert local.scores(at(50), [""]).argmax() == 1
    assert made.scores(at(50), [""]).argmax() == 0
    # At 270 no card is near: only the local scores, standardised to -1 and 1, are left.
    np.testing.assert_allclose(made.scores(at(270), [""]), [[1, -1]], atol=1e-5)
    assert made.fell_back(at(50, 270), ["", ""]).tolist() == [False, True]


def test_the_threshold_of_cards_is_calibrated_on_the_table() -> None:
    made = scattered(200)
    prior = Prior.fit(Pilots.fit(made), at_random(3), made, PriorOptions(quantile=0.2))

    assert prior.fell_back(made.vectors, made.texts).mean() == pytest.approx(0.2, abs=0.01)


def test_cards_come_from_the_panel_or_from_the_options(tmp_path: Path) -> None:
    SIDES.write(tmp_path / "t")
    queries = Queries.from_pairs([("x", "44")])
    one = PriorRouter.open(panel(a="10", b="80"), PriorOptions(table=tmp_path / "t"))
    other = PriorRouter.open(panel(a="10"), PriorOptions(table=tmp_path / "t", cards={"b": "80"}))

    np.testing.assert_array_equal(one.scores(queries), other.scores(queries))
    told = one.explain(queries)[0]["cards"]
    assert told == pytest.approx({"a": math.cos(math.radians(34)), "b": math.cos(math.radians(36))}, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cards": {"a": "1"}}, ConfigError, "expert 'b' has no card; describe in a sentence what it is for"),
        ({"cards": {"c": "1"}}, ConfigError, "the card 'c' is nobody's; known: a, b"),
        ({"cards": {"a": "1", "b": "2"}, "local": "prior"}, ConfigError, "choose a router that reads a utility table"),
        ({"cards": {"a": "1", "b": "2"}, "local": "constant"}, ConfigError, "local is 'constant'"),
        ({"cards": {"a": "1", "b": "2"}, "local": "pilot"}, UnknownName, "did you mean 'pilots'"),
    ],
)
def test_a_prior_without_cards_or_without_a_local_router_is_refused(
    tmp_path: Path, options: Any, error: type[Exception], message: str
) -> None:
    SIDES.write(tmp_path / "t")

    with pytest.raises(error, match=message):
        PriorRouter.open(panel(), PriorOptions(table=tmp_path / "t", **options))


# skills

WORDY = table(
    [[1, 0], [1, 0], [0, 1], [0, 0]],
    texts=["tort law", "tort claim", "cell biology", "the the"],
)


def test_a_profile_is_the_shrunk_mean_of_centred_utility() -> None:
    made = Skills.fit(WORDY, SkillOptions(terms=2, shrinkage=5.0))

    # "tort" was a skill of two queries, each with centred utilities (.5, -.5): (2 / 2) (.5, -.5) 2 / (2 + 5).
    np.testing.assert_allclose(made.profiles["tort"], [1 / 7, -1 / 7])
    np.testing.assert_allclose(made.profiles["biology"], [-0.5 / 6, 0.5 / 6])
    np.testing.assert_allclose(made.strength, [0.125, -0.125])
    expected = 0.125 + (1 / 7 - 0.5 / 6) / 2
    np.testing.assert_allclose(made.scores(at(0), ["Tort in biology"]), [[expected, -expected]], rtol=1e-6)


def test_a_query_without_a_known_word_falls_back_to_the_experts_strength() -> None:
    made = Skills.fit(WORDY)

    assert made.fell_back(at(0, 0), ["zzz", "law"]).tolist() == [True, False]
    np.testing.assert_allclose(made.scores(at(0), ["zzz"]), [[0.125, -0.125]])
    assert made.explain(at(0), ["law zzz"])[0]["nearest"][0]["skill"] == "law"


def test_skills_are_the_rarest_and_most_frequent_words() -> None:
    rarity = {"tort": 2.0, "law": 1.0, "claim": 1.0}

    assert strongest("Law claims: tort, law! law 42 x", rarity, 2) == ["law", "tort"]
    assert strongest("claim law", rarity, 1) == ["claim"], "equals in alphabetical order"


def test_skills_route_domains_that_are_told_apart_by_words() -> None:
    rng = np.random.default_rng(0)
    domain = np.arange(120) % 3
    texts = [" ".join(f"w{d}{'abcdefgh'[i]}" for i in rng.integers(0, 8, 4)).replace("0", "x") for d in domain]
    texts = [text.replace("1", "y").replace("2", "z") + f" common {'ab'[i % 2]}ll" for i, text in enumerate(texts)]
    utilities = np.where(domain[:, None] == np.arange(3), 0.7, 0.3) + rng.normal(0, 0.2, (120, 3))
    made = table(utilities[:90], texts=texts[:90], experts="abc", degrees=range(90))

    chosen = Skills.fit(made).scores(at(*range(30)), texts[90:]).argmax(axis=1)
    assert (chosen == domain[90:]).mean() > 0.9


# oracles

UTILITIES = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.5], [0.1, 0.3, 0.5], [0.5, 0.3, 0.5]])


def test_oracles_by_hand() -> None:
    assert oracles.best_single(UTILITIES).tolist() == [2] * 4
    assert oracles.dataset_oracle(UTILITIES, ["x", "x", "y", "y"]).tolist() == [0, 0, 2, 2]
    assert oracles.instance_oracle(UTILITIES).tolist() == [0, 1, 2, 0]
    assert oracles.reached(UTILITIES, np.array([0, 1, 2, 0])).tolist() == [0.9, 0.8, 0.5, 0.5]
    first, second = oracles.cross_fitted_oracle(UTILITIES, UTILITIES[::-1])
    assert (first.tolist(), second.tolist()) == ([0, 2, 1, 0], [0, 1, 2, 0])
    with pytest.raises(InputError, match="3 datasets for 4 queries"):
        oracles.dataset_oracle(UTILITIES, ["x", "x", "y"])
    with pytest.raises(InputError, match="give the same pairs"):
        oracles.cross_fitted_oracle(UTILITIES, UTILITIES[:2])


def test_over_clones_the_instance_oracle_rises_and_the_cross_fitted_one_does_not() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((4000, 8)), rng.random((4000, 8))
    mine, other = oracles.cross_fitted_oracle(first, second)

    assert oracles.reached(first, oracles.null_oracle(first)).mean() == pytest.approx(8 / 9, abs=0.01)
    fair = (oracles.reached(first, mine).mean() + oracles.reached(second, other).mean()) / 2
    assert fair == pytest.approx(0.5, abs=0.02)


def test_the_random_choice_is_reproducible_and_even() -> None:
    one, same = (oracles.random_choice(np.zeros((3000, 3)), np.random.default_rng(4)) for _ in range(2))

    np.testing.assert_array_equal(one, same)
    assert np.bincount(one).min() > 900
