"""The learned aggregation: padding changes nothing, and it learns what no maximum can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from periti.errors import ConfigError, FormatError, InputError
from periti.passages.learned import LearnedAggregation, LearnedConfig

SMALL = LearnedConfig(hidden=16, learning_rate=1e-2, epochs=25)


def pairs(seed: int, count: int) -> tuple[list[np.ndarray], list[int]]:
    """Relevant: every passage of the query is met somewhere. Not: one is met twice as often and another nowhere.

    The largest score and the sum of all scores are distributed alike in both classes.
    """
    rng = np.random.default_rng(seed)
    made, labels = [], []
    for number in range(count):
        queries, documents = int(rng.integers(2, 5)), int(rng.integers(4, 7))
        scores = rng.uniform(0.0, 0.3, (queries, documents, 1)).astype(np.float32)
        for row, column in enumerate(rng.permutation(documents)[:queries]):
            scores[row, column] = rng.uniform(0.8, 1.0)
        if number % 2:
            lost, kept = rng.permutation(queries)[:2]
            moved = int(scores[lost, :, 0].argmax())
            free = int(rng.choice([c for c in range(documents) if scores[kept, c, 0] < 0.5]))
            scores[kept, free, 0], scores[lost, moved, 0] = scores[lost, moved, 0], scores[kept, free, 0]
        made.append(scores)
        labels.append(int(number % 2 == 0))
    return made, labels


def separation(scores: np.ndarray, labels: list[int]) -> float:
    """Chance that a relevant pair scores above another (area under the ROC curve)."""
    truth = np.array(labels, bool)
    return float((scores[truth][:, None] > scores[~truth][None, :]).mean())


@pytest.fixture(scope="module")
def learned() -> LearnedAggregation:
    return LearnedAggregation.fit(*pairs(1, 400), SMALL, seed=3)


def test_it_learns_a_rule_that_maxp_and_sump_can_not_express(learned: LearnedAggregation) -> None:
    given, labels = pairs(2, 300)

    assert abs(separation(np.array([pair.max() for pair in given]), labels) - 0.5) < 0.1
    assert abs(separation(np.array([pair.sum() for pair in given]), labels) - 0.5) < 0.1
    assert separation(learned.scores(given), labels) > 0.95


def test_a_pair_scores_the_same_alone_and_beside_larger_ones(learned: LearnedAggregation) -> None:
    given, _ = pairs(5, 20)
    large = np.ones((9, 12, 1), np.float32)
    whole = learned.scores([*given, large])[:-1]
    alone = [learned.scores([pair])[0] for pair in given]

    np.testing.assert_allclose(whole, alone, atol=1e-5)


@pytest.mark.parametrize("junk", [0.0, 50.0, -50.0, float("nan")])
def test_what_stands_in_the_padding_takes_no_part(learned: LearnedAggregation, junk: float) -> None:
    """Also where all scores are negative, below the zeros that a plain maximum would take from the padding."""
    pair = torch.full((1, 2, 3, 1), -1.0)
    mask = torch.ones((1, 2, 3), dtype=torch.bool)
    values, wide = torch.full((1, 4, 6, 1), junk), torch.zeros((1, 4, 6), dtype=torch.bool)
    values[:, :2, :3], wide[:, :2, :3] = pair, True
    with torch.inference_mode():
        expected, found = learned._forward(pair, mask), learned._forward(values, wide)

    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone() -> None:
    given, labels = pairs(1, 40)
    config = LearnedConfig(hidden=4, epochs=2)
    before = torch.random.get_rng_state()
    one, same, other = (LearnedAggregation.fit(given, labels, config, seed=s).scores(given) for s in (1, 1, 2))

    assert one.tolist() == same.tolist() != other.tolist()
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_is_saved_and_read_again(learned: LearnedAggregation, tmp_path: Path) -> None:
    given, _ = pairs(5, 9)
    learned.save(tmp_path / "learned.npz")
    again = LearnedAggregation.load(tmp_path / "learned.npz")

    assert again.config == SMALL
    assert again.scores(given).tolist() == learned.scores(given).tolist()
    (tmp_path / "other.npz").write_text("nothing")
    with pytest.raises(FormatError, match="holds no learned aggregation"):
        LearnedAggregation.load(tmp_path / "other.npz")


def test_what_can_not_be_is_refused(learned: LearnedAggregation) -> None:
    pair = np.ones((2, 3, 1), np.float32)
    with pytest.raises(InputError, match="give one label each, 0 or 1, and both"):
        LearnedAggregation.fit([pair, pair], [1, 1], seed=0)
    with pytest.raises(InputError, match=r"found shapes such as \(2, 0, 1\)"):
        learned.scores([pair[:, :0]])
    with pytest.raises(InputError, match="interactions of 2 numbers, it learned 1"):
        learned.scores([np.ones((2, 3, 2), np.float32)])
    with pytest.raises(ConfigError, match="hidden is 0"):
        LearnedConfig(hidden=0)
    assert learned.scores([]).tolist() == []
