"""Corrections: known values, and what holds for every family of p-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.evaluation.significance.corrections import CORRECTIONS, of_family

FAMILIES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).map(np.array)
NAMES = sorted(CORRECTIONS)


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        ("none", [0.01, 0.04, 0.03, 0.005]),
        ("bonferroni", [0.04, 0.16, 0.12, 0.02]),
        # ascending .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, running maximum .02 .03 .06 .06
        ("holm", [0.03, 0.06, 0.06, 0.02]),
        # the same products, running minimum from above: .02 .03 .04 .04
        ("hochberg", [0.03, 0.04, 0.04, 0.02]),
        # times 4/1 4/2 4/3 4/4: .02 .02 .04 .04
        ("bh", [0.02, 0.04, 0.04, 0.02]),
        # times 1 + 1/2 + 1/3 + 1/4 = 25/12
        ("by", [0.02 * 25 / 12, 0.04 * 25 / 12, 0.04 * 25 / 12, 0.02 * 25 / 12]),
    ],
)
def test_a_family_worked_out_by_hand(correction: str, expected: list[float]) -> None:
    assert of_family(np.array([0.01, 0.04, 0.03, 0.005]), correction) == pytest.approx(expected)


@pytest.mark.parametrize("correction", NAMES)
@given(p=FAMILIES)
def test_adjusted_values_keep_the_order_never_fall_below_p_and_never_exceed_one(
    correction: str, p: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    before = p.copy()
    adjusted = of_family(p, correction)
    order = np.argsort(p, kind="stable")
    assert (p == before).all()
    assert (adjusted >= p).all()
    assert (adjusted <= 1.0).all()
    assert (np.diff(adjusted[order]) >= 0).all()


@given(p=FAMILIES, seed=st.integers(0, 100))
def test_the_order_of_a_family_changes_nothing(p: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(len(p))
    for correction in NAMES:
        assert (of_family(p, correction)[shuffled] == of_family(p[shuffled], correction)).all()


@given(p=FAMILIES)
def test_sharper_corrections_never_give_larger_values(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    by = {name: of_family(p, name) for name in NAMES}
    for sharper, blunter in (
        ("none", "bh"),
        ("bh", "hochberg"),
        ("hochberg", "holm"),
        ("holm", "bonferroni"),
        ("bh", "by"),
    ):
        assert (by[sharper] <= by[blunter] * (1 + 1e-12)).all()


def test_nan_counts_as_one_and_stays_in_the_family() -> None:
    assert of_family(np.array([0.02, np.nan]), "bonferroni").tolist() == [0.04, 1.0]


@pytest.mark.parametrize("p", [-0.1, 1.5, np.inf])
def test_a_number_that_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(InputError, match="give numbers from 0 to 1"):
        of_family(np.array([0.5, p]), "holm")


def test_an_unknown_correction_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(InputError, match="did you mean 'holm'"):
        of_family(np.array([0.5]), "holms")
