"""Standardised effects, power and equivalence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from periti.errors import InputError
from periti.evaluation.significance.distributions import SMALLEST, t_power
from periti.evaluation.significance.effects import (
    MOST_TOPICS,
    d_z,
    detectable_d_z,
    equivalence_p,
    hedges,
    topics_needed,
)


def test_d_z_of_no_variance_is_zero_or_undefined() -> None:
    found = d_z(np.stack([np.zeros(4), np.full(4, 0.1), np.array([0.1, 0.2, 0.3, 0.2])], axis=1))
    assert found[0] == 0.0
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(0.2 / np.std([0.1, 0.2, 0.3, 0.2], ddof=1))


def test_hedges_factor_by_hand() -> None:
    assert hedges(8) == 1 - 3 / 27


def test_power_is_that_of_the_noncentral_t() -> None:
    shift, n = 0.4, 30
    critical = stats.t.isf(0.025, n - 1)
    expected = stats.nct.sf(critical, n - 1, shift * n**0.5) + stats.nct.cdf(-critical, n - 1, shift * n**0.5)
    assert t_power(np.array(shift), np.array(float(n)), 0.05) == pytest.approx(expected, rel=1e-9)


@given(effect=st.floats(0.02, 3.0), alpha=st.sampled_from([0.01, 0.05, 0.1]))
@settings(max_examples=50)
def test_the_topics_needed_are_enough_and_one_fewer_is_not(effect: float, alpha: float) -> None:
    n = float(topics_needed(np.array([effect]), alpha)[0])
    assert t_power(np.array(effect), np.array(n), alpha) >= 0.8
    assert n == 2 or t_power(np.array(effect), np.array(n - 1), alpha) < 0.8


def test_topics_needed_for_nothing_and_for_next_to_nothing() -> None:
    assert topics_needed(np.array([0.0, np.nan, 1e-9, -0.5]), 0.05).tolist() == [0, 0, MOST_TOPICS, 34]


def test_detectable_effect_and_topics_needed_are_each_others_inverse() -> None:
    for n in (5, 30, 100):
        assert topics_needed(np.array([detectable_d_z(n, 0.05) + 1e-6]), 0.05).tolist() == [n]


def test_equivalence_is_two_one_sided_t_tests() -> None:
    differences = np.random.default_rng(2).normal(0.01, 0.05, (40, 1))
    lower = stats.ttest_1samp(differences[:, 0], -0.03, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences[:, 0], 0.03, alternative="less").pvalue
    assert equivalence_p(differences, 0.03)[0] == pytest.approx(max(lower, upper), rel=1e-9)


def test_equivalence_without_variance_is_within_the_margin_or_not() -> None:
    columns = np.stack([np.zeros(5), np.full(5, 0.05), np.full(5, -0.2)], axis=1)
    assert equivalence_p(columns, 0.1).tolist() == [SMALLEST, SMALLEST, 1.0]


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(InputError, match="declare a difference above 0"):
        equivalence_p(np.zeros((3, 1)), margin)
