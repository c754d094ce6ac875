"""Stopping: bounds by enumeration, and that a rule errs no more often than it says."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.screening.feedback import Screening, State
from periti.screening.stopping import Target, estimated, expected, most_left, sampled

RNG = np.random.default_rng(0)


def bound_by_hand(drawn: int, found: int, total: int, alpha: Fraction, rare: int) -> int:
    """The definition in exact fractions: the beta-binomial with a = 1 is a product."""
    prior = Fraction(comb(drawn, found))
    for step in range(found):
        prior *= step + 1
    for step in range(drawn - found):
        prior *= rare + step
    for step in range(drawn):
        prior /= 1 + rare + step
    kept = [
        included
        for included in range(found, total - drawn + found + 1)
        if Fraction(comb(included, found) * comb(total - included, drawn - found), comb(total, drawn)) > alpha * prior
    ]
    return max(kept)


@given(st.data())
def test_the_bound_is_the_definition(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 40))
    drawn = data.draw(st.integers(0, total))
    found = data.draw(st.integers(0, drawn))

    assert most_left(drawn, found, total, 0.05, 19.0) == bound_by_hand(drawn, found, total, Fraction(1, 20), 19)


def test_the_bound_begins_at_everything_and_ends_at_the_truth() -> None:
    assert most_left(0, 0, 30, 0.05) == 30
    assert most_left(30, 4, 30, 0.05) == 4


@pytest.mark.parametrize("included", [0, 1, 3, 10, 25])
@pytest.mark.parametrize("rare", [1.0, 19.0])
def test_the_bound_holds_at_all_moments_at_once(included: int, rare: float) -> None:
    """2,000 shuffled tails: the share in which the bound ever fell below the truth is at most alpha, and noise."""
    total, alpha, tries = 40, 0.1, 2_000
    rng = np.random.default_rng(included)
    bounds = {
        (drawn, found): most_left(drawn, found, total, alpha, rare)
        for drawn in range(total + 1)
        for found in range(max(0, drawn - total + included), min(drawn, included) + 1)
    }
    wrong = 0
    for _ in range(tries):
        found = np.cumsum(rng.permutation(np.arange(total) < included))
        wrong += any(bounds[drawn, int(found[drawn - 1])] < included for drawn in range(1, total + 1))

    assert wrong / tries <= alpha + 3 * (alpha * (1 - alpha) / tries) ** 0.5


def screening(relevant: list[int], states: list[State]) -> tuple[Screening, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return Screening(np.arange(len(relevant)), tuple(states)), np.array(relevant, np.bool_)


def test_expected_stops_where_the_believed_recall_less_its_doubt_reaches_the_target() -> None:
    read, relevant = screening(
        [1, 1, 1, 0, 0, 1, 0, 0],
        [State(2, 2, 2.0, 0.5), State(4, 3, 0.2, 0.15), State(6, 4, 0.01, 0.001), State(8, 4, 0.0, 0.0)],
    )

    # 3 / 3.2 is above .9, but not 3 / (3.2 + 1.645 * .387).
    assert estimated(read.states[1]) == pytest.approx(0.9375)
    stop = expected(read, relevant, Target(0.9, 0.05), RNG)

    assert (stop.read, stop.recall) == (6, 1.0)
    assert expected(read, relevant, Target(0.9, 0.5), RNG).read == 4, "half the doubt is none"
    assert expected(read, relevant, Target(0.9, 0.5), RNG).recall == 0.75


def test_a_classifier_that_expects_nothing_errs_and_the_sample_does_not() -> None:
    """The worst case: the ranking found half and believes that nothing is left."""
    relevant = [1] * 20 + [0] * 20 + [1] * 20 + [0] * 140
    states = [State(40, 20, 0.0, 0.0), State(200, 40, 0.0, 0.0)]
    read, grades = screening(relevant, states)
    target = Target(0.8, 0.1)

    assert expected(read, grades, target, RNG).recall == 0.5
    stops = [sampled(read, grades, target, np.random.default_rng(seed)) for seed in range(400)]
    missed = np.mean([stop.recall < target.recall for stop in stops])
    assert missed <= 0.1 + 3 * (0.1 * 0.9 / 400) ** 0.5
    assert np.mean([stop.read for stop in stops]) < 200, "and does not read everything"


def test_sampled_reads_little_where_little_is_left_out() -> None:
    relevant = [1] * 60 + [0] * 440
    read, grades = screening(relevant, [State(80, 60, 0.5, 0.4), State(500, 60, 0.0, 0.0)])

    stops = [sampled(read, grades, Target(0.8, 0.05), np.random.default_rng(seed)) for seed in range(20)]

    assert all(stop.recall == 1.0 for stop in stops)
    assert all(80 < stop.read < 300 for stop in stops)


def test_a_topic_with_nothing_to_find_is_read_whole() -> None:
    read, grades = screening([0] * 20, [State(10, 0, 0.1, 0.1), State(20, 0, 0.0, 0.0)])

    for rule in (expected, sampled):
        stop = rule(read, grades, Target(), np.random.default_rng(0))
        assert (stop.read, stop.recall) == (20, 1.0)


def test_a_target_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="target recall is 0"):
        Target(0.0)
    with pytest.raises(InputError, match="with error 1"):
        Target(0.9, 1.0)
