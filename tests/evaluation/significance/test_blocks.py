"""Analysis of variance, HSD for randomised blocks by hand, and its randomised version."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from periti.evaluation.significance.blocks import hsd, randomized_hsd, two_way
from periti.evaluation.significance.distributions import (
    RANGE_ACCURACY,
    studentized_range_critical,
    studentized_range_upper,
)
from periti.evaluation.significance.signflip import Flips, sign_flip

RNG = np.random.default_rng(3)


@given(seed=st.integers(0, 10_000), topics=st.integers(2, 12), systems=st.integers(2, 6))
@settings(max_examples=40)
def test_hsd_is_the_hand_formula(seed: int, topics: int, systems: int) -> None:
    x = np.random.default_rng(seed).random((topics, systems))
    error = sum(
        (x[i, j] - x[i].mean() - x[:, j].mean() + x.mean()) ** 2 for i, j in product(range(topics), range(systems))
    )
    mse = error / ((topics - 1) * (systems - 1))
    q = abs(x[:, 0].mean() - x[:, 1].mean()) / np.sqrt(mse / topics)
    statistic, p = hsd(np.array([x[:, 0].mean() - x[:, 1].mean()]), two_way(x))
    assert statistic[0] == pytest.approx(q, rel=1e-9)
    assert p[0] == pytest.approx(stats.studentized_range.sf(q, systems, (topics - 1) * (systems - 1)), abs=1e-8)


def test_the_sums_of_squares_add_up_to_the_total() -> None:
    x = RNG.random((9, 5))
    anova = two_way(x)
    total = anova.topic_squares + anova.system_squares + anova.error_squares
    assert total == pytest.approx(((x - x.mean()) ** 2).sum())
    assert sum(anova.shares.values()) == pytest.approx(1.0)


def test_two_systems_under_hsd_are_the_paired_t_test() -> None:
    # q = t * sqrt 2 and the range of two normals is |difference|.
    x = RNG.random((12, 2))
    _, p = hsd(np.array([(x[:, 0] - x[:, 1]).mean()]), two_way(x))
    assert p[0] == pytest.approx(stats.ttest_rel(x[:, 0], x[:, 1]).pvalue, rel=1e-9)


@pytest.mark.parametrize(("groups", "df"), [(2, 1), (3, 14), (5, 10), (10, 120), (48, 1363), (4, np.inf)])
def test_the_studentised_range_agrees_with_scipys_integration(groups: int, df: float) -> None:
    q = np.array([0.0, 0.5, 2.0, 3.5, 5.0, 8.0])
    theirs = stats.studentized_range.sf(q, groups, df)
    assert studentized_range_upper(q, groups, df) == pytest.approx(theirs, abs=1e-10)
    critical = studentized_range_critical(0.05, groups, df)
    assert studentized_range_upper(np.array([critical]), groups, df)[0] == pytest.approx(0.05, abs=1e-12)


def test_an_infinite_range_has_the_smallest_p_that_is_resolved() -> None:
    assert studentized_range_upper(np.array([np.inf, 0.0]), 3, 10).tolist() == [RANGE_ACCURACY, 1.0]


def test_scores_that_add_up_exactly_leave_no_error() -> None:
    x = np.add.outer([0.1, 0.2, 0.4], [0.0, 0.3])
    anova = two_way(x)
    assert anova.mse == 0.0
    statistic, p = hsd(np.array([0.3, 0.0]), anova)
    assert statistic.tolist() == [np.inf, 0.0]
    assert p.tolist() == [RANGE_ACCURACY, 1.0]
    assert two_way(np.zeros((3, 2))).omega_squared == {"system": 0.0, "topic": 0.0}


def test_omega_squared_by_hand() -> None:
    # Means .2 and .4 over systems, topics .25 .35; the residuals are +-.05, all four.
    x = np.array([[0.2, 0.3], [0.2, 0.5]])
    anova = two_way(x)
    assert anova.system_squares == pytest.approx(0.04)
    assert anova.error_squares == pytest.approx(0.01)
    assert anova.omega_squared["system"] == pytest.approx((0.04 - 0.01) / (0.04 + 0.01 + 0.01 + 0.01))


def test_randomised_hsd_of_two_systems_is_the_sign_flip_test() -> None:
    x = RNG.random((30, 2)) + np.array([0.08, 0.0])
    flipped = sign_flip((x[:, :1] - x[:, 1:]), Flips.of(30, 20_000, 1))[0]
    randomised = randomized_hsd(x, (np.array([0]), np.array([1])), 20_000, 1)[0]
    assert randomised == pytest.approx(flipped, abs=5 * np.sqrt(2 * flipped / 20_000))


def test_randomised_hsd_agrees_with_all_permutations() -> None:
    x = np.array([[0.1, 0.2, 0.6], [0.2, 0.1, 0.5], [0.3, 0.3, 0.4], [0.0, 0.2, 0.3]])
    orders = [np.array([row[list(order)] for order in permutations(range(3))]) for row in x]
    ranges = [np.ptp(sum(orders[i][choice[i]] for i in range(4)) / 4) for choice in product(range(6), repeat=4)]
    differences = np.abs(x.mean(axis=0)[[0, 0, 1]] - x.mean(axis=0)[[1, 2, 2]])
    exact = [(np.array(ranges) >= d - 1e-12).mean() for d in differences]
    p = randomized_hsd(x, (np.array([0, 0, 1]), np.array([1, 2, 2])), 40_000, 9)
    assert p == pytest.approx(exact, abs=0.013)
