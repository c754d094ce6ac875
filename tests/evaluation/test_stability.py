"""Stability of a ranking of systems: by seed, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.errors import InputError
from periti.evaluation.correlation import tau_ap
from periti.evaluation.stability import bootstrap, split_half

# Three systems a constant apart on every topic: any topics rank them alike.
STEADY = np.arange(6)[:, None] / 10 + np.array([[0.3, 0.2, 0.1]])
NOISE = np.random.default_rng(5).random((40, 8))


def test_systems_a_constant_apart_are_ranked_alike_by_any_topics() -> None:
    for stable in (split_half(STEADY, np.random.default_rng(1)), bootstrap(STEADY, np.random.default_rng(1))):
        assert stable.mean == 1.0
        assert stable.interval == (1.0, 1.0)


def test_halves_of_noise_do_not_agree() -> None:
    stable = split_half(NOISE, np.random.default_rng(2), draws=300)
    assert abs(stable.mean) < 0.3
    assert stable.interval[0] < 0 < stable.interval[1]


def test_the_same_seed_gives_the_same_draws() -> None:
    for study in (split_half, bootstrap):
        first, second = (study(NOISE, np.random.default_rng(7), draws=20) for _ in range(2))
        assert np.array_equal(first.correlations, second.correlations)


def test_two_halves_of_four_topics_have_two_possible_correlations() -> None:
    # Topics 1, 2 rank the systems one way, 3, 4 the other: a split is either that one (-1) or mixed (a tie).
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    stable = split_half(scores, np.random.default_rng(3), draws=200)
    assert set(stable.correlations[~np.isnan(stable.correlations)]) == {-1.0}
    assert 0 < stable.undefined < 200
    assert stable.mean == -1.0


def test_a_bootstrap_says_how_often_each_system_wins_and_where_it_stands() -> None:
    stable = bootstrap(STEADY, np.random.default_rng(4), draws=50)
    assert stable.wins.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert stable.places.tolist() == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]


def test_another_correlation_may_be_asked_for() -> None:
    assert split_half(STEADY, np.random.default_rng(1), draws=5, correlation=tau_ap).mean == 1.0


@pytest.mark.parametrize(
    ("scores", "draws"),
    [(np.zeros((3, 2)), 10), (np.zeros((4, 1)), 10), (np.full((4, 2), np.nan), 10), (np.zeros((4, 2)), 0)],
)
def test_what_has_no_stability_is_refused(scores: NDArray[np.float64], draws: int) -> None:
    with pytest.raises(InputError):
        split_half(scores, np.random.default_rng(1), draws=draws)
