"""MaxSim by hand, against three loops, and where padding would lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.encoders.tokens import TokenVectors
from periti.protocols import Vectors
from periti.rankers.late_interaction.maxsim import maxsim


def matrix(*rows: tuple[float, ...]) -> Vectors:
    return np.array(rows, np.float32)


def joined(*texts: Vectors) -> TokenVectors:
    return TokenVectors.of(texts, texts[0].shape[1])


def test_by_hand() -> None:
    """q = (1,0), (0,1); d1 = (.6,.8), (1,0): 1 + .8. d2 = (0,1): 0 + 1. d3 = (-1,0), (0,-1): 0 + 0."""
    query = matrix((1, 0), (0, 1))
    documents = joined(matrix((0.6, 0.8), (1, 0)), matrix((0, 1)), matrix((-1, 0), (0, -1)))

    np.testing.assert_allclose(maxsim(query, documents), [1.8, 1, 0], atol=1e-6)


def test_a_document_token_may_serve_several_query_tokens_and_order_does_not_count() -> None:
    query = matrix((1, 0), (1, 0), (0, 1))
    document = matrix((1, 0), (0.6, 0.8))

    np.testing.assert_allclose(maxsim(query, joined(document, document[::-1])), [2.8, 2.8], atol=1e-6)


def test_padding_with_zeros_would_win_where_all_similarities_are_negative_and_does_not() -> None:
    """The near document scores -.6, the far one -1; padded to the length of the near one, the far one would score 0."""
    query, near, far = matrix((1, 0)), matrix((-0.6, 0.8), (-0.8, 0.6)), matrix((-1, 0))
    padded = np.concatenate([far, np.zeros((1, 2), np.float32)])
    assert (padded @ query.T).max() > (near @ query.T).max(), "the trap is one"

    scores = maxsim(query, joined(near, far))

    np.testing.assert_allclose(scores, [-0.6, -1], atol=1e-6)


def test_a_document_without_tokens_scores_the_least_and_a_query_without_tokens_nothing() -> None:
    query, nothing = matrix((1, 0), (0, 1)), np.empty((0, 2), np.float32)
    documents = joined(nothing, matrix((-1, 0)), nothing, matrix((0, 1)), nothing)

    np.testing.assert_allclose(maxsim(query, documents), [-2, -1, -2, 1, -2])
    np.testing.assert_array_equal(maxsim(nothing, documents), np.zeros(5))
    assert maxsim(query, TokenVectors.of([], 2)).shape == (0,)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=6), tokens=st.integers(0, 4), seed=st.integers(0, 10_000)
)
def test_three_loops_say_the_same(lengths: list[int], tokens: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def texts(count: int) -> Vectors:
        drawn = rng.normal(size=(count, 3))
        unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        return unit

    query, documents = texts(tokens), [texts(length) for length in lengths]
    expected = []
    for document in documents:
        total = 0.0
        for q in query.astype(float):
            best = -1.0 if not len(document) else -np.inf
            for d in document.astype(float):
                best = max(best, float(sum(a * b for a, b in zip(q, d, strict=True))))
            total += best
        expected.append(total)

    np.testing.assert_allclose(maxsim(query, TokenVectors.of(documents, 3)), expected, atol=1e-5)


@pytest.mark.parametrize("before", [0, 1, 7, 100])
def test_equal_documents_score_the_same_to_the_last_bit_wherever_they_stand(before: int) -> None:
    rng = np.random.default_rng(before)
    twin, query = rng.normal(size=(5, 32)).astype(np.float32), rng.normal(size=(9, 32)).astype(np.float32)
    others = [rng.normal(size=(int(n), 32)).astype(np.float32) for n in rng.integers(1, 9, before)]

    scores = maxsim(query, TokenVectors.of([twin, *others, twin], 32))

    assert scores[0] == scores[-1]
    assert scores[0] == maxsim(query, TokenVectors.of([twin], 32))[0]
