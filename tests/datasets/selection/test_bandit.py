"""The bandit on 50 clusters of which 5 are useful (reference 3.4), and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.bandit import ClusterBandit, Pulls, Reward
from periti.errors import ConfigError, InputError

CLUSTERS, USEFUL, PULLS, EACH = 50, 5, 300, 1600
SEEDS = range(8)


def world(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int32], Reward]:
    """Useful arms, the cluster of each document, and rewards of mean .6 where useful and .3 elsewhere, noise .25."""
    rng = np.random.default_rng(seed)
    useful = rng.choice(CLUSTERS, USEFUL, replace=False)
    clusters = np.repeat(np.arange(CLUSTERS, dtype=np.int32), EACH)
    means = np.where(np.isin(clusters, useful), 0.6, 0.3)
    rewards = np.clip(means + rng.normal(0, 0.25, len(clusters)), 0, 1)
    return useful, clusters, lambda rows: rewards[rows]


def shares(alpha: float | None) -> tuple[list[float], list[float]]:
    """Share of pulls at useful arms, share of these arms that got their turn or more, for each seed; None: uniform."""
    of_pulls, found = [], []
    for seed in SEEDS:
        useful, clusters, reward = world(seed)
        if alpha is None:
            arms = np.random.default_rng(seed).integers(CLUSTERS, size=PULLS)
        else:
            arms = ClusterBandit(alpha=alpha).pull(clusters, reward, PULLS, seed=seed).arms
        of_pulls.append(float(np.isin(arms, useful).mean()))
        found.append(float((np.bincount(arms, minlength=CLUSTERS)[useful] >= PULLS / CLUSTERS).mean()))
    return of_pulls, found


def test_most_pulls_go_to_useful_clusters_and_none_of_these_is_missed() -> None:
    of_pulls, found = shares(alpha=0.1)
    greedy_pulls, greedy_found = shares(alpha=0)
    uniform_pulls, uniform_found = shares(alpha=None)

    assert min(of_pulls) >= 0.6
    assert found == [1.0] * len(SEEDS)
    assert max(uniform_pulls) < 0.2
    assert np.mean(uniform_found) < 0.8
    assert np.mean(greedy_found) <= 0.7  # greedy settles on what looked good at first
    assert min(greedy_pulls) >= 0.6  # and yet looks at as many useful documents


def test_alpha_one_of_the_textbook_explores_to_the_end() -> None:
    assert max(shares(alpha=1)[0]) < 0.25


def test_picks_above_a_threshold_are_more_often_useful_than_what_was_looked_at() -> None:
    useful, clusters, reward = world(0)
    pulls = ClusterBandit().pull(clusters, reward, PULLS, seed=0)
    chosen = pulls.above(0.6)

    assert np.isin(clusters[chosen], useful).mean() > np.isin(clusters[pulls.rows], useful).mean() > 0.6
    assert (reward(chosen) > 0.6).all()


def test_an_arm_that_loses_its_worth_is_left_the_sooner_the_shorter_the_window() -> None:
    clusters = np.repeat(np.arange(2, dtype=np.int32), 2000)

    def pulls_of_the_worthless(window: int) -> int:
        looked = [0]

        def reward(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            looked[0] += 1
            worth = 0.9 if looked[0] <= 60 else 0.0  # arm 0 pays for 60 pulls, arm 1 always .5
            return np.where(clusters[rows] == 0, worth, 0.5)

        arms = ClusterBandit(window=window).pull(clusters, reward, 160, seed=0).arms
        return int(np.count_nonzero(arms[60:] == 0))

    assert pulls_of_the_worthless(10) <= 10 < pulls_of_the_worthless(1000)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 30), st.integers(1, 4), st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_every_document_is_looked_at_once_at_most(labels: list[int], pulls: int, batch: int, seed: int) -> None:
    clusters = np.array(labels, dtype=np.int32)
    bandit = ClusterBandit(batch=batch)
    found = bandit.pull(clusters, lambda rows: rows / 40, pulls, seed=seed)
    again = bandit.pull(clusters, lambda rows: rows / 40, pulls, seed=seed)

    assert len(set(found.rows.tolist())) == len(found.rows)
    assert len(found.arms) == pulls or len(found.rows) == len(labels)
    assert set(found.arms.tolist()) == set(clusters[found.rows].tolist())
    np.testing.assert_array_equal(found.rows, again.rows)


def test_every_arm_is_pulled_before_any_is_pulled_again() -> None:
    clusters = np.repeat(np.arange(6, dtype=np.int32), 5)

    assert len(set(ClusterBandit(batch=1).pull(clusters, np.zeros_like, 6, seed=1).arms.tolist())) == 6


def test_impossible_options_pools_and_rewards_are_refused() -> None:
    one = np.zeros(4, dtype=np.int32)
    with pytest.raises(ConfigError, match="alpha is -1"):
        ClusterBandit(alpha=-1)
    with pytest.raises(ConfigError, match="alpha is nan"):
        ClusterBandit(alpha=float("nan"))
    with pytest.raises(ConfigError, match="window 0"):
        ClusterBandit(window=0)
    with pytest.raises(InputError, match="0 documents"):
        ClusterBandit().pull(one[:0], np.zeros_like, 5, seed=0)
    with pytest.raises(InputError, match=r"numbers in 0\.\.1"):
        ClusterBandit().pull(one, lambda rows: np.full(len(rows), np.nan), 5, seed=0)


def test_pulls_above_a_threshold_keep_their_order() -> None:
    pulls = Pulls(np.array([4, 2, 9]), np.array([0.5, 0.2, 0.9]), np.array([0]))

    assert pulls.above(0.4).tolist() == [4, 9]
