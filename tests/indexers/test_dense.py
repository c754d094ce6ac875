"""Vectors to neighbours: exact search against a float64 oracle, approximate ones against exact."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.errors import ConfigError, IndexMismatch, InputError
from periti.indexers.approximate import SearchSettings
from periti.indexers.dense import (
    DenseConfig,
    DenseIndex,
    build_faiss,
    factory_string,
    normalised,
)
from periti.indexers.engine import engine
from periti.protocols import Index, Vectors
from tests.tiny import Tiny, dense_index, ranked_ids


def random_vectors(count: int, dimension: int, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def shuffled_ids(count: int) -> list[str]:
    """Ids whose order is not that of the rows."""
    return [f"d{(i * 7919) % count:05}" for i in range(count)]


def decoded(index: DenseIndex) -> NDArray[np.float64]:
    """What the index really stores, read back from FAISS row by row."""
    stored = index._faiss_index
    return np.stack([stored.reconstruct(row) for row in range(len(index))]).astype(np.float64)


def oracle(index: DenseIndex, queries: Vectors, k: int, doc_ids: list[str]) -> list[list[str]]:
    """Every query against every stored vector in float64, rounded once, sorted by (score ↓, id bytes ↓) in Python."""
    vectors = decoded(index)
    answers = []
    for query in queries.astype(np.float64):
        scores = [float(np.float32(vector @ query)) for vector in vectors]
        pairs = sorted(zip(scores, doc_ids, strict=True), key=lambda pair: (pair[0], pair[1].encode()), reverse=True)
        answers.append([doc_id for _, doc_id in pairs[:k]])
    return answers


# exact search


@pytest.mark.parametrize("storage", ["fp32", "fp16", "sq8"])
@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_exact_search_agrees_with_a_float64_oracle_on_every_id(tmp_path: Path, storage: str, metric: str) -> None:
    vectors, ids = random_vectors(700, 48), shuffled_ids(700)
    vectors[100:140] = vectors[:40]
    vectors[200:210] = vectors[0]
    if metric == "cosine":
        vectors = normalised(vectors)
    index = dense_index(vectors, ids, tmp_path, DenseConfig(storage=storage, metric=metric))
    queries = np.concatenate([random_vectors(40, 48, seed=1), vectors[:10]])
    asked = normalised(queries) if metric == "cosine" else queries

    ordinals = index.search(queries, 25)[1]

    assert index.exact
    assert ranked_ids(index, ordinals) == oracle(index, asked, 25, ids)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=3, max_size=3), min_size=1, max_size=40),
    query=st.lists(st.sampled_from([-1.0, 0.0, 1.0, 3.0]), min_size=3, max_size=3),
    k=st.integers(1, 50),
)
def test_ties_of_every_kind_follow_the_one_rule(rows: list[list[float]], query: list[float], k: int) -> None:
    ids = shuffled_ids(len(rows))
    queries = np.array([query], np.float32)
    with tempfile.TemporaryDirectory() as folder:
        index = dense_index(np.array(rows, np.float32), ids, Path(folder) / "c")

        assert ranked_ids(index, index.search(queries, k)[1]) == oracle(index, queries, k, ids)


def test_two_hundred_copies_of_one_vector_come_by_descending_id(tmp_path: Path) -> None:
    """More ties than the candidates first taken, so that the search has to take more."""
    vectors, ids = random_vectors(500, 16), shuffled_ids(500)
    vectors[:200] = vectors[0]
    index = dense_index(vectors, ids, tmp_path)

    found = ranked_ids(index, index.search(vectors[:1], 50)[1])[0]

    assert found == sorted(ids[:200], reverse=True)[:50]


def test_scores_that_differ_below_float32_are_ties(tmp_path: Path) -> None:
    # 1 + 2**-30 is 1 as float32: the larger id comes first, although the other product is larger.
    vectors = np.array([[1.0, 2.0**-15], [1.0, 0.0]], np.float32)
    index = dense_index(vectors, ["a", "b"], tmp_path)

    scores, ordinals = index.search(np.array([[1.0, 2.0**-15]], np.float32), 2)

    assert ranked_ids(index, ordinals) == [["b", "a"]]
    assert scores[0].tolist() == [1.0, 1.0]


def test_scores_are_the_float64_products_rounded_once(tmp_path: Path) -> None:
    vectors = random_vectors(100, 33)
    index = dense_index(vectors, shuffled_ids(100), tmp_path)
    queries = random_vectors(5, 33, seed=1)

    scores, ordinals = index.search(queries, 10)

    for query, row, found in zip(queries, ordinals, scores, strict=True):
        expected = (vectors[row].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("storage", ["fp32", "sq8"])
def test_the_top_k_is_the_beginning_of_the_top_k_plus_one(tmp_path: Path, storage: str) -> None:
    vectors = random_vectors(300, 8)
    vectors[50:120] = vectors[:70]
    index = dense_index(vectors, shuffled_ids(300), tmp_path, DenseConfig(storage=storage, metric="ip"))
    queries = vectors[:30]
    scores, ordinals = index.search(queries, 300)

    for k in (1, 2, 3, 10, 17, 64, 299):
        np.testing.assert_array_equal(index.search(queries, k)[0], scores[:, :k])
        np.testing.assert_array_equal(index.search(queries, k)[1], ordinals[:, :k])


def test_hits_beyond_those_that_exist_are_padding(tmp_path: Path) -> None:
    index = dense_index(random_vectors(3, 4), ["a", "b", "c"], tmp_path)

    scores, ordinals = index.search(random_vectors(2, 4, seed=1), 5)

    assert scores.dtype == np.float32
    assert ordinals.dtype == np.int64
    assert scores.shape == (2, 5)
    assert (ordinals[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()
    assert sorted(ordinals[0, :3].tolist()) == [0, 1, 2]


def test_a_zero_vector_is_a_query_like_any_other(tmp_path: Path) -> None:
    vectors = random_vectors(20, 4)
    index = dense_index(normalised(vectors), shuffled_ids(20), tmp_path, DenseConfig(metric="cosine"))

    scores, ordinals = index.search(np.zeros((1, 4), np.float32), 20)

    assert (scores == 0).all()
    assert ranked_ids(index, ordinals)[0] == sorted(shuffled_ids(20), reverse=True)


def test_cosine_does_not_depend_on_the_length_of_the_query(tmp_path: Path) -> None:
    index = dense_index(normalised(random_vectors(50, 8)), shuffled_ids(50), tmp_path, DenseConfig(metric="cosine"))
    query = random_vectors(1, 8, seed=1)

    np.testing.assert_array_equal(index.search(query, 10)[0], index.search(query * 4, 10)[0])


def test_normalising_gives_unit_length_and_leaves_zero_and_the_input_alone() -> None:
    given_vectors = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)

    np.testing.assert_allclose(normalised(given_vectors), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-7)
    assert given_vectors.tolist() == [[3.0, 4.0], [0.0, 0.0]]


# batches and threads

EVERY = {
    "exact": DenseConfig(metric="ip"),
    "fp16": DenseConfig(metric="ip", storage="fp16"),
    "sq8": DenseConfig(metric="ip", storage="sq8"),
    "hnsw": DenseConfig(preset="hnsw", metric="ip"),
    "hnsw-sq8": DenseConfig(preset="hnsw", metric="ip", storage="sq8"),
    "ivf-fastscan": DenseConfig(preset="ivf-fastscan", metric="ip"),
    "ivf": DenseConfig(metric="ip", factory="IVF16,Flat"),
    "pca": DenseConfig(metric="ip", factory="PCA16,Flat"),
}


@pytest.mark.parametrize("name", EVERY)
def test_answers_depend_on_neither_batch_nor_order_nor_threads(tmp_path: Path, name: str) -> None:
    vectors = normalised(random_vectors(1500, 32))
    vectors[700:900] = vectors[:200]
    index = dense_index(vectors, shuffled_ids(1500), tmp_path, EVERY[name])
    queries = np.concatenate([normalised(random_vectors(60, 32, seed=1)), vectors[:40]])
    faiss = engine()
    threads = faiss.omp_get_max_threads()
    alone = [index.search(queries[i : i + 1], 20) for i in range(len(queries))]
    scores, ordinals = (np.concatenate([answer[part] for answer in alone]) for part in (0, 1))
    order = np.random.default_rng(2).permutation(len(queries))

    try:
        for number in (1, 2, 4):
            faiss.omp_set_num_threads(number)
            for places in (np.arange(len(queries)), order, order[:21]):
                mixed = index.search(queries[places], 20)
                np.testing.assert_array_equal(mixed[1], ordinals[places])
                np.testing.assert_array_equal(mixed[0], scores[places])
    finally:
        faiss.omp_set_num_threads(threads)


def test_searching_leaves_the_queries_as_they_were(tmp_path: Path) -> None:
    index = dense_index(normalised(random_vectors(30, 8)), shuffled_ids(30), tmp_path, DenseConfig(metric="cosine"))
    queries = random_vectors(4, 8, seed=1)
    before = queries.copy()

    index.search(queries, 3)

    np.testing.assert_array_equal(queries, before)


def test_queries_in_any_memory_layout_are_the_same_queries(tmp_path: Path) -> None:
    index = dense_index(random_vectors(30, 8), shuffled_ids(30), tmp_path)
    queries = random_vectors(4, 8, seed=1)

    layouts: tuple[Any, ...] = (np.asfortranarray(queries), np.repeat(queries, 2, 0)[::2], queries.astype(np.float64))
    for same in layouts:
        np.testing.assert_array_equal(index.search(same, 3)[1], index.search(queries, 3)[1])


# approximate search


@pytest.mark.parametrize(("name", "floor"), [("hnsw", 0.95), ("hnsw-sq8", 0.9), ("ivf-fastscan", 0.9), ("ivf", 0.95)])
def test_an_approximate_index_finds_at_least_its_share_of_the_true_neighbours(
    tmp_path: Path, name: str, floor: float
) -> None:
    # Clustered, as text is: 60 centres with 40 documents around each.
    centres = random_vectors(60, 32)
    vectors = normalised(np.repeat(centres, 40, axis=0) + 0.5 * random_vectors(2400, 32, seed=1))
    queries = normalised(centres + 0.5 * random_vectors(60, 32, seed=2))
    ids = shuffled_ids(2400)
    exact = dense_index(vectors, ids, tmp_path / "exact")
    index = dense_index(vectors, ids, tmp_path / "approximate", EVERY[name])

    truth, found = (ranked_ids(i, i.search(queries, 10)[1]) for i in (exact, index))

    assert not index.exact
    assert np.mean([len({*a} & {*b}) / 10 for a, b in zip(truth, found, strict=True)]) >= floor


def test_looking_harder_finds_more(tmp_path: Path) -> None:
    vectors, ids = normalised(random_vectors(3000, 32)), shuffled_ids(3000)
    queries = normalised(random_vectors(50, 32, seed=1))
    exact = dense_index(vectors, ids, tmp_path / "exact")
    truth = exact.search(queries, 10)[1]
    shares = []
    for i, nprobe in enumerate((1, 64)):
        settings_ = SearchSettings(nprobe=nprobe)
        index = dense_index(vectors, ids, tmp_path / str(i), DenseConfig(metric="ip", factory="IVF64,Flat"), settings_)
        found = index.search(queries, 10)[1]
        shares.append(np.mean([len({*a} & {*b}) / 10 for a, b in zip(truth, found, strict=True)]))

    assert shares[0] < 0.6
    assert shares[1] == 1.0, "all 64 lists are looked at"


def test_settings_of_one_searcher_do_not_reach_another(tmp_path: Path) -> None:
    vectors, ids = normalised(random_vectors(1500, 16)), shuffled_ids(1500)
    config = DenseConfig(metric="ip", factory="IVF32,Flat")
    hard = dense_index(vectors, ids, tmp_path / "c", config, SearchSettings(nprobe=32))
    queries = normalised(random_vectors(20, 16, seed=1))
    before = hard.search(queries, 10)[1]

    lazy = DenseIndex(hard.folder, hard.ids, hard.manifest.corpus_digest, SearchSettings(nprobe=1))
    lazy.search(queries, 10)

    np.testing.assert_array_equal(hard.search(queries, 10)[1], before)


def test_building_twice_gives_the_same_answers(tmp_path: Path) -> None:
    vectors, ids = normalised(random_vectors(1200, 16)), shuffled_ids(1200)
    queries = normalised(random_vectors(20, 16, seed=1))
    for name in ("ivf-fastscan", "exact"):
        first, second = (dense_index(vectors, ids, tmp_path / f"{name}{i}", EVERY[name]) for i in (1, 2))
        np.testing.assert_array_equal(first.search(queries, 10)[1], second.search(queries, 10)[1])


@pytest.mark.parametrize(
    "factory",
    [
        "PCA24,Flat", "PCAR24,IVF16,Flat", "IVF16,SQ8", "IVF16_HNSW8,PQ8x4fs,RFlat", "IVF16,PQ8x4fs,Refine(SQ8)",
        "IVF16,SQ4,Refine(SQfp16)", "PQ8x4fs", "PQ8x4fs,RFlat", "NSG16", "HNSW16,SQ8,Refine(SQfp16)", "SQ4", "SQbf16",
        "RQ4x8", "IVF16,RaBitQ", "L2norm,Flat",
    ],
)  # fmt: skip
def test_any_factory_of_inner_products_finds_vectors_by_themselves_alone_as_in_a_batch(
    tmp_path: Path, factory: str
) -> None:
    vectors, ids = normalised(random_vectors(2000, 32)), shuffled_ids(2000)
    index = dense_index(vectors, ids, tmp_path / "c", DenseConfig(metric="ip", factory=factory))
    queries = vectors[:40]

    scores, ordinals = index.search(queries, 10)

    assert np.mean(ordinals[:, 0] == np.arange(40)) > 0.7, "codes of a few bytes confuse some neighbours"
    assert (np.diff(scores) <= 0).all()
    alone = [index.search(queries[i : i + 1], 10) for i in range(40)]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in alone]), ordinals)
    np.testing.assert_array_equal(np.concatenate([values for values, _ in alone]), scores)


# what is refused


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        ("HNSW16_PQ8", "FAISS searches 'HNSW16_PQ8' by L2 distance and not by inner product"),
        ("NSG16,PQ8,RFlat", "FAISS searches 'NSG16,PQ8,RFlat' by L2 distance"),
        ("IDMap,Flat", "'IDMap,Flat' wants ids of its own, rows have theirs; leave IDMap out"),
        ("IDMap2,HNSW16", "leave IDMap out"),
    ],
)
def test_a_factory_that_would_answer_wrongly_is_refused(factory: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_faiss(iter([]), DenseConfig(factory=factory), dimension=32, documents=5000)


def test_an_inverted_file_of_too_few_documents_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs at least 1,000 documents to train on, found 999; use exact"):
        factory_string(DenseConfig(preset="ivf-fastscan"), 384, 999)


def test_a_factory_that_needs_more_training_vectors_is_refused() -> None:
    vectors = random_vectors(10, 8)

    with pytest.raises(ConfigError, match="10 vectors are too few to train 'IVF64,Flat'"):
        build_faiss(iter([vectors]), DenseConfig(factory="IVF64,Flat"), dimension=8, documents=10)


@pytest.mark.parametrize("factory", ["Flatt", "IVF,Flat", "PQ7", "???"])
def test_a_factory_string_that_faiss_does_not_know_is_refused(factory: str) -> None:
    with pytest.raises(ConfigError, match="FAISS does not know the factory string"):
        build_faiss(iter([]), DenseConfig(factory=factory), dimension=8, documents=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "fast"}, "no preset 'fast'; known: exact, hnsw, ivf-fastscan"),
        ({"storage": "fp8"}, "no storage 'fp8'; known: fp32, fp16, sq8"),
        ({"metric": "l2"}, "no metric 'l2'; known: cosine, ip"),
        ({"preset": "ivf-fastscan", "storage": "sq8"}, "leave storage at fp32"),
    ],
)
def test_a_configuration_that_does_not_exist_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DenseConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [{"ef_search": 0}, {"nprobe": -1}, {"k_factor": 0.5}, {"k_factor": float("nan")}])
def test_search_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="each must be at least 1"):
        SearchSettings(**bad)  # type: ignore[arg-type]


@pytest.fixture
def small(tmp_path: Path) -> DenseIndex:
    return dense_index(random_vectors(5, 4), list("abcde"), tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_vector_that_is_not_finite_is_refused(small: DenseIndex, value: float) -> None:
    queries = random_vectors(3, 4)
    queries[1, 2] = value

    with pytest.raises(InputError, match="holds NaN or infinity"):
        small.search(queries, 2)


@pytest.mark.parametrize("shape", [(2, 5), (4,), (1, 1, 4)])
def test_query_vectors_of_another_shape_are_refused(small: DenseIndex, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"have shape .*, the index needs \(q, 4\)"):
        small.search(np.zeros(shape, np.float32), 2)


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_k_out_of_range_is_refused(small: DenseIndex, k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}; it must be between 1 and 10,000"):
        small.search(np.zeros((1, 4), np.float32), k)


def test_no_queries_give_no_rows(small: DenseIndex) -> None:
    scores, ordinals = small.search(np.empty((0, 4), np.float32), 3)

    assert scores.shape == ordinals.shape == (0, 3)


def test_the_index_of_another_corpus_is_a_mismatch(tiny: Tiny) -> None:
    with pytest.raises(IndexMismatch, match="indexes another corpus than the docstore beside it"):
        DenseIndex(tiny.folder / "dense", tiny.docstore.ids, "0" * 64)


def test_a_dense_index_is_an_index(small: DenseIndex) -> None:
    assert isinstance(small, Index)
    assert len(small) == 5


def test_documents_without_vectors_do_not_shift_the_others(tiny: Tiny) -> None:
    """The empty document has no vector, so rows and ordinals differ from it on."""
    index = DenseIndex(tiny.folder / "dense", tiny.docstore.ids, tiny.docstore.corpus_digest)
    stored = decoded(index).astype(np.float32)

    best = ranked_ids(index, index.search(stored, 1)[1])

    with_text = [document.doc_id for document in tiny.docstore if document.default_text()]
    expected = ["twin-d" if doc_id.startswith("twin") else doc_id for doc_id in with_text]
    assert [ids[0] for ids in best] == expected
