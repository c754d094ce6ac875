"""Splits by hash: the same for ever, near their shares, and independent of what else is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.datasets.splits import hash_split, split_queries
from periti.errors import InputError
from periti.types import Queries

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}


def test_the_split_of_a_query_is_the_same_for_ever() -> None:
    # By sha256sum on "0<TAB>id": the first eight hex digits over 2**32 are 0.593, 0.268, 0.300 and 0.239.
    shares = {"low": 0.25, "middle": 0.3, "high": 0.45}
    assert [hash_split(one, shares) for one in ("q1", "q2", "q3", "q4")] == ["high", "middle", "middle", "low"]


@given(st.lists(st.text(min_size=1, max_size=4), unique=True, min_size=1), st.integers(0, 9))
def test_every_query_is_in_exactly_one_split_whatever_the_others_are(ids: list[str], seed: int) -> None:
    queries = Queries.from_pairs((one, "text") for one in ids)
    parts = split_queries(queries, SHARES, seed=seed)
    assert sorted(one for part in parts.values() for one in part.ids) == sorted(ids)
    assert ids[0] in parts[hash_split(ids[0], SHARES, seed=seed)].ids


def test_the_shares_are_met_and_the_seed_matters() -> None:
    ids = [f"query-{number}" for number in range(2000)]
    found = [hash_split(one, SHARES) for one in ids]
    # Three standard deviations of a binomial with n=2000, p=0.6 are 66.
    assert abs(found.count("train") - 1200) < 66
    assert found != [hash_split(one, SHARES, seed=1) for one in ids]


def test_a_share_of_nought_gets_nothing() -> None:
    shares = {"train": 1.0, "test": 0.0}
    assert {hash_split(str(number), shares) for number in range(100)} == {"train"}


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_do_not_sum_to_one_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InputError, match="do not sum to 1"):
        hash_split("q", shares)
