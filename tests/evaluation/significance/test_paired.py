"""t and Wilcoxon on columns of differences, against SciPy and by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from periti.evaluation.significance.distributions import SMALLEST
from periti.evaluation.significance.paired import Zeros, constant, t_test, wilcoxon, wins_ties_losses, without_noise

RNG = np.random.default_rng(7)
SMOOTH = RNG.normal(0.02, 0.1, (40, 6))
TIED = np.rint(RNG.normal(0.5, 2.0, (40, 6)))


def test_t_agrees_with_scipy_on_every_column() -> None:
    theirs = stats.ttest_1samp(SMOOTH, 0.0)
    ours = t_test(SMOOTH)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_t_without_variance_is_defined_and_never_zero() -> None:
    columns = np.stack([np.zeros(5), np.full(5, 0.1), np.full(5, -0.1)], axis=1)
    result = t_test(columns)
    assert result.statistic.tolist() == [0.0, np.inf, -np.inf]
    assert result.p.tolist() == [1.0, SMALLEST, SMALLEST]


def test_a_constant_difference_is_recognised_through_rounding() -> None:
    scores = RNG.random(50)
    shifted = (scores + 0.1) - scores
    assert len(set(shifted.tolist())) > 1
    assert constant(shifted[:, None]).tolist() == [True]
    assert t_test(shifted[:, None]).p.tolist() == [SMALLEST]


def test_rounding_noise_is_no_difference() -> None:
    assert without_noise(np.array([0.1 + 0.2 - 0.3, 1e-9])).tolist() == [0.0, 1e-9]


@pytest.mark.parametrize("columns", [SMOOTH, TIED, SMOOTH[:10], TIED[:10]], ids=["smooth", "tied", "few", "few tied"])
@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_wilcoxon_chooses_and_computes_as_scipy_does(
    columns: np.ndarray[tuple[int, int], np.dtype[np.float64]], zeros: Zeros
) -> None:
    theirs = [stats.wilcoxon(column, zero_method=zeros).pvalue for column in columns.T]
    assert wilcoxon(columns, zeros=zeros).p == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_wilcoxons_exact_distribution_is_that_of_all_signs(zeros: Zeros) -> None:
    column = np.array([0.0, 1.0, -1.0, 2.0, 2.0, 3.0, -4.0, 5.0])
    ranks = stats.rankdata(np.abs(column)) if zeros == "pratt" else np.append(0, stats.rankdata(np.abs(column[1:])))
    own = ranks[1:]
    observed = abs(own[column[1:] > 0].sum() - own.sum() / 2)
    sums = np.array([np.dot(choice, own) for choice in product((0, 1), repeat=7)])
    expected = (np.abs(sums - own.sum() / 2) >= observed).mean()
    assert wilcoxon(column[:, None], zeros=zeros, null="exact").p.tolist() == [expected]


def test_wilcoxon_of_identical_systems_is_one() -> None:
    for null in ("auto", "exact", "table", "normal"):
        assert wilcoxon(np.zeros((9, 1)), null=null).p.tolist() == [1.0]


def test_ties_that_only_rounding_hides_can_be_named() -> None:
    # .3 - .2 and .2 - .1 differ in the last bit.
    column = np.array([[0.3 - 0.2], [0.2 - 0.1], [-(0.5 - 0.4)], [0.4]])
    apart, together = (wilcoxon(column, null="exact", ties_within=share).statistic[0] for share in (0.0, 1e-9))
    assert apart != together
    # Three tied at rank 2, two of them positive, and rank 4.
    assert together == 2 + 2 + 4


def test_wins_ties_and_losses_are_counted() -> None:
    counts = wins_ties_losses(np.array([[1.0], [0.0], [-2.0], [3.0]]))
    assert [int(count[0]) for count in counts] == [2, 1, 1]
