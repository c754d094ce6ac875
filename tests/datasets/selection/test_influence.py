"""Influence against differences of the loss itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.influence import Influence, Pairs, errors, halves
from periti.errors import InputError

Floats = NDArray[np.float64]


def unit(rng: np.random.Generator, count: int, width: int = 5) -> NDArray[np.float32]:
    rows = rng.normal(size=(count, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def pairs(seed: int, count: int) -> Pairs:
    rng = np.random.default_rng(seed)
    return Pairs(unit(rng, count), unit(rng, count))


def loss(adapter: Floats, query: Floats, document: Floats, others: Floats, temperature: float) -> float:
    logits = np.concatenate([[document @ adapter @ query], others @ adapter @ query]) / temperature
    return float(np.log(np.exp(logits - logits.max()).sum()) - (logits - logits.max())[0])


def mean_loss(adapter: Floats, of: Pairs, others: NDArray[np.float32], temperature: float) -> float:
    rows = zip(of.queries.astype(float), of.documents.astype(float), strict=True)
    return float(np.mean([loss(adapter, q, d, others.astype(float), temperature) for q, d in rows]))


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    one, others = pairs(1, 1), pairs(2, 6).documents
    gradient = np.outer(errors(one, others, 0.3)[0], one.queries[0])

    for row in range(5):
        for column in range(5):
            step = np.zeros((5, 5))
            step[row, column] = 1e-5
            slope = mean_loss(np.eye(5) + step, one, others, 0.3) - mean_loss(np.eye(5) - step, one, others, 0.3)
            assert gradient[row, column] == pytest.approx(slope / 2e-5, abs=1e-6)


def test_influence_is_what_a_step_on_the_pair_takes_off_the_targets_loss() -> None:
    pool, target, reference = pairs(3, 8), pairs(4, 3), pairs(5, 6)
    influence = Influence.on(target, reference, temperature=0.3)
    before = mean_loss(np.eye(5), target, influence.others, 0.3)

    for number, value in enumerate(influence.of(pool)):
        gradient = np.outer(errors(pool[number : number + 1], influence.others, 0.3)[0], pool.queries[number])
        after = mean_loss(np.eye(5) - 1e-5 * gradient, target, influence.others, 0.3)
        assert value == pytest.approx((before - after) / 1e-5, rel=1e-2, abs=1e-3)


def test_the_kronecker_hessian_is_inverted() -> None:
    target, reference = pairs(4, 3), pairs(5, 40)
    plain = Influence.on(target, reference, temperature=0.3)
    curved = Influence.on(target, reference, temperature=0.3, damping=0.1)
    mistakes, queries = errors(reference, reference.documents, 0.3), reference.queries.astype(float)
    left, right = mistakes.T @ mistakes / 40, queries.T @ queries / 40
    hessian = np.kron(left + 0.02 * np.trace(left) * np.eye(5), right + 0.02 * np.trace(right) * np.eye(5))

    np.testing.assert_allclose(hessian @ curved.direction.ravel(), plain.direction.ravel(), atol=1e-8)


def test_a_target_pair_helps_itself_and_its_opposite_harms() -> None:
    target, reference = pairs(6, 1), pairs(7, 50)
    influence = Influence.on(target, reference)
    opposite = Pairs(-target.queries, target.documents)

    assert influence.of(target)[0] > 0
    assert influence.scaled(influence.of(target))[0] == 1
    assert influence.scaled(influence.of(opposite))[0] == 0


def test_values_do_not_depend_on_the_company() -> None:
    pool = pairs(8, 9)
    influence = Influence.on(pairs(4, 3), pairs(5, 6))

    np.testing.assert_allclose(influence.of(pool)[4:6], influence.of(pool[4:6]), rtol=1e-9)


def test_a_pool_of_one_text_repeated_has_rewards() -> None:
    same = pairs(9, 1)[np.zeros(5, int)]
    influence = Influence.on(pairs(4, 3), same, damping=0.1)

    assert set(influence.scaled(influence.of(same)).tolist()) == {0.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what is x\nx is y\nand z", ("what is x", "x is y\nand z")),
        ("a b c d e", ("a b", "c d e")),
        ("\nbody of it", ("body", "of it")),
        ("word", ("word", "word")),
        ("", ("", "")),
    ],
)
def test_a_text_becomes_a_pair(text: str, expected: tuple[str, str]) -> None:
    assert halves(text) == expected


@given(st.text(max_size=20))
def test_no_word_of_a_text_is_lost(text: str) -> None:
    query, document = halves(text)

    assert set(query.split()) | set(document.split()) == set(text.split())


def test_nothing_to_learn_from_and_other_widths_are_refused() -> None:
    with pytest.raises(InputError, match="no text"):
        Influence.on(pairs(1, 0), pairs(2, 3))
    with pytest.raises(InputError, match="5 dimensions and the pool's 4"):
        Influence.on(pairs(1, 1), Pairs(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)))
    with pytest.raises(InputError, match="n rows of d"):
        Pairs(np.zeros((2, 3), np.float32), np.zeros((1, 3), np.float32))
