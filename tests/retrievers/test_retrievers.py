"""Indexes to runs: row numbers become ids, and an index only answers to its own encoder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from periti.encoders import load_sentence_transformer, minilm
from periti.errors import ConfigError, IndexMismatch, SchemaError
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.pipeline import open_pipeline
from periti.protocols import Encoded, EncoderIdentity
from periti.retrievers.dense import DenseOptions, DenseRetriever
from periti.retrievers.experts import Expert
from periti.retrievers.lexical import LexicalOptions, LexicalRetriever
from periti.retrievers.policies import AllExperts
from periti.retrievers.routers import ConstantRouter
from periti.retrievers.runs import run_of_arrays
from periti.types import RUN, Document, Queries, Run
from tests.tiny import QUERIES, TWINS, Tiny


class Renamed:
    """MiniLM under another identity, as another encoder would present itself."""

    def __init__(self, identity: EncoderIdentity) -> None:
        self.identity = identity

    def encode_queries(self, texts: list[str]) -> Encoded:
        raise NotImplementedError

    encode_documents = encode_queries


@pytest.fixture(scope="module")
def index(tiny: Tiny) -> DenseIndex:
    return DenseIndex(tiny.folder / "dense", tiny.docstore.ids, tiny.docstore.corpus_digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "name 'sentence-transform.*' in the index, 'other' in the encoder"),
        ({"weights_sha256": "0" * 64}, "weights_sha256 '53aa51172d14.*' in the index, '000"),
        ({"dimension": 768}, "dimension 384 in the index, 768 in the encoder"),
        ({"pooling": "cls"}, "pooling 'mean' in the index, 'cls' in the encoder"),
        ({"normalised": False}, "normalised True in the index, False in the encoder"),
        ({"max_length": 128}, "max_length 256 in the index, 128 in the encoder"),
        ({"prompts": ("q: ", "")}, r"prompts \('', ''\) in the index, \('q: ', ''\) in the encoder"),
    ],
)
def test_another_encoder_is_refused_naming_what_differs(
    index: DenseIndex, change: dict[str, object], message: str
) -> None:
    other = Renamed(replace(minilm().identity, **change))  # type: ignore[arg-type]

    with pytest.raises(IndexMismatch, match=f"was built by another encoder.*{message}.*rebuild it or use that one"):
        DenseRetriever(index, other)  # type: ignore[arg-type]


def test_a_really_different_model_is_refused(index: DenseIndex, bert: Path) -> None:
    with pytest.raises(IndexMismatch, match=r"name .*weights_sha256 .*dimension 384 in the index, 16 in the encoder"):
        DenseRetriever(index, load_sentence_transformer(str(bert)))


def test_a_part_of_another_collection_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    shutil.copytree(tiny.folder, tmp_path / "c")
    build_collection([Document("x", "other")], tmp_path / "other", BuildConfig(name="other", dense=None))
    shutil.rmtree(tmp_path / "c" / "lexical")
    shutil.copytree(tmp_path / "other" / "lexical", tmp_path / "c" / "lexical")

    with pytest.raises(IndexMismatch, match="indexes another corpus than the docstore beside it"):
        open_pipeline(tmp_path / "c")


# runs of arrays


def test_arrays_become_a_run_sorted_by_query_with_padding_left_out(tiny: Tiny) -> None:
    queries = Queries.from_pairs([("b", "x"), ("c", "y"), ("a", "z")])
    scores = np.array([[3, 2, -np.inf], [-np.inf] * 3, [5, 5, 1]], np.float32)
    ordinals = np.array([[0, 1, -1], [-1, -1, -1], [3, 2, 0]])

    run = run_of_arrays(queries, scores, ordinals, tiny.docstore.ids, "r")

    ids = tiny.docstore.ids.ids
    assert run.frame.schema == RUN
    assert run.frame.rows() == [
        ("a", ids[3], 5.0, 1),
        ("a", ids[2], 5.0, 2),
        ("a", ids[0], 1.0, 3),
        ("b", ids[0], 3.0, 1),
        ("b", ids[1], 2.0, 2),
    ]


@pytest.mark.parametrize("name", ["bm25", "dense"])
def test_a_retriever_s_run_is_what_the_one_rule_would_make_of_its_scores(tiny: Tiny, name: str) -> None:
    run = tiny.pipeline.experts[name].retriever.retrieve(tiny.queries, 20)

    assert_frame_equal(Run.of(run.frame.drop("rank"), "r").frame, run.frame)


def test_the_lexical_retriever_finds_what_speaks_of_the_words(tiny: Tiny) -> None:
    retriever = LexicalRetriever.open(tiny.folder / "lexical", tiny.docstore, LexicalOptions())
    run = retriever.retrieve(QUERIES, 3)

    assert set(run.doc_ids("q-heart")[:2]) == {"med-0", "med-3"}
    assert run.doc_ids("q-breach")[0] == "law-3"
    assert run.doc_ids("q-none") == [], "no document holds these words"


def test_the_dense_retriever_finds_what_means_the_same(tiny: Tiny) -> None:
    retriever = DenseRetriever.open(tiny.folder / "dense", tiny.docstore, DenseOptions())
    run = retriever.retrieve(Queries.from_pairs([("q", "pets living together"), ("r", "myocardial infarction")]), 4)

    assert run.doc_ids("q")[0] == "zoo-2"
    assert set(run.doc_ids("r")[:2]) == {"med-0", "med-3"}


def test_a_dense_expert_encodes_queries_in_the_precision_of_its_options(tiny: Tiny, index: DenseIndex) -> None:
    """The documents' vectors are the same, so the scores are, but for the sixth digit."""
    own = DenseRetriever.open(tiny.folder / "dense", tiny.docstore, DenseOptions())
    double = DenseRetriever.open(tiny.folder / "dense", tiny.docstore, DenseOptions(query_precision="float64"))
    single = DenseRetriever.open(tiny.folder / "dense", tiny.docstore, DenseOptions(query_precision="float32"))

    assert single.encoder.identity == own.encoder.identity == index.identity
    assert_frame_equal(double.retrieve(QUERIES, 3).frame, own.retrieve(QUERIES, 3).frame, check_exact=True)
    found, wanted = (r.retrieve(QUERIES, 1).frame["score"].to_numpy() for r in (single, own))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(ConfigError, match="query_precision is 'half'; give float64 or float32"):
        DenseOptions(query_precision="half")


