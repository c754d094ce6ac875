"""Residual compression: sizes by the formula, buckets by hand, what comes back is near, order is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.encoders.tokens import TokenVectors
from periti.evaluation.correlation import kendall_tau_b
from periti.protocols import Vectors
from periti.rankers.late_interaction.maxsim import maxsim
from periti.rankers.late_interaction.residuals import (
    Codec,
    Reconstruction,
    centroids_for,
    nearest_centroids,
    spherical_means,
)


def clustered(tokens: int, dimension: int = 32, seed: int = 0, topics: int = 20) -> Vectors:
    """Unit vectors around some directions, as contextual token vectors are."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(topics, dimension))
    drawn = middles[rng.integers(0, topics, tokens)] + 0.6 * rng.normal(size=(tokens, dimension))
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (1_000_000, 8192),  # 16 · 1000 = 16,000
        (40_000_000, 65_536),  # 16 · 6325 = 101,193
        (16_384, 2048),  # 16 · 128 = 2048 = 16,384 / 8: where the cap ends
        (1000, 64),  # 16 · 31.6 would be 256, fewer than four tokens each
        (8, 1),
        (1, 1),
        (0, 1),
    ],
)
def test_as_many_centroids_as_plaid_has_and_fewer_for_small_collections(tokens: int, expected: int) -> None:
    assert centroids_for(tokens) == expected


def test_k_means_finds_two_bundles() -> None:
    bundles = np.array([[1, 0.1], [1, -0.1], [-0.1, 1], [0.1, 1]], np.float32)
    bundles /= np.linalg.norm(bundles, axis=1, keepdims=True)

    for seed in range(6):
        means = spherical_means(bundles, 2, seed)
        owner = nearest_centroids(bundles, means)
        if owner[0] == owner[1] != owner[2] == owner[3]:
            np.testing.assert_allclose(np.sort(means, axis=0), [[0, 0], [1, 1]], atol=1e-6)
            break
    else:
        pytest.fail("no start of six finds the bundles")


def test_a_centroid_without_vectors_stays_and_nothing_is_nan() -> None:
    same = np.tile(np.array([[0, 1]], np.float32), (5, 1))

    np.testing.assert_array_equal(spherical_means(same, 3, 0), same[:3])
    assert np.isfinite(Codec.fitted(same, 3, 2, seed=0).decode(*Codec.fitted(same, 3, 2, seed=0).encode(same))).all()


def test_buckets_by_hand() -> None:
    """One centroid (1, 0, 0, 0); residuals -.3, -.05, .05, .3 fall into the four buckets in order: 00 01 10 11."""
    codec = Codec(
        np.array([[1, 0, 0, 0]], np.float32),
        np.array([-0.1, 0, 0.1], np.float32),
        np.array([-0.2, -0.05, 0.05, 0.2], np.float32),
    )
    vector = np.array([[0.7, -0.05, 0.05, 0.3]], np.float32)

    owner, packed = codec.encode(vector)

    assert codec.nbits == 2
    assert (owner.tolist(), packed.tolist()) == ([0], [[0b00_01_10_11]])
    expected = np.array([[0.8, -0.05, 0.05, 0.2]])
    np.testing.assert_allclose(codec.decode(owner, packed), expected / np.linalg.norm(expected), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(nbits=st.sampled_from([1, 2, 4]), dimension=st.integers(1, 19), seed=st.integers(0, 1000))
def test_every_bucket_comes_back_whatever_the_width(nbits: int, dimension: int, seed: int) -> None:
    """Residuals that lie in the middle of buckets are coded without loss; dimensions need not fill bytes."""
    rng = np.random.default_rng(seed)
    weights = np.arange(2**nbits, dtype=np.float32) - (2**nbits - 1) / 2
    codec = Codec(np.zeros((1, dimension), np.float32), (weights[1:] + weights[:-1]) / 2, weights)
    vectors = weights[rng.integers(0, 2**nbits, (7, dimension))]

    owner, packed = codec.encode(vectors)

    assert packed.shape == (7, -(-dimension * nbits // 8))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(codec.decode(owner, packed), unit, atol=1e-6)


def test_more_bits_bring_vectors_back_nearer() -> None:
    vectors = clustered(2000)
    found = {}
    for nbits in (1, 2, 4):
        codec = Codec.fitted(vectors, centroids_for(len(vectors)), nbits, seed=1)
        found[nbits] = Reconstruction.measured(vectors, codec.decode(*codec.encode(vectors)))

    assert found[1].mean_squared_error > found[2].mean_squared_error > found[4].mean_squared_error
    assert found[1].mean_cosine > 0.85
    assert found[2].mean_cosine > 0.95
    assert found[4].mean_cosine > 0.99


def test_reconstruction_by_hand() -> None:
    before = np.array([[1, 0], [0, 1]], np.float32)
    after = np.array([[1, 0], [0.6, 0.8]], np.float32)

    found = Reconstruction.measured(before, after)

    assert found.tokens == 2
    assert found.mean_squared_error == pytest.approx((0 + 0.36 + 0.04) / 2)
    assert (found.mean_cosine, found.least_cosine) == pytest.approx((0.9, 0.8))


@pytest.mark.parametrize(("nbits", "bound"), [(1, 0.8), (2, 0.85), (4, 0.92)])
def test_compressed_maxsim_orders_documents_nearly_as_the_exact_one(nbits: int, bound: float) -> None:
    """Kendall's τ over 60 documents, the mean of 20 queries; documents alike in kind, so that scores lie close."""
    documents = TokenVectors(clustered(60 * 25, seed=4), np.arange(0, 60 * 25 + 1, 25))
    codec = Codec.fitted(documents.values, centroids_for(len(documents.values)), nbits, seed=1)
    owner, packed = codec.encode(documents.values)
    compressed = TokenVectors(codec.decode(owner, packed), documents.offsets)
    middles = TokenVectors(codec.centroids[owner], documents.offsets)
    near = documents.values + 0.1 * np.random.default_rng(5).normal(size=documents.values.shape).astype(np.float32)
    queries = [near[start : start + 8] for start in range(0, 160, 8)]

    exact = [maxsim(query, documents) for query in queries]
    agreement = np.mean([kendall_tau_b(e, maxsim(q, compressed)) for q, e in zip(queries, exact, strict=True)])

    assert agreement > bound
    without = np.mean([kendall_tau_b(e, maxsim(q, middles)) for q, e in zip(queries, exact, strict=True)])
    assert agreement > without, "residuals that say nothing would do as well"


def test_the_seed_decides() -> None:
    vectors = clustered(500)

    one, again, other = (Codec.fitted(vectors, 16, 2, seed=seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(one.centroids, again.centroids)
    assert not np.array_equal(one.centroids, other.centroids)
