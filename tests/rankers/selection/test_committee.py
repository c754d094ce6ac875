"""Multiwinner voting: by hand, and against all sets there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import ConfigError, InputError
from periti.rankers.selection import RULES, Profile, Quotas, elect, proportional
from periti.rankers.selection.profile import ADDITIVE


def keeps(chosen: Sequence[int], groups: Sequence[str], quotas: Quotas) -> bool:
    counts = {name: sum(groups[i] == name for i in chosen) for name in {*groups, *quotas.lower}}
    return all(quotas.lower.get(g, 0) <= n <= quotas.upper.get(g, n) for g, n in counts.items())


def best_of_all(profile: Profile, rule: str, groups: Sequence[str], quotas: Quotas) -> float:
    """The oracle: every set of the size that keeps the quotas."""
    sets = combinations(range(profile.items), quotas.size)
    return max(profile.score(rule, chosen) for chosen in sets if keeps(chosen, groups, quotas))


@st.composite
def elections(draw: st.DrawFn) -> tuple[Profile, list[str], Quotas]:
    """Up to 9 items, up to 4 lists that may be short, up to 3 groups, quotas that can be kept."""
    m = draw(st.integers(1, 9))
    orders = [draw(st.permutations(range(m)))[: draw(st.integers(0, m))] for _ in range(draw(st.integers(1, 4)))]
    groups = draw(st.lists(st.sampled_from("abc"), min_size=m, max_size=m))
    size = draw(st.integers(1, m))
    names = sorted(set(groups))
    kept = draw(st.permutations(range(m)))[:size]  # some set keeps the quotas, since they are drawn around it
    counts = {name: sum(groups[i] == name for i in kept) for name in names}
    lower = {name: draw(st.integers(0, counts[name])) for name in names}
    upper = {name: draw(st.integers(counts[name], m)) for name in names}
    profile = Profile.of_orders(orders, m)
    weights = np.array([draw(st.sampled_from([0.5, 1.0, 2.0])) for _ in orders])
    return Profile(profile.positions, weights), groups, Quotas(size, lower, upper)


# by hand


ORDERS = [[0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 2, 0], [0, 1, 3, 2]]


def test_scores_by_hand() -> None:
    profile = Profile.of_orders(ORDERS, 4)

    assert profile.score("sntv", [0, 3]) == 4  # three firsts of 0, one of 3
    assert profile.score("bloc", [0, 1]) == 3 + 3  # among the first two of 3 and of 3 lists
    assert profile.score("k-borda", [0, 1]) == (3 + 3 + 0 + 3) + (2 + 1 + 2 + 2)
    assert profile.score("cc", [0, 1]) == 3 + 3 + 2 + 3
    assert profile.score("cc", []) == 0


def test_each_rule_chooses_its_own_pair() -> None:
    profile, groups = Profile.of_orders(ORDERS, 4), ["g"] * 4

    chosen = {rule: elect(profile, rule, groups, Quotas(2)) for rule in RULES}

    assert chosen == {"sntv": [0, 3], "bloc": [0, 1], "k-borda": [0, 1], "cc": [0, 3]}


def test_items_that_a_list_lacks_share_the_points_that_are_left() -> None:
    # Of 4 items the list ranks one: it gets 3 points, the others (0 + 1 + 2) / 3 each.
    profile = Profile.of_orders([[2]], 4)

    np.testing.assert_array_equal(profile.points("k-borda", 1), [[1, 1, 3, 1]])
    np.testing.assert_array_equal(profile.points("bloc", 4), [[0, 0, 1, 0]])


def test_a_lower_quota_brings_in_the_best_of_its_group() -> None:
    profile, groups = Profile.of_orders([[0, 1, 2, 3, 4]], 5), ["a", "a", "a", "b", "b"]

    assert elect(profile, "k-borda", groups, Quotas(3)) == [0, 1, 2]
    assert elect(profile, "k-borda", groups, Quotas(3, lower={"b": 1})) == [0, 1, 3]
    assert elect(profile, "k-borda", groups, Quotas(3, upper={"a": 1})) == [0, 3, 4]


def test_a_heavier_list_decides() -> None:
    positions = Profile.of_orders([[0, 1], [1, 0]], 2).positions

    assert elect(Profile(positions, np.array([1.0, 2.0])), "sntv", ["g", "g"], Quotas(1)) == [1]
    assert elect(Profile(positions, np.array([2.0, 1.0])), "sntv", ["g", "g"], Quotas(1)) == [0]


def test_ties_go_to_borda_points_then_best_position_then_number() -> None:
    assert elect(Profile.of_orders([[0, 1, 2], [0, 2, 1], [0, 2, 1]], 3), "sntv", ["g"] * 3, Quotas(2)) == [0, 2]
    assert elect(Profile.of_orders([[1, 0], [0, 1]], 2), "k-borda", ["g"] * 2, Quotas(2)) == [0, 1]
    # All have two points; 1 is never first.
    assert elect(Profile.of_orders([[0, 1, 2], [2, 1, 0]], 3), "k-borda", ["g"] * 3, Quotas(3)) == [0, 2, 1]


def test_proportional_quotas_mirror_the_candidates() -> None:
    assert proportional(["a"] * 7 + ["b"] * 2 + ["c"], 5) == {"a": 3, "b": 1, "c": 0}


# against all sets


@settings(max_examples=150, deadline=None)
@given(elections())
def test_additive_rules_find_the_best_set_of_all(election: tuple[Profile, list[str], Quotas]) -> None:
    profile, groups, quotas = election
    for rule in ADDITIVE:
        chosen = elect(profile, rule, groups, quotas)

        assert len(set(chosen)) == quotas.size
        assert keeps(chosen, groups, quotas)
        assert profile.score(rule, chosen) == pytest.approx(best_of_all(profile, rule, groups, quotas))


@settings(max_examples=150, deadline=None)
@given(elections())
def test_greedy_chamberlin_courant_keeps_quotas_and_half_of_the_best(
    election: tuple[Profile, list[str], Quotas],
) -> None:
    profile, groups, quotas = election
    chosen = elect(profile, "cc", groups, quotas)
    best = best_of_all(profile, "cc", groups, quotas)
    free = best_of_all(profile, "cc", groups, Quotas(quotas.size))

    assert len(set(chosen)) == quotas.size
    assert keeps(chosen, groups, quotas)
    assert profile.score("cc", chosen) >= best / 2 - 1e-9
    without = elect(profile, "cc", groups, Quotas(quotas.size))
    assert profile.score("cc", without) >= (1 - 1 / np.e) * free - 1e-9


@pytest.mark.parametrize("rule", ADDITIVE)
def test_the_best_of_each_group_first_then_the_rest_is_the_same_set(rule: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        profile = Profile.of_orders([rng.permutation(10).tolist() for _ in range(3)], 10)
        groups = [str(g) for g in rng.choice(["a", "b"], 10)]
        lower = {name: min(2, groups.count(name)) for name in set(groups)}
        quotas = Quotas(5, lower, {"a": 4}).within(groups)

        worth = profile.points(rule, quotas.size).sum(axis=0)
        order = sorted(range(10), key=lambda i: -worth[i])
        first = [i for name, n in quotas.lower.items() for i in [i for i in order if groups[i] == name][:n]]
        for item in order:
            room = quotas.upper.get(groups[item], 10) - sum(groups[i] == groups[item] for i in first)
            if len(first) < quotas.size and item not in first and room > 0:
                first.append(item)

        assert profile.score(rule, elect(profile, rule, groups, quotas)) == profile.score(rule, first)


def test_renaming_items_renames_the_choice() -> None:
    profile = Profile.of_orders([[0, 1, 2, 3], [1, 0, 3, 2], [1, 2, 0, 3]], 4)
    for renamed in permutations(range(4)):
        other = Profile.of_orders([[renamed[i] for i in o] for o in ([0, 1, 2, 3], [1, 0, 3, 2], [1, 2, 0, 3])], 4)
        for rule in ("k-borda", "cc"):
            chosen = elect(profile, rule, ["g"] * 4, Quotas(1))
            assert elect(other, rule, ["g"] * 4, Quotas(1)) == [renamed[chosen[0]]]


# what can not be


@pytest.mark.parametrize(
    ("size", "lower", "upper", "message"),
    [
        (0, {}, {}, "size is 0"),
        (2, {"a": 3}, {}, "at least 3 and at most 2"),
        (3, {"a": 2, "b": 2}, {}, "sum to 4"),
        (3, {"a": 2}, {"a": 1}, "at least 2 and at most 1"),
        (3, {}, {"a": -1}, "negative"),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(
    size: int, lower: dict[str, int], upper: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Quotas(size, lower, upper)


def test_quotas_that_the_items_can_not_keep_are_refused_or_lowered() -> None:
    groups = ["a", "a", "b"]
    profile = Profile.of_orders([[0, 1, 2]], 3)

    with pytest.raises(InputError, match="2 of group 'b' are needed and 1 are there"):
        elect(profile, "k-borda", groups, Quotas(3, {"b": 2}))
    with pytest.raises(
        InputError, match="3 are to be chosen, but there are 3 items, of which the upper bounds allow 2"
    ):
        elect(profile, "k-borda", groups, Quotas(3, {}, {"a": 1}))
    with pytest.raises(InputError, match="2 groups were given for 3 items"):
        elect(profile, "k-borda", ["a", "b"], Quotas(1))
    assert elect(profile, "k-borda", groups, Quotas(3, {"b": 2}, {"a": 1}).within(groups)) == [0, 2]


def test_profiles_and_rules_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match=r"positions 1\.\.n once each"):
        Profile(np.array([[1, 1, 2]]), np.ones(1))
    with pytest.raises(InputError, match="give positive numbers"):
        Profile(np.array([[1, 2]]), np.zeros(1))
    with pytest.raises(InputError, match="a weight a list"):
        Profile(np.array([[1, 2]]), np.ones(2))
    with pytest.raises(ConfigError, match="rule is 'borda'; did you mean 'k-borda'"):
        elect(Profile.of_orders([[0]], 1), "borda", ["g"], Quotas(1))
