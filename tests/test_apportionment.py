"""Places divided by shares: by hand, and what every division keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.apportionment import largest_remainder, turns
from periti.errors import InputError


def test_the_largest_remainders_get_the_places_that_are_left() -> None:
    # 4.16, 2.6, 3.24 of 10: whole 4, 2, 3; the place left goes to .6
    assert largest_remainder(np.array([0.416, 0.26, 0.324]), 10).tolist() == [4, 3, 3]


def test_equal_remainders_go_to_the_larger_share_then_to_the_earlier() -> None:
    assert largest_remainder(np.array([1.0, 1.0]), 3).tolist() == [2, 1]
    assert largest_remainder(np.array([1.0, 3.0]), 2).tolist() == [0, 2]  # 0.5 and 1.5


def test_whole_parts_are_not_lost_to_binary_fractions() -> None:
    assert largest_remainder(np.array([0.29, 0.71]), 100).tolist() == [29, 71]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.integers(0, 500))
def test_all_places_are_given_out_and_nobody_is_a_whole_place_off(shares: list[float], places: int) -> None:
    if not any(shares):
        with pytest.raises(InputError, match="one of them positive"):
            largest_remainder(np.array(shares), places)
        return
    counts = largest_remainder(np.array(shares), places)

    assert counts.sum() == places
    exact = np.array(shares) / sum(shares) * places
    assert (np.abs(counts - exact) < 1 + 1e-6).all()


@pytest.mark.parametrize("shares", [[], [0.0, 0.0], [-1.0, 2.0], [np.nan], [np.inf]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(InputError, match="give numbers of at least 0"):
        largest_remainder(np.array(shares), 3)


def test_a_negative_number_of_places_is_refused() -> None:
    with pytest.raises(InputError, match="-1 places"):
        largest_remainder(np.array([1.0]), -1)


def test_turns_alternate_in_proportion() -> None:
    # Times: a 1/8, 3/8, 5/8, 7/8; b 1/4, 3/4
    assert turns(np.array([4, 2])).tolist() == [0, 1, 0, 0, 1, 0]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_every_beginning_of_the_turns_is_near_proportion(quotas: list[int]) -> None:
    order = turns(np.array(quotas, np.int64))

    assert np.bincount(order, minlength=len(quotas)).tolist() == quotas
    for end in range(len(order)):
        had = np.bincount(order[:end], minlength=len(quotas))
        assert (np.abs(had - np.array(quotas) * end / max(1, len(order))) <= len(quotas)).all()
