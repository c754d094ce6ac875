"""The fit: its optimum, its symmetry, and the synthetic checks of QuRating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.quality.bradley_terry import Fit, fit_weights
from periti.datasets.selection.quality.comparison import spearman
from periti.datasets.selection.quality.design import Design
from periti.datasets.selection.quality.features import FeatureOptions
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.datasets.selection.quality.lbfgs import minimise
from periti.datasets.selection.quality.rater import Rater, train_rater
from periti.errors import InputError
from tests.datasets.selection.quality.synthetic import Planted, judged, planted

SMALL = FeatureOptions(n=1, buckets=1 << 10)


def dense(rows: NDArray[np.float64]) -> Design:
    return Design(rows, np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0), 0)


def pairwise_accuracy(rater: Rater, made: Planted) -> float:
    ratings = rater.rate(made.texts)[:, 0]
    better = made.quality[:, None] > made.quality[None, :]
    return float((ratings[:, None] > ratings[None, :])[better].mean())


@given(seed=st.integers(0, 10_000), size=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_the_minimum_of_a_quadratic_is_found(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(size, size))
    matrix, target = half @ half.T + np.eye(size), rng.normal(size=size)

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        return float((x - target) @ matrix @ (x - target)) / 2, matrix @ (x - target)

    np.testing.assert_allclose(minimise(loss, np.zeros(size), close=1e-8), target, atol=1e-5)


def test_two_texts_reach_the_odds_that_were_judged() -> None:
    judgments = Judgments.of([Verdict("a", "b", 0.9)])
    design = dense(np.array([[1.0], [0.0]]))

    weights = fit_weights(design, judgments, Fit(penalty=1e-9))

    # With one feature that is 1 for the first text, s_a - s_b is its weight: log(0.9 / 0.1).
    np.testing.assert_allclose(weights, [np.log(9)], rtol=1e-3)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_turning_pairs_round_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = planted(seed, 30, words=12)
    judgments = judged(made, 40, seed, votes=5)
    turned = rng.random(len(judgments)) < 0.5
    first = np.where(turned, judgments.second, judgments.first)
    second = np.where(turned, judgments.first, judgments.second)
    p = np.where(turned, 1 - judgments.p, judgments.p)
    again = Judgments(judgments.texts, first, second, p, judgments.votes, judgments.groups)

    one, other = (train_rater([each], SMALL).rate(made.texts) for each in (judgments, again))

    np.testing.assert_allclose(one, other, atol=1e-4)


def test_planted_quality_is_recovered_under_label_noise() -> None:
    seen, unseen = planted(1, 400, words=200), planted(2, 300, words=200)

    rater = train_rater([judged(seen, 2000, 1)], SMALL)

    assert pairwise_accuracy(rater, unseen) >= 0.9
    assert spearman(rater.rate(unseen.texts)[:, 0], unseen.quality) >= 0.9


def test_soft_labels_beat_hard_ones_under_noise() -> None:
    unseen = planted(99, 300, words=60)
    gains = []
    for seed in range(5):
        judgments = judged(planted(seed, 120, words=60), 500, seed, votes=5, slope=1.5)
        soft = train_rater([judgments], SMALL, Fit(confidence=0.0))
        hard = train_rater([judgments], SMALL, Fit(confidence=0.0, soft=False))
        gains.append(pairwise_accuracy(soft, unseen) - pairwise_accuracy(hard, unseen))

    assert np.mean(gains) > 0.0
    assert sum(gain > 0 for gain in gains) >= 4


def test_pairs_below_the_confidence_are_not_learned_from() -> None:
    judgments = Judgments.of([Verdict("good", "bad", 1.0), Verdict("bad", "good one", 0.7), Verdict("a", "b", 0.5)])

    assert Fit().learned_from(judgments).tolist() == [True, False, False]
    assert Fit(confidence=0.4).learned_from(judgments).tolist() == [True, True, False]
    assert Fit(confidence=0.0).learned_from(judgments).tolist() == [True, True, True]
    assert Fit(confidence=0.0, soft=False).learned_from(judgments).tolist() == [True, True, False]


@pytest.mark.parametrize("fit", [Fit(), Fit(confidence=0.0)])
def test_nothing_to_learn_from_is_said(fit: Fit) -> None:
    with pytest.raises(InputError, match="none of the 1 pairs has a preference"):
        train_rater([Judgments.of([Verdict("a", "b", 0.5)])], SMALL, fit)


@pytest.mark.parametrize(
    ("options", "says"), [({"confidence": 1.5}, "confidence is 1.5"), ({"penalty": 0.0}, "penalty is 0"),
                          ({"penalty": float("nan")}, "penalty is nan")]
)  # fmt: skip
def test_settings_without_a_meaning_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Fit(**options)  # type: ignore[arg-type]
