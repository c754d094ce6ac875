"""Places and tied groups."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from periti.evaluation.significance.tiers import places


def all_pairs(names: str, *significant: str) -> dict[tuple[str, str], bool]:
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return {(a, b): a + b in significant for a, b in pairs}


def test_nothing_significant_is_one_group_and_no_winner() -> None:
    found = places("xyz", all_pairs("xyz"))
    assert [(p.best, p.worst, p.groups) for p in found] == [(1, 3, "a")] * 3


def test_everything_significant_is_a_bare_ranking() -> None:
    found = places("xyz", all_pairs("xyz", "xy", "xz", "yz"))
    assert [(p.best, p.worst, p.groups) for p in found] == [(1, 1, "a"), (2, 2, "b"), (3, 3, "c")]


def test_overlapping_groups_share_their_middle() -> None:
    found = places("wxyz", all_pairs("wxyz", "wz", "wy"))
    assert [(p.best, p.worst, p.groups) for p in found] == [(1, 2, "a"), (1, 4, "a b"), (2, 4, "b"), (2, 4, "b")]


def test_a_significant_pair_inside_splits_a_stretch_even_if_its_ends_are_tied() -> None:
    found = places("xyz", all_pairs("xyz", "xy"))
    assert [p.groups for p in found] == ["a", "b", "b"]


@given(count=st.integers(1, 30), bits=st.integers(0, 2**60))
def test_every_system_has_a_place_and_no_group_holds_a_significant_pair(count: int, bits: int) -> None:
    names = [f"s{i:02}" for i in range(count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    significant = {pair: bool(bits >> (number % 60) & 1) for number, pair in enumerate(pairs)}
    found = places(names, significant)
    assert all(1 <= p.best <= p.worst <= count and p.groups for p in found)
    for (a, b), differ in significant.items():
        shared = set(found[names.index(a)].groups.split()) & set(found[names.index(b)].groups.split())
        assert not (differ and shared)
