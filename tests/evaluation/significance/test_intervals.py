"""Intervals: t by SciPy, BCa to the digit of SciPy's on the same resamples, and what degenerate differences give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from periti.evaluation.significance.intervals import bca_intervals, resamples, t_intervals

RNG = np.random.default_rng(5)
SKEWED = np.stack([RNG.exponential(0.1, 25) - 0.05, -RNG.exponential(0.2, 25), RNG.normal(0, 0.1, 25)], axis=1)


def test_bca_is_scipys_on_the_same_resamples() -> None:
    # SciPy draws as `resamples` does; what remains is the grid of 2^-40.
    low, high = bca_intervals(SKEWED, resamples(25, 2000, 4), 0.95)
    for column, own_low, own_high in zip(SKEWED.T, low, high, strict=True):
        theirs = stats.bootstrap(
            (column,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(4), confidence_level=0.95
        ).confidence_interval
        assert (own_low, own_high) == pytest.approx((theirs.low, theirs.high), abs=1e-10)


def test_the_t_interval_is_scipys() -> None:
    low, high = t_intervals(SKEWED, 0.9)
    theirs = stats.ttest_1samp(SKEWED, 0.0).confidence_interval(0.9)
    assert low == pytest.approx(theirs.low)
    assert high == pytest.approx(theirs.high)


def test_equal_differences_have_no_width() -> None:
    columns = np.stack([np.zeros(6), np.full(6, 0.25)], axis=1)
    low, high = bca_intervals(columns, resamples(6, 200, 1), 0.95)
    assert low.tolist() == high.tolist() == [0.0, 0.25]


def test_a_pairs_interval_hangs_on_no_other_pair() -> None:
    columns = RNG.normal(0, 0.1, (20, 150))
    drawn = resamples(20, 500, 1)
    low, high = bca_intervals(columns, drawn, 0.95)
    alone = bca_intervals(columns[:, 140:141], drawn, 0.95)
    assert (alone[0][0], alone[1][0]) == (low[140], high[140])


def test_the_interval_of_the_reversed_difference_is_the_mirror_image() -> None:
    drawn = resamples(25, 999, 2)
    low, high = bca_intervals(SKEWED, drawn, 0.95)
    mirrored_low, mirrored_high = bca_intervals(-SKEWED, drawn, 0.95)
    assert mirrored_low == pytest.approx(-high, abs=1e-9)
    assert mirrored_high == pytest.approx(-low, abs=1e-9)
