"""What a source may know beside judgements: weights of queries, an order from easy to hard, documents to ignore."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from periti.config import digest
from periti.training.pairs import Hints, TrainingSet, draw, mined
from periti.training.settings import TrainingOptions
from periti.types import QRELS, Qrels, Queries

ONE = TrainingOptions(batch=1, steps=100)


def source(hints: Hints | None = None, size: int = 4) -> TrainingSet:
    """Query a asks for document 0, b for 1, and so on."""
    names = "abcdefgh"[:size]
    judged = pl.DataFrame([(name, f"d{i}", 1) for i, name in enumerate(names)], schema=QRELS, orient="row")
    queries = Queries.from_pairs((name, name) for name in names)
    vectors = np.eye(size, dtype=np.float32)
    return TrainingSet.of("s", queries, Qrels.of(judged), [f"d{i}" for i in range(size)], vectors, hints=hints)


def drawn(one: TrainingSet, options: TrainingOptions, steps: range) -> list[list[str]]:
    return [draw([one], [[]], options, 5, step).texts for step in steps]


def test_draws_follow_weights() -> None:
    one = source(Hints(weights={"a": 5, "b": 3, "c": 1, "d": 1}))

    texts = [text for batch in drawn(one, ONE, range(1, 2001)) for text in batch]

    for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.1), ("d", 0.1)):
        # Binomial(2000, share): five standard deviations.
        assert texts.count(name) / 2000 == pytest.approx(share, abs=5 * (share * (1 - share) / 2000) ** 0.5)


def test_a_batch_as_large_as_its_source_still_follows_weights() -> None:
    one = source(Hints(weights={"a": 97, "b": 1, "c": 1, "d": 1}))

    texts = [text for batch in drawn(one, replace(ONE, batch=4), range(1, 201)) for text in batch]

    assert texts.count("a") / len(texts) > 0.9


def test_equal_weights_and_equal_places_in_an_order_say_nothing() -> None:
    plain = source()
    same = source(Hints(weights=dict.fromkeys("abcd", 2.0), order=dict.fromkeys("abcd", 7.0)))

    assert same.weights is None
    assert same.order is None
    assert drawn(plain, replace(ONE, batch=2), range(1, 20)) == drawn(same, replace(ONE, batch=2), range(1, 20))
    assert same.digest == plain.digest


def test_a_curriculum_begins_with_the_easy_quarter_and_has_come_to_all_at_half_time() -> None:
    one = source(Hints(order={"a": 4, "b": 3, "c": 2, "d": 1}))

    def seen(steps: range) -> set[str]:
        return {text for batch in drawn(one, ONE, steps) for text in batch}

    assert seen(range(1, 2)) == {"d"}
    assert seen(range(1, 17)) == {"c", "d"}  # at step 16 a share of .475 has begun: ceil(1.9) queries
    assert "a" not in seen(range(1, 34))
    assert seen(range(51, 101)) == {"a", "b", "c", "d"}


def test_queries_of_one_place_in_the_order_begin_together() -> None:
    one = source(Hints(order={"a": 1, "b": 1, "c": 1, "d": 2}))

    assert set(drawn(one, replace(ONE, batch=4), range(1, 2))[0]) == {"a", "b", "c"}


def test_weights_hold_inside_a_curriculum() -> None:
    one = source(Hints(order={"a": 1, "b": 1, "c": 2, "d": 2}, weights={"a": 9, "b": 1, "c": 90, "d": 90}))

    texts = [draw([one], [[]], replace(ONE, steps=10**6), 5, step).texts[0] for step in range(1, 501)]

    assert set(texts) == {"a", "b"}
    assert texts.count("a") / 500 == pytest.approx(0.9, abs=5 * (0.09 / 500) ** 0.5)


def test_an_ignored_document_is_neither_answer_nor_negative() -> None:
    one = source(Hints(ignored={"a": ["d3", "d1", "unknown"]}))

    batch = draw([one], [[]], replace(ONE, batch=4), 1, 1)

    masked = {text: np.flatnonzero(row).tolist() for text, row in zip(batch.texts, batch.masked, strict=True)}
    assert masked == {"a": [1, 3], "b": [], "c": [], "d": []}
    assert (batch.target.sum(axis=1) == 1).all()


def test_an_ignored_document_is_no_hard_negative() -> None:
    one = replace(source(Hints(ignored={"a": ["d1"]})), documents=np.array([[0.99], [0.9], [0.5], [0.4]], np.float32))
    options = TrainingOptions(hard_negatives=1, margin=0)

    assert mined(one, np.ones((4, 1), np.float32), options)[0].tolist() == [2]


def test_hints_are_part_of_what_is_learnt_from() -> None:
    plain = source()
    hinted = [
        source(Hints(weights={"a": 2, "b": 1, "c": 1, "d": 1})),
        source(Hints(order={"a": 2, "b": 1, "c": 1, "d": 1})),
        source(Hints(ignored={"a": ["d1"]})),
    ]

    # What experts trained before there were hints hold in their cards.
    before = digest([plain.texts, [rows.tolist() for rows in plain.positives], [g.tolist() for g in plain.gains]])
    assert plain.digest == before
    assert len({plain.digest, *(one.digest for one in hinted)}) == 4
