"""Losses by hand and by plain loops: every formula written a second time, as the papers write it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from periti.training.ranking.curricula import sample_weights
from periti.training.ranking.drawing import Lists, Pairs
from periti.training.ranking.losses import lambda_weights, losses, reduced
from periti.training.ranking.settings import RankingOptions
from tests.training.ranking.test_difficulty import LISTS

SCORES = [0.5, -1.0, 2.0, 0.1, 0.3]
TAUGHT = replace(LISTS, teacher=np.array([5.0, 1.0, 2.0, 4.0, -1.0]))


def values(loss: str, lists: Lists = TAUGHT, scores: list[float] | None = None, **more: float) -> list[float]:
    rest = {"random_negatives": 0, "negatives": 2, **more}
    options = RankingOptions(loss=loss, **rest)  # type: ignore[arg-type]
    found = losses(torch.tensor(scores or SCORES), lists, Pairs.of(lists), options)
    return [float(value) for value in found]


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


def test_pairs_are_those_of_one_list_with_different_grades() -> None:
    lists = replace(LISTS, gains=np.array([1.0, 0, 2, 1, 1]))
    pairs = Pairs.of(lists)

    assert list(zip(pairs.better.tolist(), pairs.worse.tolist(), strict=True)) == [(0, 1), (2, 0), (2, 1)]


def test_bce_by_hand() -> None:
    expected = [3 * softplus(-0.5), softplus(-1.0), softplus(2.0), 3 * softplus(-0.1), softplus(0.3)]

    assert values("bce", pos_weight=3.0) == pytest.approx(expected)


def test_bce_weighs_a_positive_as_all_its_negatives_by_default() -> None:
    assert values("bce") == pytest.approx(values("bce", pos_weight=2.0))


def test_ranknet_by_hand() -> None:
    assert values("ranknet") == pytest.approx([softplus(-1.5), softplus(1.5), softplus(0.2)])


def test_listnet_by_hand() -> None:
    e = math.e
    first = [e / (e + 2), 1 / (e + 2), 1 / (e + 2)]
    total = math.log(sum(math.exp(s) for s in SCORES[:3]))
    second = [e**2 / (e**2 + 1), 1 / (e**2 + 1)]
    other = math.log(sum(math.exp(s) for s in SCORES[3:]))

    assert values("listnet") == pytest.approx(
        [
            -sum(t * (s - total) for t, s in zip(first, SCORES[:3], strict=True)),
            -sum(t * (s - other) for t, s in zip(second, SCORES[3:], strict=True)),
        ]
    )


def test_margin_mse_by_hand() -> None:
    assert values("margin-mse") == pytest.approx([(1.5 - 4) ** 2, (-1.5 - 3) ** 2, (-0.2 - 5) ** 2])


def test_lambda_by_hand() -> None:
    """First list: scores rank 2, 3, 1. G of the positive is 1 (ideal DCG is 1), of the others 0."""
    d = [0, 1.0, 1 / math.log2(3), 1 / math.log2(4), 1 / math.log2(5)]
    near = abs(d[2] - d[3]) + 10 * abs(d[1] - d[2])
    above = abs(d[2] - d[1]) + 10 * abs(d[1] - d[2])
    # Second list: ranks 2, 1; G = 3 / (3 * 1).
    second = abs(d[2] - d[1]) + 10 * abs(d[1] - d[2])

    assert values("lambda", mu=10.0) == pytest.approx(
        [
            near * math.log2(1 + math.exp(-1.5)),
            above * math.log2(1 + math.exp(1.5)),
            second * math.log2(1 + math.exp(0.2)),
        ]
    )


def test_lambda_weights_agree_with_the_paper_s_formula_in_loops() -> None:
    rng = np.random.default_rng(3)
    gains, scores = rng.integers(0, 4, 12).astype(float), rng.normal(size=12)
    gains[[0, 5]] = 3
    lists = Lists([""] * 12, [""] * 12, np.repeat([0, 1], [5, 7]), gains, np.zeros(12), np.zeros(12))
    pairs = Pairs.of(lists)

    expected = []
    for i in range(12):
        for j in range(12):
            if lists.owner[i] != lists.owner[j] or gains[i] <= gains[j]:
                continue
            own = [k for k in range(12) if lists.owner[k] == lists.owner[i]]
            rank = {k: 1 + sum(scores[o] > scores[k] for o in own) for k in own}
            ideal = sum((2**g - 1) / math.log2(1 + r) for r, g in enumerate(sorted(gains[own], reverse=True), 1))
            gap = abs(rank[i] - rank[j])
            rho = abs(1 / math.log2(1 + rank[i]) - 1 / math.log2(1 + rank[j]))
            delta = abs(1 / math.log2(1 + gap) - 1 / math.log2(2 + gap))
            expected.append((rho + 4 * delta) * abs(2 ** gains[i] - 2 ** gains[j]) / ideal)

    np.testing.assert_allclose(lambda_weights(scores, lists, pairs, 4.0), expected)


@pytest.mark.parametrize("loss", ["bce", "ranknet", "listnet", "lambda", "margin-mse"])
def test_gradients_raise_the_relevant_document(loss: str) -> None:
    scores = torch.zeros(5, requires_grad=True)
    options = RankingOptions(loss=loss, random_negatives=0)
    losses(scores, TAUGHT, Pairs.of(TAUGHT), options).mean().backward()  # type: ignore[no-untyped-call]

    assert scores.grad is not None
    assert (scores.grad[[0, 3]] < 0).all()
    assert (scores.grad[[1, 2, 4]] > 0).all()


def test_a_weight_of_the_sample_and_one_of_the_batch() -> None:
    found, weights = torch.tensor([1.0, 3.0]), np.array([0.5, 0.1])

    assert float(reduced(found, None, "sample")) == pytest.approx(2)
    assert float(reduced(found, weights, "sample")) == pytest.approx((0.5 + 0.3) / 2)
    assert float(reduced(found, weights, "batch")) == pytest.approx(2 * 0.3)


@pytest.mark.parametrize("loss", ["bce", "ranknet", "listnet", "lambda"])
def test_both_weightings_coincide_for_a_batch_of_one_sample(loss: str) -> None:
    size = 1 if loss == "bce" else 2
    one = Lists(
        ["a"] * size, ["x"] * size, np.zeros(size, np.int64), np.array([1.0, 0])[:size], np.array([0.3, 0.8])[:size],
        np.zeros(size),
    )  # fmt: skip

    def loss_of(weighting: str) -> float:
        options = RankingOptions(loss=loss, curriculum="norm", weighting=weighting)
        found = losses(torch.tensor(SCORES[:size]), one, Pairs.of(one), options)
        weights = sample_weights(one, one, Pairs.of(one), options, 1)
        assert weights is not None
        assert weights[0] < 1
        return float(reduced(found, weights, weighting))

    assert loss_of("sample") == pytest.approx(loss_of("batch"))


def test_after_its_end_a_curriculum_s_loss_is_the_plain_one() -> None:
    plain = RankingOptions(loss="ranknet")
    late = replace(plain, curriculum="kde", curriculum_end=2, evaluate_every=5)
    scores, pairs = torch.tensor(SCORES), Pairs.of(LISTS)

    def loss_at(options: RankingOptions, step: int) -> float:
        weights = sample_weights(LISTS, LISTS, pairs, options, step)
        return float(reduced(losses(scores, LISTS, pairs, options), weights, options.weighting))

    assert loss_at(late, 11) == loss_at(plain, 11)
    assert loss_at(late, 10) < loss_at(plain, 10)