def test_twins_are_tied_by_every_retriever_and_come_by_descending_id(tiny: Tiny) -> None:
    for name in ("bm25", "dense"):
        ids = tiny.pipeline.experts[name].retriever.retrieve(QUERIES, 10).doc_ids("q-twins")
        assert ids[:4] == sorted(TWINS, reverse=True), name


def test_documents_without_text_are_found_by_nobody(tiny: Tiny) -> None:
    for name in ("bm25", "dense"):
        assert "empty" not in tiny.pipeline.experts[name].retriever.retrieve(QUERIES, 100).frame["doc_id"].to_list()


# routers and policies


def experts(*weights: float) -> list[Expert]:
    return [Expert(f"e{i}", retriever=None, weight=weight) for i, weight in enumerate(weights)]  # type: ignore[arg-type]


def test_the_constant_router_gives_each_expert_its_weight() -> None:
    router = ConstantRouter(experts(1.0, 0.25))

    assert router.experts == ("e0", "e1")
    assert router.scores(Queries.from_pairs([("a", "x"), ("b", "y")])).tolist() == [[1.0, 0.25], [1.0, 0.25]]


def test_all_experts_with_positive_fitness_are_asked() -> None:
    queries = Queries.from_pairs([("b", "x"), ("a", "y")])
    scores = np.array([[1.0, 0.0, 0.5], [0.0, -1.0, 2.0]], np.float32)

    plan = AllExperts().select(queries, ("x", "y", "z"), scores)

    assert plan.frame.rows() == [("b", "x", 1.0), ("b", "z", 0.5), ("a", "z", 2.0)]


@pytest.mark.parametrize("scores", [[[0.0, 0.0]], [[-1.0, 0.0]], [[np.nan, np.nan]]])
def test_a_query_for_which_nobody_is_fit_is_refused(scores: list[list[float]]) -> None:
    with pytest.raises(SchemaError):
        AllExperts().select(Queries.from_pairs([("a", "x")]), ("x", "y"), np.array(scores, np.float32))


def test_a_docstore_is_what_retrievers_take_ids_from(tiny: Tiny) -> None:
    docstore = Docstore.open(tiny.folder / "docstore")
    frame = tiny.pipeline.experts["bm25"].retriever.retrieve(QUERIES, 5).frame

    assert [document.doc_id for document in docstore.get(frame["doc_id"].to_list())] == frame["doc_id"].to_list()
    assert frame.filter(pl.col("rank") > 5).height == 0
