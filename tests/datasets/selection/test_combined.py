"""Several selectors at once: the sum of standard scores, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from periti.datasets.selection.combined import CombinedSelector
from periti.datasets.selection.dsir import DsirSelector
from periti.datasets.selection.selector import QUALITY, Blocks, Reason, Scores, Target
from periti.datasets.selection.target import TargetRanker
from periti.errors import ConfigError, InputError
from tests.datasets.selection.jobs import NumberScorer, NumberSelector
from tests.datasets.selection.vectors import embed_words

POOL = tuple(f"document {i} has the number {7 * i % 101}" for i in range(60))
TARGETS = (Target("large", ("any",)), Target("small", ("other",)))


def pool() -> Iterator[Sequence[str]]:
    yield POOL[:25]
    yield POOL[25:]


@dataclass(frozen=True)
class LengthScorer:
    """Two criteria: the words and the characters of a text; -inf for texts with "short"."""

    names: tuple[str, ...] = ("words", "characters")

    def score(self, texts: Sequence[str]) -> Scores:
        rows = [(-np.inf, 0.0) if "short" in text else (len(text.split()), len(text)) for text in texts]
        return np.array(rows, np.float64).reshape(-1, 2)

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        return tuple(Reason(name, value) for name, value in zip(self.names, self.score([text])[0], strict=True))[:limit]


@dataclass(frozen=True)
class LengthSelector:
    """Prefers long texts."""

    family: ClassVar[str] = QUALITY
    needs_target: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 1.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> LengthScorer:  # noqa: ARG002
        return LengthScorer()


def z(values: Scores) -> Scores:
    found: Scores = (values - values.mean(axis=0)) / values.std(axis=0)
    return found


def test_standard_scores_are_summed_for_each_target_and_criteria_add_to_all() -> None:
    parts = (("number", NumberSelector()), ("length", LengthSelector()))
    scorer = CombinedSelector(parts, (2.0, 0.5)).fit(pool, TARGETS, seed=1)

    numbers, lengths = NumberScorer(("large", "small"), (1.0, -1.0)).score(POOL), LengthScorer().score(POOL)
    # All texts have as many words: a column without a spread adds nothing.
    expected = 2.0 * z(numbers) + 0.5 * z(lengths[:, 1:])
    assert scorer.names == ("large", "small")
    np.testing.assert_allclose(scorer.score(POOL), expected)


def test_what_one_part_never_chooses_is_never_chosen() -> None:
    parts = (("number", NumberSelector()), ("length", LengthSelector()))
    scorer = CombinedSelector(parts).fit(pool, TARGETS[:1], seed=1)

    scores = scorer.score(["a short text 5", "this is never 5", "a text 5"])

    assert np.isneginf(scores[:2]).all()
    assert np.isfinite(scores[2]).all()
    assert scorer.explain("a short text 5")[0].what.startswith("number")


def test_criteria_alone_are_one_column() -> None:
    assert CombinedSelector((("length", LengthSelector()),)).fit(pool, TARGETS, seed=1).names == ("combined",)


def test_a_score_is_explained_by_its_parts_for_the_target_that_suits_it() -> None:
    parts = (("number", NumberSelector()), ("length", LengthSelector()))
    scorer = CombinedSelector(parts).fit(pool, TARGETS, seed=1)
    small = POOL[0]

    reasons = scorer.explain(small, 4)

    assert [reason.what for reason in reasons] == [
        "number, in standard deviations",
        "length, in standard deviations",
        "number: its last word",
        "length: words",
    ]
    assert reasons[0].value > 0
    assert sum(reason.value for reason in reasons[:2]) == pytest.approx(scorer.score([small])[0, 1])


def test_words_and_meaning_together_are_their_sum() -> None:
    target = Target("odd", POOL[1:10:2])
    dsir, near = DsirSelector(), TargetRanker(embed=embed_words)
    scorer = CombinedSelector((("dsir", dsir), ("target", near))).fit(pool, [target], seed=3)

    alone = [z(one.fit(pool, [target], seed=3).score(POOL)) for one in (dsir, near)]
    np.testing.assert_allclose(scorer.score(POOL), alone[0] + alone[1])


@pytest.mark.parametrize(
    ("parts", "weights", "says"),
    [
        ((("a", LengthSelector()), ("a", LengthSelector())), (), "give each once"),
        ((("a", LengthSelector()),), (1.0, 2.0), "2 weights for 1 parts"),
        ((("a", LengthSelector()),), (-1.0,), "positive number"),
    ],
)
def test_parts_and_weights_that_mean_nothing_are_refused(
    parts: tuple[tuple[str, LengthSelector], ...], weights: tuple[float, ...], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        CombinedSelector(parts, weights)


def test_nothing_to_combine_or_to_combine_for_is_one_sentence() -> None:
    with pytest.raises(InputError, match="nothing to combine"):
        CombinedSelector().fit(pool, TARGETS, seed=1)
    with pytest.raises(InputError, match="no target"):
        CombinedSelector((("length", LengthSelector()),)).fit(pool, (), seed=1)
    with pytest.raises(InputError, match="pool is empty"):
        CombinedSelector((("length", LengthSelector()),)).fit(lambda: iter(()), TARGETS, seed=1)
