"""Pseudo-relevance feedback: an order by hand, what it leaves alone, and vectors from an index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import ConfigError, IndexMismatch, IndexMissing, UnknownName
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.docstore import Docstore
from periti.rankers.feedback import FeedbackOptions, FeedbackRanker, likeness, standardised, with_feedback
from periti.types import SCORED, Document, Queries, Run

QUERIES = Queries.from_pairs([("q", "heart"), ("r", "law")])
TEXTS = {
    "a": "aspirin after a heart attack",
    "b": "the seller breached the contract",
    "c": "aspirin prevents heart attacks",
    "d": "damages for breach of contract",
    "e": "",
}


def run_of(scores: dict[str, float], query: str = "q") -> Run:
    return Run.of(pl.DataFrame([(query, d, s) for d, s in scores.items()], schema=SCORED, orient="row"), "first")


def rows_of(scores: Sequence[float]) -> pl.DataFrame:
    ids = [f"d{i}" for i in range(len(scores))]
    return pl.DataFrame({"query_id": ["q"] * len(scores), "doc_id": ids, "score": np.array(scores, np.float32)})


def order(scores: Sequence[float], vectors: Sequence[Sequence[float]], **options: Any) -> list[str]:
    found = with_feedback(rows_of(scores), np.array(vectors, np.float32), FeedbackOptions(**options))
    return found.sort("logit", descending=True, maintain_order=True)["doc_id"].to_list()


def test_scores_by_hand() -> None:
    # Mean (0, 0), so that unit vectors are as given; the first alone is the centroid: cosines 1, -1, 1, -1.
    vectors = np.array([[2, 0], [-1, 0], [1, 0], [-2, 0]], np.float32)
    scores = standardised(np.array([3.0, 1.0, -1.0, -3.0]))
    options = FeedbackOptions(weight=1.0, top=1)
    np.testing.assert_allclose(scores, np.array([3, 1, -1, -3]) / np.sqrt(5))
    np.testing.assert_allclose(likeness(scores, vectors, options), [1, -1, 1, -1])
    # 3/√5 + 1 = 2.342, 1/√5 - 1 = -.553, -1/√5 + 1 = .553, -3/√5 - 1.
    found = with_feedback(rows_of([3, 1, -1, -3]), vectors, options)["logit"].to_list()
    np.testing.assert_allclose(found, [2.341640786, -0.552786405, 0.552786405, -2.341640786], atol=1e-9)


def test_a_centroid_by_hand() -> None:
    # Two stand for what is relevant, the second e^-1 as much: standardised scores √1.5, 0, -√1.5, temperature √1.5.
    scores = standardised(np.array([1.0, 0.0, -1.0]))
    # Three vectors at 120 degrees, whose mean is 0 once they have length one: cosines of two are 1 or -1/2.
    vectors = np.array([[1, 0], [-1, np.sqrt(3)], [-5, -5 * np.sqrt(3)]], np.float32)
    options = FeedbackOptions(top=2, temperature=float(np.sqrt(1.5)))
    share = 1 / (1 + np.exp(-1))
    expected = [share - (1 - share) / 2, (1 - share) - share / 2, -1 / 2]
    np.testing.assert_allclose(likeness(scores, vectors, options), expected, atol=1e-6)


def test_an_empty_document_is_like_no_other_and_moves_no_mean() -> None:
    scores, options = standardised(np.array([3.0, 2.0, 1.0])), FeedbackOptions(top=1)
    full = np.array([[3, 1], [0, 0], [1, 3]], np.float32)
    np.testing.assert_allclose(likeness(scores, full, options), [1, 0, -1], atol=1e-6)
    np.testing.assert_allclose(likeness(scores, np.zeros((3, 2), np.float32), options), 0)


def test_what_is_like_the_top_rises() -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.0, 1.1]]
    assert order([4, 3, 2.9, 0], vectors, weight=0.0) == ["d0", "d1", "d2", "d3"]
    assert order([4, 3, 2.9, 0], vectors, weight=0.5, top=1) == ["d0", "d2", "d1", "d3"]


def test_lists_without_differences_keep_their_order() -> None:
    assert order([2, 2, 2], [[1, 0], [1, 0], [1, 0]]) == ["d0", "d1", "d2"]
    assert order([2], [[1, 0]]) == ["d0"]
    assert order([2, 1], [[0, 0], [0, 0]], weight=9) == ["d0", "d1"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.integers(0, 3)), min_size=1, max_size=12), st.randoms())
def test_logits_are_finite_and_equal_documents_tie(pairs: list[tuple[float, int]], random: Any) -> None:
    pairs = sorted(pairs, reverse=True)
    kinds = np.random.default_rng(random.randint(0, 99)).normal(size=(4, 5)).astype(np.float32)
    rows = rows_of([score for score, _ in pairs])
    found = with_feedback(rows, kinds[[kind for _, kind in pairs]], FeedbackOptions())["logit"].to_list()

    assert np.isfinite(found).all()
    first: dict[tuple[float, int], float] = {}
    for pair, logit in zip(pairs, found, strict=True):
        assert first.setdefault((float(np.float32(pair[0])), pair[1]), logit) == pytest.approx(logit, abs=1e-8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("feedback") / "c"
    build_collection([Document(d, text) for d, text in TEXTS.items()], made, BuildConfig("five"))
    return made


def test_vectors_of_an_index_give_the_order_of_vectors_made_now(folder: Path) -> None:
    docstore = Docstore.open(folder / "docstore")
    run = run_of({"a": 4.0, "b": 3.0, "c": 2.9, "d": 2.0, "e": 1.0})
    settings_ = {"weight": 2.0, "top": 1}
    now, kept = (
        FeedbackRanker.open(FeedbackOptions(**settings_, index=index))  # type: ignore[arg-type]
        for index in (None, folder)
    )
    found = kept.rerank(QUERIES, run, docstore)

    assert found.doc_ids("q")[:2] == ["a", "c"]
    assert found.frame.drop("score").equals(now.rerank(QUERIES, run, docstore).frame.drop("score"))
    assert now.identity == kept.identity
    assert kept.reranked(QUERIES, run_of({"a": 1.0}, "unasked"), docstore).run.frame.height == 1


def test_below_the_depth_nothing_moves(folder: Path) -> None:
    ranker = FeedbackRanker.open(FeedbackOptions(weight=9.0, top=1, depth=2, index=folder))
    run = run_of({"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0})
    assert ranker.rerank(QUERIES, run, Docstore.open(folder / "docstore")).doc_ids("q") == list("abcd")


def test_another_corpus_an_unknown_document_and_no_index_are_said(folder: Path, tmp_path: Path) -> None:
    build_collection([Document("a", "cats")], tmp_path / "o", BuildConfig("other", lexical=None))
    ranker = FeedbackRanker.open(FeedbackOptions(index=folder))
    with pytest.raises(IndexMismatch, match="another corpus"):
        ranker.rerank(QUERIES, run_of({"a": 1.0}), Docstore.open(tmp_path / "o" / "docstore"))
    with pytest.raises(UnknownName, match="'z'"):
        ranker.rerank(QUERIES, run_of({"z": 1.0}), Docstore.open(folder / "docstore"))
    with pytest.raises(IndexMissing):
        FeedbackRanker.open(FeedbackOptions(index=tmp_path / "none"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": -0.1}, "weight is -0.1; it must be at least 0"),
        ({"weight": float("nan")}, "weight is nan; it must be at least 0"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"top": 0}, "top is 0; it must be at least 1"),
        ({"depth": 0}, "depth is 0; it must be at least 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        FeedbackOptions(**options)
