"""Friedman and Nemenyi over collections."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from periti.errors import InputError
from periti.evaluation.significance import Design, compare
from periti.evaluation.significance.friedman import friedman

from .toy import table

MEANS = np.array([[0.3, 0.5, 0.4], [0.2, 0.6, 0.6], [0.1, 0.4, 0.3], [0.5, 0.4, 0.6], [0.2, 0.3, 0.1]])
NAMES = ["c1", "c2", "c3", "c4", "c5"]


def test_friedmans_statistic_is_scipys_with_ties() -> None:
    over = friedman(MEANS, "AP", NAMES, ["x", "y", "z"], 0.05)
    theirs = stats.friedmanchisquare(*MEANS.T)
    assert (over.chi_square, over.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_mean_ranks_by_hand_and_systems_by_rank() -> None:
    # y: 1, 1.5, 1, 3, 1 = 7.5; z: 2, 1.5, 2, 1, 3 = 9.5; x: 3, 3, 3, 2, 2 = 13
    over = friedman(MEANS, "AP", NAMES, ["x", "y", "z"], 0.05)
    assert over.systems == ("y", "z", "x")
    assert over.mean_ranks == pytest.approx((1.5, 1.9, 2.6))


def test_nemenyis_critical_difference_is_the_published_one() -> None:
    # Demsar 2006: q.05 = 2.343 for three classifiers; CD = q sqrt(k (k + 1) / 6N).
    over = friedman(MEANS, "AP", NAMES, ["x", "y", "z"], 0.05)
    assert over.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 5)), abs=1e-3)
    assert min(over.pairs.values()) > 0.05


def test_collections_that_agree_perfectly_have_a_p_above_zero() -> None:
    over = friedman(np.tile([0.1, 0.2], (4, 1)), "AP", NAMES[:4], ["x", "y"], 0.05)
    assert over.chi_square == pytest.approx(4.0)
    assert 0 < over.f_p < 1e-100


def test_identical_systems_differ_nowhere() -> None:
    over = friedman(np.full((3, 2), 0.5), "AP", NAMES[:3], ["x", "y"], 0.05)
    assert (over.chi_square, over.p, over.f_p) == (0.0, 1.0, 1.0)
    assert list(over.pairs.values()) == [1.0]


def test_one_collection_is_refused() -> None:
    with pytest.raises(InputError, match="1 collections"):
        friedman(MEANS[:1], "AP", NAMES[:1], ["x", "y", "z"], 0.05)


def test_a_study_of_several_collections_adds_it_for_measures_that_all_have() -> None:
    from dataclasses import replace

    rng = np.random.default_rng(1)
    one = table(x=rng.random(12), y=rng.random(12))
    two = replace(table(x=rng.random(9), y=rng.random(9)), collection="other")
    study = compare([one, two], Design(bootstrap=0))
    assert [over.collections for over in study.over_collections] == [("scores", "other")]
    assert compare([one], Design(bootstrap=0)).over_collections == ()
