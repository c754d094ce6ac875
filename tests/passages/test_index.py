"""A passage index answers with the true documents: against scoring every passage, under every rule."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.encoders import load_sentence_transformer
from periti.errors import ConfigError, EncoderError, IndexMismatch
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseConfig, DenseIndex, build_faiss, config_facts, is_exact, write_dense
from periti.indexers.docstore import Docstore, write_docstore
from periti.indexers.encoding import EncoderSource
from periti.indexers.manifest import Manifest, read_manifest, write_manifest
from periti.indexers.passages import KIND, PassageIndex, splitter_of
from periti.passages.aggregation import RULES, Aggregation, padded
from periti.passages.splitting import PassageConfig
from periti.pipeline import open_pipeline
from periti.retrievers.passages import PassageRetriever
from periti.types import Document, Queries
from tests.tiny import DOCUMENTS, IDENTITY, QUERIES, save_bert

Matrix = np.ndarray


def opened(vectors: Matrix, owners: Matrix, folder: Path, preset: str = "exact") -> DenseIndex:
    """An index of given passage vectors; document i is called d<i>."""
    (folder / "docstore").mkdir(parents=True)
    (folder / KIND).mkdir()
    write_docstore((Document(f"d{i}", "text") for i in range(owners.max() + 2)), folder / "docstore", {})
    docstore = Docstore.open(folder / "docstore")
    config = DenseConfig(metric="ip", preset=preset)
    index = build_faiss(iter([vectors]), config, dimension=vectors.shape[1], documents=len(vectors))
    write_dense(index, owners, folder / KIND)
    facts = {
        "encoder": {**asdict(IDENTITY), "dimension": vectors.shape[1]},
        "exact": is_exact(index),
        "largest_norm": float(np.linalg.norm(vectors, axis=1).max()),
    }
    write_manifest(
        folder / KIND, Manifest(KIND, docstore.corpus_digest, len(docstore), config_facts(config), "", facts)
    )
    return DenseIndex(folder / KIND, docstore.ids, docstore.corpus_digest, kind=KIND)


def corpus(seed: int, documents: int, *, coarse: bool) -> tuple[Matrix, Matrix]:
    """Vectors of passages and their owners; every third document has no passage, coarse vectors tie often."""
    rng = np.random.default_rng(seed)
    counts = np.where(np.arange(documents) % 3 == 2, 0, rng.integers(1, 9, documents))
    owners = np.repeat(np.arange(documents), counts)
    vectors = rng.standard_normal((len(owners), 4))
    return (np.round(vectors) if coarse else vectors).astype(np.float32), owners


def by_brute_force(index: DenseIndex, vectors: Matrix, owners: Matrix, query: Matrix, rule: Aggregation) -> list[str]:
    """All documents with passages in the one order."""
    scores = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    held = np.unique(owners)
    values = rule(*padded(scores, np.searchsorted(held, owners), len(held))).astype(np.float32)
    return [f"d{d}" for _, _, d in sorted(zip(-values, index.ids.tie_rank[held], held, strict=True))]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("coarse", [False, True])
def test_the_best_documents_are_those_of_scoring_every_passage(tmp_path: Path, rule: str, *, coarse: bool) -> None:
    vectors, owners = corpus(3, 90, coarse=coarse)
    passages = opened(vectors, owners, tmp_path)
    aggregation = Aggregation(rule, k=2, decay=0.6)
    index = PassageIndex(passages, aggregation)
    rng = np.random.default_rng(1)
    asked = rng.standard_normal((6, 4)).astype(np.float32)
    asked = np.round(asked) if coarse else asked

    for k in (1, 3, 10, 60, 100):
        scores, ordinals = index.search(asked, k)
        for query, own_scores, own in zip(asked, scores, ordinals, strict=True):
            truth = by_brute_force(passages, vectors, owners, query, aggregation)[:k]
            assert [f"d{o}" for o in own if o >= 0] == truth
            assert np.isneginf(own_scores[own < 0]).all()
            assert len(truth) == min(k, len(index))


@settings(max_examples=15)
@given(seed=st.integers(0, 99))
def test_maxp_by_first_sight_is_maxp_by_all_passages(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    vectors, owners = corpus(seed, 40, coarse=seed % 2 == 0)
    passages = opened(vectors, owners, tmp_path_factory.mktemp("maxp") / "i")
    query = np.random.default_rng(seed).standard_normal((1, 4)).astype(np.float32)
    sight, every = PassageIndex(passages), PassageIndex(passages, Aggregation("top-mean", k=1))

    for one, other in zip(sight.search(query, 12), every.search(query, 12), strict=True):
        np.testing.assert_array_equal(one, other)


def test_few_passages_are_fetched_where_few_are_needed(tmp_path: Path) -> None:
    vectors, owners = corpus(5, 600, coarse=False)
    passages = opened(vectors, owners, tmp_path)
    query = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    found = PassageIndex(passages).find(query, 5)

    assert (found.fetched < len(passages) / 10).all()
    assert (found.fetched >= 5).all()


def test_one_document_that_fills_the_top_makes_it_fetch_more(tmp_path: Path) -> None:
    """200 passages of d0 stand above every other document: the first fetch sees d0 alone."""
    close = np.tile(np.array([[1.0, 0.0]], np.float32), (200, 1))
    far = np.array([[0.5, 0.0], [0.4, 0.0], [0.3, 0.0]], np.float32)
    owners = np.array([0] * 200 + [1, 2, 3])
    found = PassageIndex(opened(np.concatenate([close, far]), owners, tmp_path)).find(
        np.array([[1.0, 0.0]], np.float32), 3
    )

    assert found.ordinals[0].tolist() == [0, 1, 2]
    assert found.fetched[0] == 203


def test_an_approximate_index_answers_maxp_only(tmp_path: Path) -> None:
    vectors, owners = corpus(7, 90, coarse=False)
    passages = opened(vectors, owners, tmp_path, preset="hnsw")
    query = np.random.default_rng(2).standard_normal((2, 4)).astype(np.float32)
    _, ordinals = PassageIndex(passages).search(query, 10)

    assert all(len(set(row)) == 10 for row in ordinals.tolist())
    with pytest.raises(ConfigError, match="'sum' needs all passages"):
        PassageIndex(passages, Aggregation("sum"))


# built and opened as users do


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("model"), spread=0.5)


LONG = [
    *DOCUMENTS,
    Document("long-1", "Whales sing. " * 12 + "Insulin lowers sugar.", title="Whales"),
    Document("long-2", "The court dismissed the appeal. " * 9),
]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    folder = tmp_path_factory.mktemp("built") / "collection"
    source = EncoderSource("sentence-transformers", {"model": str(model)})
    config = PassageConfig(length=24, stride=16, most=6, title_tokens=4)
    build_collection(LONG, folder, BuildConfig("long", lexical=None, encoder=source, passages=config))
    return folder


def test_a_collection_of_passages_is_built_told_and_searched(collection: Path, model: Path) -> None:
    manifest = read_manifest(collection / KIND, KIND)
    pipeline = open_pipeline(collection)
    split = splitter_of(load_sentence_transformer(str(model)), PassageConfig(24, 16, 6, 4)).split(LONG)
    filled = sum(bool(document.default_text()) for document in LONG)

    assert manifest.facts["docs_capped"] == split.notes["docs_capped"] >= 2
    assert manifest.facts["capped_tokens"] == split.notes["capped_tokens"] > 0
    assert manifest.facts["texts"] == len(split.texts) - 1, "one document is empty"
    assert manifest.facts["truncated_texts"] == 0, "passages are what the encoder can read"
    assert manifest.config["passages"] == {"length": 24, "stride": 16, "most": 6, "title_tokens": 4}
    assert not (collection / "dense").exists()
    for query_id in QUERIES.ids:
        found = pipeline.search(QUERIES, 100).doc_ids(query_id)
        assert len(found) == len(set(found)) == filled


def test_a_dense_retriever_refuses_an_index_of_passages(collection: Path) -> None:
    from periti.retrievers.dense import DenseRetriever

    docstore = Docstore.open(collection / "docstore")
    with pytest.raises(IndexMismatch, match="holds a passages index where a dense index"):
        DenseRetriever.open(collection / KIND, docstore, DenseRetriever.Options())


def test_passages_reach_what_truncation_can_not(collection: Path, model: Path) -> None:
    """The passage of long-1 that speaks of insulin is, word for word, the query."""
    docstore = Docstore.open(collection / "docstore")
    retriever = PassageRetriever.open(collection / KIND, docstore, PassageRetriever.Options())
    split = splitter_of(load_sentence_transformer(str(model)), PassageConfig(24, 16, 6, 4)).split([LONG[-2]])
    run = retriever.retrieve(Queries.from_pairs([("q", split.texts[4])]), 1)

    assert run.doc_ids("q") == ["long-1"]
    assert run.frame["score"][0] == pytest.approx(1.0, abs=1e-5)


def test_scores_depend_on_what_the_fingerprint_tells(collection: Path) -> None:
    docstore = Docstore.open(collection / "docstore")
    plain = PassageRetriever.Options()
    one, same, other = (
        PassageRetriever.open(collection / KIND, docstore, options)
        for options in (plain, replace(plain), replace(plain, aggregation="sum"))
    )

    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_what_can_not_be_is_refused(model: Path) -> None:
    encoder = load_sentence_transformer(str(model))
    with pytest.raises(ConfigError, match="31 tokens and 0 of the title, but the encoder 'model' has room for 30"):
        splitter_of(encoder, PassageConfig(31))
    prompted = load_sentence_transformer(str(model), document_prompt="abc ")
    with pytest.raises(ConfigError, match="has room for 27"):
        splitter_of(prompted, PassageConfig(30))
    with pytest.raises(ConfigError, match="rows of the dense index"):
        BuildConfig("x", dense=None, passages=PassageConfig())
    with pytest.raises(ConfigError, match="no aggregation 'best'"):
        PassageRetriever.Options(aggregation="best")

    class Mute:
        identity = encoder.identity

    with pytest.raises(EncoderError, match="shows no tokenizer"):
        splitter_of(Mute(), PassageConfig())  # type: ignore[arg-type]  # an encoder of another package
