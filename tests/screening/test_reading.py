"""One reader: the order of a simulation, going back, and what random draws prove."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.screening.feedback import Screener, simulate
from periti.screening.reading import Decisions, Draw, Reading
from periti.screening.stopping import Target, most_left
from periti.screening.topics import Topic
from tests.screening.making import made

TOPIC = made("heart", 60)
RELEVANT = TOPIC.relevant().tolist()


def reading(topic: Topic = TOPIC) -> Reading:
    return Reading(Screener.of(topic, topic.meaning))


def read_all(reading: Reading, draw: Draw | None = None, decided: Decisions | None = None) -> Iterator[dict[int, bool]]:
    """Every state of a reader who always judges what comes next, rightly; the last with nothing left."""
    own = dict(decided or {})
    while True:
        yield dict(own)
        left = reading.order(own, draw)
        if not len(left):
            return
        own[int(left[0])] = RELEVANT[int(left[0])]


def test_a_reader_who_judges_rightly_reads_in_the_order_of_the_simulation() -> None:
    simulated = simulate(Screener.of(TOPIC, TOPIC.meaning), TOPIC.relevant())
    states = list(read_all(reading()))

    assert list(states[-1]) == simulated.order.tolist()
    for state in simulated.states:
        assert reading().state(states[state.read]) == state


def test_the_order_is_learned_after_a_batch_and_not_within_it() -> None:
    one = reading()
    states = list(read_all(one))

    assert one.ends[:2] == (10, 21)
    assert [one.learned_from(states[n]) for n in (0, 9, 10, 20, 21)] == [0, 0, 10, 10, 21]
    within = one.order(states[10]).tolist()
    for judged in range(10, 21):
        assert one.order(states[judged]).tolist() == within[judged - 10 :]
    assert one.order(states[21]).tolist() != within[11:]
    assert one.state(states[9]) is None


@given(judged=st.integers(0, 59), wrong=st.integers(1, 30))
@settings(max_examples=15, deadline=None)
def test_taking_decisions_back_gives_the_order_that_was(judged: int, wrong: int) -> None:
    """The fit of a later batch must not be left behind; a fresh reader knows nothing of what was taken back."""
    used = reading()
    states = list(read_all(used))
    astray = states[judged] | dict.fromkeys(used.order(states[judged])[:wrong].tolist(), True)
    used.order(astray)

    np.testing.assert_array_equal(used.order(states[judged]), reading().order(states[judged]))


def test_a_correction_is_learned_from_where_the_first_decision_stood() -> None:
    states = list(read_all(reading()))
    first = next(iter(states[10]))
    corrected = states[10] | {first: not states[10][first]}

    assert list(corrected) == list(states[10])
    assert reading().order(corrected).tolist() != reading().order(states[10]).tolist()


def test_when_everything_is_judged_nothing_is_left_to_believe() -> None:
    state = reading().state(list(read_all(reading()))[-1])

    assert state is not None
    assert (state.read, state.found, state.expected, state.variance) == (60, sum(RELEVANT), 0.0, 0.0)


def test_a_topic_smaller_than_a_batch_is_read_by_the_first_order() -> None:
    small = made("skin", 3)
    one = reading(small)

    assert one.ends == ()
    assert one.order({}).tolist() == small.order(small.meaning).tolist()
    assert one.state({0: True}) is None


def test_draws_follow_the_seed_and_not_the_classifier_and_prove_the_bound_of_the_stopping_rule() -> None:
    one, target = reading(), Target()
    before = list(read_all(one))[15]
    draw = Draw(15, seed=4)
    order = one.order(before, draw).tolist()
    assert sorted(order) == sorted(set(range(60)) - set(before))
    assert order != one.order(before, Draw(15, seed=5)).tolist()
    assert order != one.order(before).tolist()

    for decided in read_all(one, draw, before):
        drawn = one.drawn(decided, draw, target)
        told = order[: len(decided) - 15]
        found = sum(RELEVANT[place] for place in told)
        most = most_left(len(told), found, 45, target.alpha)
        assert (drawn.total, drawn.read, drawn.found, drawn.most, drawn.error) == (45, len(told), found, most, 0.05)
        total = sum(before.values()) + most
        assert drawn.recall == pytest.approx(sum(decided.values()) / total if total else 1.0)
    assert drawn.recall == 1.0


def test_what_is_judged_out_of_turn_is_found_but_proves_nothing_before_its_turn() -> None:
    one, target = reading(), Target()
    before = list(read_all(one))[15]
    draw = Draw(15, seed=4)
    order = one.order(before, draw).tolist()
    chosen = next(place for place in order[5:] if RELEVANT[place])
    ahead = before | {chosen: True}

    drawn = one.drawn(ahead, draw, target)

    assert (drawn.read, drawn.found) == (0, 0)
    assert drawn.recall > one.drawn(before, draw, target).recall
    assert one.order(ahead, draw).tolist() == [place for place in order if place != chosen]
    reached = order.index(chosen)
    for place in order[:reached]:
        ahead[place] = RELEVANT[place]
    # Its turn has come: it counts as drawn.
    assert one.drawn(ahead, draw, target).read == reached + 1


def test_the_proof_errs_no_more_often_than_it_says() -> None:
    """Over many draws of a rest with included ones in it, at the worst moment of each."""
    one, target = reading(), Target(alpha=0.2)
    before = {place: RELEVANT[place] for place in TOPIC.order(TOPIC.places)[:15].tolist()}
    truth = sum(RELEVANT)
    wrong = 0
    for seed in range(80):
        draw = Draw(15, seed)
        wrong += any(
            one.drawn(decided, draw, target).recall > sum(decided.values()) / truth
            for decided in read_all(one, draw, before)
        )

    assert 0 < wrong <= 80 * 0.2
