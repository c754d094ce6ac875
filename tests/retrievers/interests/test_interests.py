"""Queries of several facets: clusters, mixtures and budgets by hand, and a query that one vector can not serve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, InputError
from periti.indexers.dense import DenseConfig, DenseIndex
from periti.protocols import Encoded, EncoderIdentity, Vectors
from periti.retrievers.dense import DenseRetriever
from periti.retrievers.interests.clauses import clauses
from periti.retrievers.interests.clusters import nearest, spherical_centroids
from periti.retrievers.interests.mixture import mixture, spend
from periti.retrievers.interests.retriever import InterestOptions, MultiInterestRetriever, falling
from periti.types import Coverage, Queries
from tests.tiny import IDENTITY, Tiny, dense_index

FIRST, SECOND, THIRD = np.eye(3, dtype=np.float32)


# clauses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("does vitamin D prevent falls?", ["does vitamin D prevent falls?"]),
        ("Adults with pain; opioid treatment", ["Adults with pain", "opioid treatment"]),
        ("We study statins. Outcomes: falls, 2.5 years.", ["We study statins.", "Outcomes: falls, 2.5 years."]),
        ("Objective: find trials.\nTitle. More words here", ["Objective: find trials. Title.", "More words here"]),
        ("Title. More words here; last part", ["Title. More words here", "last part"]),
        ("a;b;c", ["a;b;c"]),
        (";;", [";;"]),
        ("  ", ["  "]),
    ],
)  # fmt: skip
def test_a_query_is_divided_where_a_new_sentence_begins(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


@given(st.text(alphabet="ab .;!\n", max_size=40))
def test_no_word_is_lost(text: str) -> None:
    found = clauses(text)

    assert re.findall(r"\w+", " ".join(found)) == re.findall(r"\w+", text)
    assert len(found) >= 1


# clusters


def test_clusters_go_by_direction_and_not_by_length() -> None:
    vectors = np.stack([FIRST, 9 * FIRST + SECOND, SECOND * 5, SECOND + FIRST / 9])
    centroids = spherical_centroids(vectors, 2, np.random.default_rng(0))

    labels = nearest(vectors, centroids)
    assert labels[0] == labels[1] != labels[2] == labels[3]
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1)
    mean = np.array([1 + 9 / np.sqrt(82), 1 / np.sqrt(82), 0])
    np.testing.assert_allclose(centroids[int(labels[0])], mean / np.linalg.norm(mean), atol=1e-6)


def test_one_cluster_is_the_mean_direction() -> None:
    centroids = spherical_centroids(np.stack([FIRST, SECOND]), 1, np.random.default_rng(0))

    np.testing.assert_allclose(centroids, [[np.sqrt(0.5), np.sqrt(0.5), 0]], atol=1e-7)


def test_there_are_no_more_clusters_than_different_vectors() -> None:
    assert len(spherical_centroids(np.stack([FIRST] * 5), 4, np.random.default_rng(0))) == 1
    with pytest.raises(InputError, match="0 vectors can not be grouped into 4"):
        spherical_centroids(np.empty((0, 3), np.float32), 4, np.random.default_rng(0))


# mixtures


CENTROIDS = np.eye(3)


def test_a_mixture_by_hand() -> None:
    items = np.stack([FIRST, FIRST + SECOND / 4, SECOND, 2 * FIRST])
    found = mixture(items, CENTROIDS)

    assert found.clusters.tolist() == [0, 1]
    np.testing.assert_allclose(found.shares, [3 / 4, 1 / 4])
    np.testing.assert_allclose(found.vectors, np.array([[4 / 3, 1 / 12, 0], [0, 1, 0]]), atol=1e-7)


def test_smoothing_adds_what_neighbours_like() -> None:
    neighbours = [np.stack([FIRST, THIRD]), np.stack([THIRD])]
    found = mixture(np.stack([FIRST, SECOND]), CENTROIDS, neighbours, smoothing=0.4)

    # .6 · (1/2, 1/2, 0) + .4 · ((1/2, 0, 1/2) + (0, 0, 1)) / 2
    np.testing.assert_allclose(found.shares, [0.4, 0.3, 0.3])
    np.testing.assert_allclose(found.vectors, CENTROIDS)


def test_without_smoothing_neighbours_do_not_count_and_with_all_of_it_only_they_do() -> None:
    items, neighbours = np.stack([FIRST, SECOND]), [np.stack([THIRD])]

    assert mixture(items, CENTROIDS, neighbours, smoothing=0).clusters.tolist() == [0, 1]
    assert mixture(items, CENTROIDS, neighbours, smoothing=1).clusters.tolist() == [2]


def test_one_cluster_asks_with_the_mean_of_the_items() -> None:
    items = np.stack([FIRST, SECOND, SECOND])

    np.testing.assert_allclose(mixture(items, CENTROIDS[:1]).vectors[0], [1 / 3, 2 / 3, 0], atol=1e-7)
    np.testing.assert_array_equal(mixture(items[:1], CENTROIDS[:1]).vectors, items[:1])


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_smoothing_out_of_range_is_refused(smoothing: float) -> None:
    with pytest.raises(InputError, match="must be between 0 and 1"):
        mixture(np.stack([FIRST]), CENTROIDS, smoothing=smoothing)


def test_somebody_without_items_is_refused() -> None:
    with pytest.raises(InputError, match="no interests"):
        mixture(np.empty((0, 3), np.float32), CENTROIDS)


# budgets


def spent(lists: Sequence[Sequence[int]], shares: Sequence[float], budget: int) -> list[int]:
    ordinals = np.array(lists, np.int64)
    return [int(ordinals[row, column]) for row, column in spend(ordinals, np.array(shares), budget)]


def test_a_budget_by_hand() -> None:
    # Quotas 2 and 2, turns 0 1 0 1; 7 is in both lists and counts for whoever comes first.
    assert spent([[7, 1, 2, 3], [7, 4, 5, 6]], [0.5, 0.5], 4) == [7, 4, 1, 5]
    # Quotas 3 and 1, at 1/6, 3/6, 5/6 and at 1/2
    assert spent([[1, 2, 3, 4], [5, 6, 7, 8]], [0.75, 0.25], 4) == [1, 2, 5, 3]


def test_an_exhausted_interest_is_refilled_by_the_others() -> None:
    assert spent([[1, -1, -1, -1], [5, 6, 7, 8]], [0.5, 0.5], 4) == [1, 5, 6, 7]
    assert spent([[1, -1, -1, -1], [1, 2, -1, -1]], [0.5, 0.5], 4) == [1, 2]
    # Too small for a place of its own, but better than an empty place
    assert spent([[1, -1], [5, 6]], [0.99, 0.01], 2) == [1, 5]


@given(st.lists(st.permutations(range(12)), min_size=1, max_size=4), st.integers(1, 12), st.data())
def test_a_budget_is_spent_in_full_without_repetition(lists: list[list[int]], budget: int, data: st.DataObject) -> None:
    shares = [data.draw(st.floats(0.05, 1)) for _ in lists]
    found = spent(lists, shares, budget)

    assert len(found) == len(set(found)) == budget
    if len(lists) == 1:
        assert found == lists[0][:budget]


def test_scores_fall_strictly() -> None:
    fallen = falling(np.array([0.5, 0.7, 0.7, 0.7], np.float32))

    assert (np.diff(fallen) < 0).all()
    np.testing.assert_allclose(fallen, [0.7, 0.7, 0.7, 0.5], atol=1e-6)


# the retriever


class Words:
    """An encoder whose vector of a text is the mean of the vectors of its words."""

    def __init__(self, words: dict[str, NDArray[np.float32]]) -> None:
        self._words = words

    @property
    def identity(self) -> EncoderIdentity:
        return replace(IDENTITY, dimension=len(next(iter(self._words.values()))))

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        rows = [np.mean([self._words[word] for word in text.replace(";", " ").split()], axis=0) for text in texts]
        return Encoded(np.array(rows, np.float32), Coverage(len(texts)))

    encode_documents = encode_queries

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        return Coverage(len(texts))


D = 16


def around(centre: NDArray[np.float32], count: int, rng: np.random.Generator) -> Vectors:
    vectors = centre + 0.25 * rng.normal(size=(count, D)) / np.sqrt(D)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture
def facets(tmp_path: Path) -> tuple[DenseIndex, Words]:
    """20 documents on pain, 20 on opioids, 40 between the two that answer neither, 60 on something else."""
    rng = np.random.default_rng(3)
    axes = np.eye(D, dtype=np.float32)
    between = (axes[0] + axes[1]) / np.sqrt(2)
    kinds = [("pain", axes[0], 20), ("opioid", axes[1], 20), ("between", between, 40), ("else", axes[2], 60)]
    vectors = np.concatenate([around(centre, count, rng) for _, centre, count in kinds])
    ids = [f"{name}-{i}" for name, _, count in kinds for i in range(count)]
    words = {"pain": axes[0], "opioid": axes[1], "else": axes[2]}
    return dense_index(vectors, ids, tmp_path / "facets", DenseConfig(metric="cosine")), Words(words)


TWO = Queries.from_pairs([("q", "pain pain; opioid opioid")])


def recall(doc_ids: Sequence[str]) -> float:
    return sum(doc_id.startswith(("pain", "opioid")) for doc_id in doc_ids) / 40


@pytest.mark.parametrize("k", [10, 20, 40])
def test_two_facets_find_what_one_vector_does_not(facets: tuple[DenseIndex, Words], k: int) -> None:
    index, encoder = facets
    single = DenseRetriever(index, encoder).retrieve(TWO, k).doc_ids("q")
    several = MultiInterestRetriever(index, encoder, InterestOptions(budget=40, clusters=8)).retrieve(TWO, k)

    assert recall(single) == 0, "the vector between both finds what lies between"
    assert recall(several.doc_ids("q")) >= 0.9 * k / 40
    by_facet = [sum(doc.startswith(name) for doc in several.doc_ids("q")) for name in ("pain", "opioid")]
    assert max(by_facet) - min(by_facet) <= 1


@pytest.mark.parametrize("text", ["pain pain; opioid opioid", "pain opioid", "else else pain"])
def test_one_cluster_without_smoothing_is_the_dense_retriever(facets: tuple[DenseIndex, Words], text: str) -> None:
    index, encoder = facets
    queries = Queries.from_pairs([("q", text)])
    one = MultiInterestRetriever(index, encoder, InterestOptions(clusters=1))

    assert_frame_equal(
        one.retrieve(queries, 30).frame, DenseRetriever(index, encoder).retrieve(queries, 30).frame, check_exact=True
    )


def test_a_query_of_one_clause_is_the_dense_retriever_s(tiny: Tiny) -> None:
    dense = DenseRetriever.open(tiny.folder / "dense", tiny.docstore, InterestOptions())
    several = MultiInterestRetriever.open(tiny.folder / "dense", tiny.docstore, InterestOptions())

    assert_frame_equal(several.retrieve(tiny.queries, 7).frame, dense.retrieve(tiny.queries, 7).frame, check_exact=True)
    assert several.notes(tiny.queries) == dense.notes(tiny.queries)


def test_smoothing_brings_in_the_clusters_of_near_documents(facets: tuple[DenseIndex, Words]) -> None:
    index, encoder = facets
    options = InterestOptions(budget=40, clusters=8, smoothing=0.5, neighbours=5)
    _, (smoothed,) = MultiInterestRetriever(index, encoder, options).facets(TWO.texts)
    _, (plain,) = MultiInterestRetriever(index, encoder, replace(options, smoothing=0.0)).facets(TWO.texts)

    assert len(plain.shares) == 2
    assert set(plain.clusters) < set(smoothed.clusters)
    assert smoothed.shares.sum() == pytest.approx(1)
    assert sum(smoothed.shares[np.isin(smoothed.clusters, plain.clusters)]) == pytest.approx(0.5)


def test_notes_say_how_many_queries_were_divided(facets: tuple[DenseIndex, Words]) -> None:
    index, encoder = facets
    queries = Queries.from_pairs([("q", "pain pain; opioid opioid"), ("r", "pain")])

    assert MultiInterestRetriever(index, encoder).notes(queries) == {"divided_queries": 1}


def test_other_options_are_another_expert(facets: tuple[DenseIndex, Words]) -> None:
    index, encoder = facets
    prints = [MultiInterestRetriever(index, encoder, InterestOptions(clusters=c)).fingerprint() for c in (4, 4, 5)]

    assert prints[0] == prints[1] != prints[2]


def test_a_depth_beyond_the_budget_is_refused(facets: tuple[DenseIndex, Words]) -> None:
    with pytest.raises(InputError, match="depth is 11, more than the budget of 10"):
        MultiInterestRetriever(*facets, InterestOptions(budget=10)).retrieve(TWO, 11)


@pytest.mark.parametrize(
    "wrong", [{"budget": 0}, {"budget": 20_000}, {"clusters": 0}, {"neighbours": 0}, {"smoothing": 2.0}]
)
def test_settings_that_can_not_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="multi-interest:"):
        InterestOptions(**wrong)  # type: ignore[arg-type]
