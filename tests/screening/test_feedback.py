"""Learning from the reviewer: the regression by hand, and that no judgement is used before its document was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import InputError
from periti.screening.feedback import Screener, simulate, sizes
from periti.screening.logistic import fit
from periti.screening.topics import Topic
from tests.screening.making import made


def screener(topic: Topic) -> Screener:
    return Screener.of(topic, topic.meaning)


@given(seed=st.integers(0, 10_000), penalty=st.sampled_from([0.01, 0.3, 5.0]), size=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_regression_is_where_its_gradient_is_zero(seed: int, penalty: float, size: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((size, 4))
    kernel, labels, prior = points @ points.T, rng.random(size) < 0.3, 2.0 * rng.standard_normal(size)

    fitted = fit(kernel, labels, prior, penalty)

    chance = 1.0 / (1.0 + np.exp(-fitted(kernel, prior)))
    np.testing.assert_allclose(kernel @ (chance - labels + penalty * fitted.weights), 0.0, atol=1e-4)
    assert (chance - labels).sum() + 1e-2 * fitted.bias == pytest.approx(0.0, abs=1e-4)


def test_the_regression_agrees_with_scikit_learn() -> None:
    """Without a prior it is plain L2-penalised logistic regression with C = 1 / penalty."""
    from periti.retrievers.routing.learners import logistic

    rng = np.random.default_rng(3)
    points = rng.standard_normal((60, 3))
    labels = points[:, 0] + 0.5 * rng.standard_normal(60) > 0.2
    model = logistic(points, labels.astype(np.int64), 2.0)

    fitted = fit(points @ points.T, labels, np.zeros(60), 0.5)

    # The small penalty of the intercept moves it a little.
    np.testing.assert_allclose(points.T @ fitted.weights, model.weights[0], atol=5e-3)
    assert fitted.bias == pytest.approx(float(model.bias[0]), abs=5e-3)


def test_without_judgements_the_scores_are_the_prior() -> None:
    topic = made("heart")

    np.testing.assert_array_equal(screener(topic).scores([], []), 0.5 * topic.scaled(topic.meaning))


def test_scores_depend_on_the_judgements_and_not_on_their_order() -> None:
    one = screener(made("heart"))
    judged, included = [3, 1, 7, 20], [True, True, False, False]

    first = one.scores(judged, included)

    np.testing.assert_array_equal(first, one.scores(judged[::-1], included[::-1]))
    assert not np.array_equal(first, one.scores(judged, included[::-1]))


def test_an_included_document_raises_what_is_like_it() -> None:
    topic = made("heart", 80)
    one = screener(topic)
    included = np.flatnonzero(topic.relevant() & ~topic.textless)
    excluded = np.flatnonzero(~topic.relevant() & ~topic.textless)

    gain = one.scores([int(included[0])], [True]) - one.prior

    assert gain[included[1:]].mean() > gain[excluded].mean()


@given(total=st.integers(0, 500), first=st.integers(1, 30), growth=st.sampled_from([0.0, 0.1, 1.0]))
def test_batches_add_up_and_grow(total: int, first: int, growth: float) -> None:
    found = list(sizes(total, first, growth))

    assert sum(found) == total
    assert all(size > 0 for size in found)
    assert found[:-1] == sorted(found[:-1])


def test_batches_grow_by_a_tenth_rounded_up() -> None:
    assert list(sizes(40, 10, 0.1)) == [10, 11, 13, 6]


def test_a_topic_is_read_once_and_whole_and_beats_its_first_ranking() -> None:
    topic = made("heart", 120)
    relevant = topic.relevant()

    read = simulate(screener(topic), relevant)

    assert sorted(read.order.tolist()) == list(range(len(topic)))
    assert [state.read for state in read.states] == np.cumsum(list(sizes(120))).tolist()
    assert read.states[-1].found == relevant.sum()
    assert read.states[-1].expected == read.states[-1].variance == 0.0
    first = topic.order(topic.meaning)
    assert relevant[read.order[:40]].sum() > relevant[first[:40]].sum() + 5


@given(seed=st.integers(0, 1000), batch=st.integers(0, 6))
@settings(max_examples=15, deadline=None)
def test_judgements_of_unread_documents_can_not_be_seen(seed: int, batch: int) -> None:
    """Whatever the judgements of the rest are, everything up to and including the next batch is the same."""
    topic = made("heart")
    relevant = topic.relevant()
    one = simulate(screener(topic), relevant, first=5)
    batch = min(batch, len(one.states) - 2)
    known, shown = one.states[batch].read, one.states[batch + 1].read
    other = relevant.copy()
    rest = one.order[known:]
    other[rest] = np.random.default_rng(seed).random(len(rest)) < 0.5

    again = simulate(screener(replace(topic, grades=other.astype(np.int64))), other, first=5)

    np.testing.assert_array_equal(one.order[:shown], again.order[:shown])
    assert one.states[: batch + 1] == again.states[: batch + 1]


def test_a_topic_without_any_text_is_read_in_some_order() -> None:
    topic = made("heart", 12)
    bare = replace(topic, documents=tuple(d._replace(text="", title="") for d in topic.documents))

    read = simulate(Screener.of(bare, bare.meaning), bare.relevant())

    assert sorted(read.order.tolist()) == list(range(12))


def test_numbers_out_of_range_are_refused() -> None:
    topic = made("heart", 8)
    with pytest.raises(InputError, match="the penalty 0"):
        Screener.of(topic, topic.meaning, penalty=0)
    with pytest.raises(InputError, match="first batch is 0"):
        list(sizes(10, 0))
