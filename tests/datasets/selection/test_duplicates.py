"""Exact duplicates, and the baselines that draw by a key of the text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.datasets.selection import duplicates
from periti.datasets.selection.baselines import RandomLengthSelector, RandomSelector
from periti.datasets.selection.duplicates import digests, repeated, same_text, surpassed
from periti.datasets.selection.keyed import gumbel, stream_key, text_words, uniform
from periti.datasets.selection.selector import Target
from periti.datasets.selection.tokens import count_tokens
from periti.errors import InputError


def test_texts_that_differ_in_case_and_white_space_are_one() -> None:
    assert same_text(" The\tLease\n ended ") == same_text("the lease ended")
    assert same_text("ﬁne Straße") == same_text("fine STRASSE")
    assert same_text("lease.") != same_text("lease")
    assert len({tuple(row) for row in digests(["a b", "A  B", "ab"]).tolist()}) == 2


@pytest.mark.parametrize("part_rows", [1 << 16, 7])
def test_the_first_of_equal_texts_stays_however_they_are_divided(
    tmp_path: Path, part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "PART_ROWS", part_rows)
    chance = random.Random(1)
    texts = [f"text {chance.randrange(150)}" for _ in range(500)]
    found = digests(texts)
    compared = np.array([row for row in range(500) if row % 11], np.int64)

    def rows() -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
        for part in np.array_split(compared, 9):
            yield part, found[part]

    marks = repeated(rows, 500, tmp_path)

    seen: set[str] = set()
    expected = []
    for row in compared.tolist():
        if texts[row] in seen:
            expected.append(row)
        seen.add(texts[row])
    assert marks.rows().tolist() == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part_rows", [1 << 16, 7])
def test_the_row_of_the_largest_value_stays_and_of_several_the_first(
    tmp_path: Path, part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "PART_ROWS", part_rows)
    chance = random.Random(2)
    texts = [f"text {chance.randrange(150)}" for _ in range(500)]
    values = [float(chance.randrange(-3, 3)) for _ in range(500)]
    found = digests(texts)

    def rows() -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.float64]]]:
        for part in np.array_split(np.arange(500), 9):
            yield part, found[part], np.array(values)[part]

    stay = {max((row for row in range(500) if texts[row] == text), key=lambda row: (values[row], -row))
            for text in texts}  # fmt: skip

    assert surpassed(rows, 500, tmp_path).rows().tolist() == [row for row in range(500) if row not in stay]


def test_keyed_numbers_are_uniform_and_independent_of_what_is_drawn_beside() -> None:
    words = np.arange(100_000, dtype=np.uint64)
    drawn = uniform(words, stream_key("a", 1))

    assert 0 < drawn.min() < drawn.max() < 1
    assert np.abs(np.histogram(drawn, 20, (0, 1))[0] - 5000).max() < 300
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn, uniform(words, stream_key("a", 2)))[0, 1]) < 0.02
    np.testing.assert_array_equal(uniform(words[500:600], stream_key("a", 1)), drawn[500:600])
    assert abs(gumbel(words, stream_key("b")).mean() - 0.5772) < 0.02


def test_tokens_are_words_and_characters_of_scripts_without_blanks() -> None:
    assert count_tokens("one, two  three\n") == 3
    assert count_tokens("naïve café") == 2
    assert count_tokens("高血压 patients") == 4
    assert count_tokens("สวัสดี") == 6
    assert count_tokens("") == 0


def some_pool() -> list[str]:
    rng = np.random.default_rng(5)
    return [" ".join(["w"] * n) + f" {i}" for i, n in enumerate(np.exp(rng.normal(3.5, 0.8, 20_000)).astype(int))]


def test_random_draws_every_text_alike_and_another_seed_others() -> None:
    texts = some_pool()[:5000]
    one, other = (RandomSelector().fit(lambda: iter([texts]), (), seed=seed).score(texts)[:, 0] for seed in (1, 2))

    assert abs(one.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert len(np.unique(text_words(tuple(texts)))) == 5000


def test_random_length_has_the_lengths_of_its_target() -> None:
    texts = some_pool()
    rng = np.random.default_rng(6)
    examples = tuple(" ".join(["x"] * n) for n in rng.integers(60, 90, 50))
    lengths = np.array([count_tokens(text) for text in texts])
    scorer = RandomLengthSelector().fit(lambda: iter([texts]), [Target("t", examples)], seed=1)

    chosen = lengths[np.argsort(-scorer.score(texts)[:, 0])[:500]]

    wanted = np.array([count_tokens(text) for text in examples])
    assert lengths.mean() < 50
    assert abs(chosen.mean() - wanted.mean()) < 2
    assert ((chosen >= 55) & (chosen <= 108)).mean() > 0.97, "the bins that 60 to 89 tokens fall into"
    quantiles = np.quantile(wanted, [0.25, 0.5, 0.75])
    assert np.abs(np.quantile(chosen, [0.25, 0.5, 0.75]) - quantiles).max() < 5


def test_random_length_of_several_targets_with_one_length_each() -> None:
    texts = some_pool()
    targets = [Target("short", ("a b c d e f g h",) * 5), Target("long", (" ".join(["x"] * 80),) * 5)]
    scores = RandomLengthSelector().fit(lambda: iter([texts]), targets, seed=1).score(texts)

    for column, (shortest, longest) in enumerate(((8, 9), (70, 86))):
        best = np.array([count_tokens(texts[row]) for row in np.argsort(-scores[:, column])[:20]])
        assert ((best >= shortest) & (best <= longest)).mean() > 0.9
    with pytest.raises(InputError, match="the ratio is 1; give one from"):
        RandomLengthSelector(ratio=1).fit(lambda: iter([texts]), targets, seed=1)
