"""Quad from end to end: pairs of topics, vectors from their words, a target of one topic.

Queries say with words of their own what documents say: an adapter has something to learn, and each topic its own thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from periti.datasets.selection.quad import QuadSelector
from periti.datasets.selection.selector import Target
from periti.errors import ConfigError, InputError
from tests.datasets.selection.vectors import embed_words

TOPICS = 10


def text(topic: int, rng: np.random.Generator) -> str:
    """A query of 5 words of 12 of the topic, a line feed, and a document of as many and 10 common words."""
    numbers = rng.integers(12, size=5)
    query = [f"q{topic}w{number}" for number in numbers]
    document = [f"d{topic}w{number}" for number in numbers] + [f"w{number}" for number in rng.integers(40, size=10)]
    return " ".join(query) + "\n" + " ".join(document)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(1)
    return [text(number % TOPICS, rng) for number in range(600)]


@pytest.fixture(scope="module")
def target() -> Target:
    rng = np.random.default_rng(2)
    return Target("third", tuple(text(3, rng) for _ in range(15)))


def blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(texts), 50):
        yield texts[at : at + 50]


@pytest.mark.parametrize("damping", [None, 0.1])
def test_the_best_scored_are_of_the_targets_topic(texts: list[str], target: Target, damping: float | None) -> None:
    selector = QuadSelector(embed_words, clusters=20, examined=0.3, damping=damping)
    scores = selector.fit(lambda: blocks(texts), [target], seed=0).score(texts)[:, 0]
    best = np.argsort(-scores)[:30]

    assert np.isfinite(scores[best]).all()
    assert np.mean(best % TOPICS == 3) >= 0.9  # .1 by chance, and a third of the pool was looked at


def test_more_of_the_wanted_is_looked_at_than_by_chance(texts: list[str], target: Target) -> None:
    scorer = QuadSelector(embed_words, clusters=20, examined=0.3, batch=2).fit(lambda: blocks(texts), [target], seed=0)
    looked = np.array([not reasons[0].what.startswith("not looked at") for reasons in map(scorer.explain, texts)])
    wanted = np.arange(len(texts)) % TOPICS == 3

    assert looked.mean() <= 0.31
    assert looked[wanted].mean() >= 0.8


def test_each_target_has_its_own_column(texts: list[str], target: Target) -> None:
    other = Target("seventh", tuple(text(7, np.random.default_rng(5)) for _ in range(4)))
    scorer = QuadSelector(embed_words, clusters=20).fit(lambda: blocks(texts), [target, other], seed=0)
    scores = scorer.score(texts)

    assert scorer.names == ("third", "seventh")
    assert [int(column) % TOPICS for column in scores.argmax(axis=0)] == [3, 7]


def test_nothing_at_or_below_the_threshold_may_be_chosen(texts: list[str], target: Target) -> None:
    scores = (
        QuadSelector(embed_words, clusters=20, threshold=0.5).fit(lambda: blocks(texts), [target], seed=0).score(texts)
    )

    assert scores[np.isfinite(scores)].min() > 0.5
    assert np.isneginf(scores).any()


def test_a_text_that_is_not_in_the_pool_may_not_be_chosen_and_has_no_reason(texts: list[str], target: Target) -> None:
    scorer = QuadSelector(embed_words, clusters=5).fit(lambda: blocks(texts[:50]), [target], seed=0)

    assert np.isneginf(scorer.score(["another text"])).all()
    assert scorer.explain("another text") == ()


def test_no_model_no_target_no_pool_are_refused(target: Target) -> None:
    with pytest.raises(ConfigError, match="model"):
        QuadSelector().fit(lambda: blocks(["a"]), [target], seed=0)
    with pytest.raises(ConfigError, match="examines 0"):
        QuadSelector(embed_words, examined=0).fit(lambda: blocks(["a"]), [target], seed=0)
    with pytest.raises(InputError, match="needs a target"):
        QuadSelector(embed_words).fit(lambda: blocks(["a"]), [Target("blank", (" ",))], seed=0)
    with pytest.raises(InputError, match="pool has no text"):
        QuadSelector(embed_words).fit(lambda: blocks([]), [target], seed=0)


def test_a_pool_of_one_text_ends_well(target: Target) -> None:
    assert QuadSelector(embed_words).fit(lambda: blocks(["a b"] * 9), [target], seed=0).score(["a b"]).shape == (1, 1)
