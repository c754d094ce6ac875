"""Correlations between orders of systems: the reference's toy, ties by enumeration, bad input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations, product
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import InputError
from periti.evaluation.correlation import kendall_tau_b, max_drop, rbo, significant_swaps, tau_ap

# Systems A to E: gold order A B C D E, estimated order B A C E D.
GOLD, ESTIMATED = [5.0, 4.0, 3.0, 2.0, 1.0], [4.0, 5.0, 3.0, 1.0, 2.0]
SCORES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=4)


def broken(scores: list[int]) -> list[list[float]]:
    """Every score vector without ties that keeps the order of those that differ."""
    orders = permutations(range(len(scores)))
    kept = [o for o in orders if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    return [[float(-order.index(i)) for i in range(len(scores))] for order in kept]


def groups(scores: Sequence[float]) -> list[list[str]]:
    """Names by score, best first, ties in one group."""
    levels = sorted(set(scores), reverse=True)
    return [[str(i) for i, score in enumerate(scores) if score == level] for level in levels]


def test_the_toy_ranking_of_systems_has_the_references_values() -> None:
    assert kendall_tau_b(GOLD, ESTIMATED) == pytest.approx(0.6, abs=1e-12)
    assert tau_ap(GOLD, ESTIMATED) == pytest.approx(0.375, abs=1e-12)
    assert rbo("ABCDE", "BACED", 0.9) == pytest.approx(0.881775, abs=1e-12)


def test_tau_b_with_ties_counts_only_pairs_that_a_side_orders() -> None:
    # Pairs ab tied left; ac, bc concordant; 2 of left's 2 and right's 3 untied pairs: 2 / sqrt(2 * 3)
    assert kendall_tau_b([2, 2, 1], [3, 2, 1]) == pytest.approx(2 / 6**0.5)


def test_tau_b_of_a_side_without_order_is_not_a_number() -> None:
    assert isnan(kendall_tau_b([1, 1, 1], [1, 2, 3]))


@settings(deadline=None, max_examples=30)
@given(SCORES)
def test_tau_ap_of_ties_is_the_mean_over_every_way_to_break_them(pairs: list[tuple[int, int]]) -> None:
    gold, estimated = [list(side) for side in zip(*pairs, strict=True)]
    values = [tau_ap(a, b) for a, b in product(broken(gold), broken(estimated))]
    assert tau_ap(gold, estimated) == pytest.approx(float(np.mean(values)), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(SCORES)
def test_overlap_of_random_ties_is_the_mean_over_every_way_to_break_them(pairs: list[tuple[int, int]]) -> None:
    first, second = [list(side) for side in zip(*pairs, strict=True)]
    orders = [[groups(vector) for vector in broken(scores)] for scores in (first, second)]
    values = [rbo(a, b, 0.8) for a, b in product(*orders)]
    assert rbo(groups(first), groups(second), 0.8) == pytest.approx(float(np.mean(values)), abs=1e-9)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_ranking_with_ties_agrees_fully_with_itself_when_ties_are_information(scores: list[int]) -> None:
    assert rbo(groups(scores), groups(scores), ties="information") == pytest.approx(1.0)


def test_overlap_of_lists_of_unequal_length_follows_equation_32() -> None:
    # X = 1 at depths 1 to 3 of the list a c d against a: agreement stays 1 + what a, extrapolated, would have:
    # depth 1: 1; depth 2: (1 + 1 * 1) / 2 = 1; depth 3: (1 + 2) / 3 = 1
    assert rbo(["a"], ["a", "c", "d"], 0.5) == pytest.approx(1.0)
    # a b against b: overlaps 0, 1: depth 1: 0; depth 2: (1 + 0) / 2; .5 * .5 weight (1-p)/p p^2 = .25, and p^2 = .25
    assert rbo(["a", "b"], ["b"], 0.5) == pytest.approx(0.5 * 0.25 + 0.5 * 0.25)


def test_lists_without_a_common_item_overlap_nothing() -> None:
    assert rbo(["a", "b"], ["c", "d"]) == 0.0


def test_swaps_are_counted_among_significant_pairs_only() -> None:
    significant = np.zeros((5, 5), dtype=np.bool_)
    significant[0, 1] = significant[0, 4] = significant[4, 3] = True
    assert significant_swaps(GOLD, ESTIMATED, significant) == (2, 3)


def test_a_pair_tied_by_the_estimate_is_not_swapped() -> None:
    assert significant_swaps([2, 1], [1, 1], np.ones((2, 2), dtype=np.bool_)) == (0, 1)


def test_the_greatest_fall_counts_places() -> None:
    assert max_drop([5, 4, 3, 2, 1], [1, 5, 4, 3, 2]) == 4
    assert max_drop(GOLD, GOLD) == 0
    # Both tie for place 1 in gold; the second falls to place 2.
    assert max_drop([1, 1], [2, 1]) == 1


@pytest.mark.parametrize(("x", "y"), [([1], [1]), ([1, 2], [1, 2, 3]), ([1, float("nan")], [1, 2])])
def test_vectors_that_are_not_scores_of_the_same_systems_are_refused(x: list[float], y: list[float]) -> None:
    for function in (kendall_tau_b, tau_ap, max_drop):
        with pytest.raises(InputError):
            function(x, y)


@pytest.mark.parametrize(
    ("first", "second", "p", "ties", "reason"),
    [
        ([], ["a"], 0.9, "random", "first ranking is empty"),
        (["a"], ["b", "b"], 0.9, "random", "second ranking holds 'b' twice"),
        (["a"], ["a"], 1.0, "random", "between 0 and 1"),
        (["a"], ["a", "b"], 0.9, "information", "equal lengths"),
    ],
)
def test_rankings_that_can_not_be_compared_are_refused(
    first: list[str], second: list[str], p: float, ties: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        rbo(first, second, p, ties=ties)  # type: ignore[arg-type]


def test_significance_of_other_systems_is_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        significant_swaps([1, 2], [1, 2], np.zeros((3, 3), dtype=np.bool_))
