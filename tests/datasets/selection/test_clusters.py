"""Spherical k-means on groups that are plain to see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.datasets.selection import clusters as module
from periti.datasets.selection.clusters import assign, k_means
from periti.errors import InputError


def around(means: int, each: int, spread: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(means, 16))
    truth = np.repeat(np.arange(means), each)
    rows = centres[truth] + spread * rng.normal(size=(len(truth), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), truth


def test_groups_that_stand_apart_are_found() -> None:
    vectors, truth = around(6, 30, 0.05)
    centroids, labels = k_means(vectors, 6, seed=1)

    assert len({(a, b) for a, b in zip(labels.tolist(), truth.tolist(), strict=True)}) == 6
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_rows_belong_to_the_most_similar_centroid_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = around(4, 10, 0.5)
    centroids, labels = k_means(vectors, 5, seed=2, iterations=100)
    monkeypatch.setattr(module, "_CELLS", 7)

    np.testing.assert_array_equal(labels, (vectors @ centroids.T).argmax(axis=1))
    np.testing.assert_array_equal(assign(vectors, centroids)[0], labels)


def test_as_many_clusters_as_texts_and_texts_all_alike_end_well() -> None:
    vectors, _ = around(1, 8, 0.5)
    alike = np.repeat(vectors[:1], 8, axis=0)

    assert sorted(k_means(vectors, 8, seed=0)[1].tolist()) == list(range(8))
    assert np.isfinite(k_means(alike, 3, seed=0)[0]).all()


def test_rows_that_cancel_out_keep_a_centroid() -> None:
    vectors = np.array([[1, 0], [-1, 0]], dtype=np.float32)

    np.testing.assert_allclose(np.linalg.norm(k_means(vectors, 1, seed=0)[0], axis=1), 1)


def test_the_same_seed_gives_the_same_clusters() -> None:
    vectors, _ = around(5, 20, 1.0)

    np.testing.assert_array_equal(k_means(vectors, 5, seed=4)[1], k_means(vectors, 5, seed=4)[1])


@pytest.mark.parametrize("count", [0, 9])
def test_an_impossible_number_of_clusters_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"{count} clusters of 8 texts"):
        k_means(around(1, 8, 0.5)[0], count, seed=0)
