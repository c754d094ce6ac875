"""What every selector keeps: a score of the text alone, in any block and process, and a reason for it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from periti.datasets.selection.selector import FAMILIES, Scorer, Selector, Target
from periti.errors import InputError
from periti.registry import SELECTORS
from tests.contracts.builders import build
from tests.tiny import Tiny

TOPICS = (
    ["heart", "dose", "patient", "fever", "blood", "nurse", "trial", "cell", "drug", "clinic"],
    ["court", "lease", "tenant", "breach", "contract", "judge", "appeal", "witness", "oath", "claim"],
    ["orbit", "star", "planet", "comet", "moon", "gravity", "probe", "dust", "ring", "light"],
    ["wheat", "soil", "rain", "plough", "harvest", "seed", "barn", "cow", "field", "hay"],
)
PLAIN = ["the", "of", "a", "and", "to", "in", "is", "that", "it", "was"]


def made_up(rng: np.random.Generator, topic: int, words: int) -> str:
    own = rng.random(words) < 0.6
    return " ".join(rng.choice(TOPICS[topic]) if mine else rng.choice(PLAIN) for mine in own) + "."


def texts(seed: int, count: int, topics: Sequence[int] = range(4)) -> tuple[str, ...]:
    rng = np.random.default_rng(seed)
    return tuple(made_up(rng, topics[i % len(topics)], int(rng.integers(5, 60))) for i in range(count))


POOL = texts(1, 200)
ODD = ("", " ", "!", "血压高的病人应当低盐饮食", "word " * 3000, "heart", "\u2028x\u0085y", "a" * 5000)
TARGETS = (Target("medicine", texts(2, 12, [0])), Target("law", texts(3, 8, [1])))


def pool() -> Iterator[Sequence[str]]:
    for start in range(0, len(POOL), 64):
        yield POOL[start : start + 64]


@pytest.fixture(params=sorted(SELECTORS))
def selector(request: pytest.FixtureRequest) -> Selector:
    # Selectors open no index, so the rows of the table are given none and the tests need not wait for it.
    made: Selector = build(SELECTORS, request.param, typing.cast(Tiny, None), Path())
    return made


@pytest.fixture
def scorer(selector: Selector) -> Scorer:
    return selector.fit(pool, TARGETS, seed=3)


def test_a_selector_is_its_options_and_declares_what_it_needs(selector: Selector) -> None:
    kind = type(selector)
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert kind.__doc__
    needs = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING
             and field.default_factory is dataclasses.MISSING}  # fmt: skip
    assert not needs, f"{sorted(needs)} have no default"
    assert selector.family in FAMILIES
    assert isinstance(selector.needs_target, bool)
    assert isinstance(selector.needs_model, bool)
    assert selector.cost_per_doc > 0
    declared = typing.get_type_hints(kind)
    for name in ("family", "needs_target", "needs_model", "cost_per_doc"):
        assert typing.get_origin(declared[name]) is typing.ClassVar, f"{name} is declared, not an option"


def test_scores_are_float64_a_column_a_name_and_never_nan(scorer: Scorer) -> None:
    scores = scorer.score([*POOL, *ODD])

    assert scores.dtype == np.float64
    assert scores.shape == (len(POOL) + len(ODD), len(scorer.names))
    assert len(set(scorer.names)) == len(scorer.names) > 0
    assert not np.isnan(scores).any()
    assert (scores < np.inf).all()
    assert np.isfinite(scores[: len(POOL)]).any(), "nothing could be chosen"


def test_a_text_has_one_score_in_whatever_block_it_stands(scorer: Scorer) -> None:
    mixture = [*POOL, *ODD]
    whole = scorer.score(mixture)
    order = np.random.default_rng(4).permutation(len(mixture))

    np.testing.assert_array_equal(np.concatenate([scorer.score([text]) for text in mixture]), whole)
    np.testing.assert_array_equal(scorer.score([mixture[i] for i in order]), whole[order])
    assert scorer.score([]).shape == (0, len(scorer.names))


def test_a_second_fit_scores_alike_whatever_the_blocks_of_the_pool(selector: Selector, scorer: Scorer) -> None:
    def singly() -> Iterator[Sequence[str]]:
        for text in POOL:
            yield [text]

    again, elsewhere = selector.fit(pool, TARGETS, seed=3), selector.fit(singly, TARGETS, seed=3)

    np.testing.assert_array_equal(again.score(POOL), scorer.score(POOL))
    np.testing.assert_array_equal(elsewhere.score(POOL), scorer.score(POOL))


def test_a_scorer_sent_to_another_process_gives_the_same_scores(scorer: Scorer) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        np.testing.assert_array_equal(processes.apply(scorer.score, (POOL[:20],)), scorer.score(POOL[:20]))


def test_a_score_has_reasons(scorer: Scorer) -> None:
    reasons = scorer.explain(POOL[0])

    assert reasons
    assert all(reason.what and np.isfinite(reason.value) for reason in reasons)
    assert len(scorer.explain(POOL[0], limit=1)) == 1
    assert isinstance(scorer.explain(""), tuple)


def test_a_selector_that_needs_a_target_says_so(selector: Selector) -> None:
    if not selector.needs_target:
        pytest.skip("needs none")
    for targets in ((), (Target("nothing", ()),)):
        with pytest.raises(InputError, match="target"):
            selector.fit(pool, targets, seed=3)


def test_an_empty_pool_is_refused_or_not_needed(selector: Selector) -> None:
    def empty() -> Iterator[Sequence[str]]:
        return iter(())

    refused = ""
    try:
        assert not np.isnan(selector.fit(empty, TARGETS, seed=3).score(POOL)).any()
    except InputError as error:
        refused = str(error)
    assert not refused or "pool" in refused


def test_identical_texts_have_identical_scores(selector: Selector) -> None:
    same = ["the tenant and the lease"] * 50
    scores = selector.fit(lambda: iter([same]), TARGETS, seed=3).score(same)

    assert (scores == scores[0]).all()
