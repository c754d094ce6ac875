"""Heuristics of difficulty and what they weigh: the toy values of the reference, schedules, controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde  # type: ignore[import-untyped]

from periti.errors import ConfigError
from periti.training.ranking.curricula import LEAST, iteration, sample_weights, scheduled, with_ease_of
from periti.training.ranking.difficulty import ease_of, kernel_cdf
from periti.training.ranking.drawing import Lists, Pairs
from periti.training.ranking.settings import RankingOptions

TOY = np.array([10.0, 8.0, 4.0, 2.0])
LISTS = Lists(
    queries=["a"] * 3 + ["b"] * 2,
    documents=["1", "2", "3", "4", "5"],
    owner=np.array([0, 0, 0, 1, 1]),
    gains=np.array([1.0, 0, 0, 2, 0]),
    ease=np.array([0.9, 0.2, 0.6, 0.3, 0.8]),
    teacher=np.zeros(5),
)


def test_the_toy_scores_of_the_reference() -> None:
    np.testing.assert_allclose(ease_of("norm", TOY), [1, 0.75, 0.25, 0])
    np.testing.assert_allclose(ease_of("recip", TOY), [1, 1 / 2, 1 / 3, 1 / 4])


def test_kde_is_the_cdf_of_scipy_s_estimate() -> None:
    scores = np.array([22.5, 20.1, 19.9, 14.0, 13.5, 13.2, 9.0])
    density = gaussian_kde(scores)

    np.testing.assert_allclose(kernel_cdf(scores), [density.integrate_box_1d(-np.inf, s) for s in scores], rtol=1e-9)


@pytest.mark.parametrize("scores", [[3.0, 3.0, 3.0], [7.0]])
@pytest.mark.parametrize("heuristic", ["norm", "kde"])
def test_equal_scores_are_neither_easy_nor_hard(heuristic: str, scores: list[float]) -> None:
    np.testing.assert_array_equal(ease_of(heuristic, np.array(scores)), 0.5)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20), st.sampled_from(["recip", "norm", "kde"]))
def test_difficulty_is_a_share_that_never_grows_down_the_list(scores: list[float], heuristic: str) -> None:
    ease = ease_of(heuristic, np.array(sorted(scores, reverse=True), np.float64))

    assert ((ease >= 0) & (ease <= 1)).all()
    assert (np.diff(ease) <= 1e-12).all()


def test_the_schedule_begins_at_the_weight_and_ends_at_one() -> None:
    weights = np.array([0.0, 0.25, 1.0])

    np.testing.assert_array_equal(scheduled(weights, 0, 20), weights)
    np.testing.assert_allclose(scheduled(weights, 5, 20), [0.25, 0.25 * 0.75 + 0.25, 1])
    np.testing.assert_array_equal(scheduled(weights, 20, 20), 1)
    np.testing.assert_array_equal(scheduled(weights, 21, 20), 1)


def test_iterations_are_counted_by_evaluations() -> None:
    options = RankingOptions(evaluate_every=10)

    assert [iteration(step, options) for step in (1, 10, 11, 21)] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("bce", [0.9, 0.8, 0.4, 0.3, 0.2]),
        ("ranknet", [(0.9 - 0.2 + 1) / 2, (0.9 - 0.6 + 1) / 2, (0.3 - 0.8 + 1) / 2]),
        ("lambda", [0.85, 0.65, 0.25]),
        ("listnet", [0.65, 0.25]),
    ],
)
def test_documents_pairs_and_lists_weigh_as_stated(loss: str, expected: list[float]) -> None:
    options = RankingOptions(loss=loss, curriculum="kde")
    pairs = Pairs.of(LISTS)
    found = sample_weights(LISTS, LISTS, pairs, options, 1)
    anti = sample_weights(LISTS, LISTS, pairs, replace(options, curriculum="anti"), 1)

    assert found is not None
    assert anti is not None
    np.testing.assert_allclose(found, expected, atol=2 * LEAST)
    np.testing.assert_allclose(anti, 1 - np.array(expected), atol=2 * LEAST)


def test_there_are_no_weights_without_a_curriculum_and_after_its_end() -> None:
    pairs, options = Pairs.of(LISTS), RankingOptions(curriculum="norm", curriculum_end=3, evaluate_every=10)

    assert sample_weights(LISTS, LISTS, pairs, replace(options, curriculum="none"), 1) is None
    assert sample_weights(LISTS, LISTS, pairs, options, 30) is not None
    assert sample_weights(LISTS, LISTS, pairs, options, 31) is None


def test_the_random_control_takes_difficulties_of_other_documents_of_the_same_label() -> None:
    other = replace(LISTS, ease=np.array([0.11, 0.22, 0.33, 0.44, 0.55]))
    options = RankingOptions(loss="bce", curriculum="random")

    np.testing.assert_array_equal(with_ease_of(LISTS, other).ease, other.ease)
    found = sample_weights(LISTS, other, Pairs.of(LISTS), options, 1)
    assert found is not None
    np.testing.assert_allclose(found, [0.11, 0.78, 0.67, 0.44, 0.45], atol=2 * LEAST)


def test_the_random_control_fills_up_where_the_other_batch_is_smaller() -> None:
    other = Lists(["a"] * 2, ["1", "2"], np.zeros(2, np.int64), np.array([1.0, 0]), np.array([0.1, 0.7]), np.zeros(2))

    np.testing.assert_array_equal(with_ease_of(LISTS, other).ease, [0.1, 0.7, 0.7, 0.1, 0.7])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"loss": "hinge"}, "no loss 'hinge'; known: bce, ranknet, listnet, lambda, margin-mse"),
        ({"curriculum": "easy"}, "no curriculum 'easy'; known: none, recip, norm, kde, anti, random"),
        ({"weighting": "list"}, "no weighting 'list'; known: sample, batch"),
        ({"margin": 2.0}, "margin is 2.0; it must be between -1 and 1"),
        ({"negatives": 0}, "negatives is 0; it must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be positive"),
        ({"random_negatives": 8}, "random_negatives is 8 of 7 negatives; lower it"),
        ({"dev_depth": 101}, "dev_depth is 101, but lists hold 100 documents"),
        ({"loss": "margin-mse"}, "set random_negatives = 0 with loss 'margin-mse'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RankingOptions(**options)  # type: ignore[arg-type]
