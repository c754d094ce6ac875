"""Maximal marginal relevance: orders by hand, and what every order keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import ConfigError, UnknownName
from periti.rankers.mmr import MmrOptions, MmrRanker, cosines, marginal_order, scaled, shared_words
from periti.types import SCORED, Document, Queries, Run

QUERIES = Queries.from_pairs([("q", "anything"), ("r", "anything else")])


class Shelf:
    """A corpus of given texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Document]:
        return (Document(doc_id, text) for doc_id, text in self._texts.items())

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        return [Document(doc_id, self._texts[doc_id]) for doc_id in doc_ids]


TEXTS = {"a": "cat sat mat", "b": "CAT sat, mat!", "c": "cat law", "d": "law court", "e": "", "f": ""}


def run_of(scores: Mapping[str, float], query: str = "q") -> Run:
    rows = [(query, doc, score) for doc, score in scores.items()]
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), "first")


def rank(scores: Mapping[str, float], **options: object) -> list[str]:
    ranker = MmrRanker.open(MmrOptions(**options))  # type: ignore[arg-type]
    return ranker.rerank(QUERIES, run_of(scores), Shelf(TEXTS)).doc_ids("q")


def test_shared_words_by_hand() -> None:
    similar = shared_words(list(TEXTS.values()))

    np.testing.assert_allclose(similar(0), [1, 1, 1 / 4, 0, 0, 0])
    np.testing.assert_allclose(similar(2), [1 / 4, 1 / 4, 1, 1 / 3, 0, 0])
    np.testing.assert_allclose(similar(4), [0, 0, 0, 0, 1, 1])


def test_an_order_by_hand() -> None:
    scores = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 0.0}
    # Relevance 1, .75, .5, 0; λ = .5. First a. Then b: .375 - .5, c: .25 - .125, d: 0 - 0: c.
    # Then b: .375 - .5 = -.125, d: 0 - 1/6: b, then d.
    assert rank(scores, relevance=0.5) == ["a", "c", "b", "d"]
    # λ = .3: after a, b: .225 - .7, c: .15 - .175 = -.025, d: 0: d; then c: .15 - .7/3 = -.083 before b.
    assert rank(scores, relevance=0.3) == ["a", "d", "c", "b"]


def test_relevance_alone_is_the_first_stage() -> None:
    assert rank({"a": 4.0, "b": 3.0, "c": 2.0, "d": 0.0}, relevance=1.0) == list("abcd")


def test_diversity_alone_starts_at_the_top_and_avoids_what_it_has() -> None:
    assert rank({"a": 4.0, "b": 3.0, "d": 2.0, "c": 1.0}, relevance=0.0) == ["a", "d", "c", "b"]


def test_what_is_below_the_depth_follows_as_it_was() -> None:
    assert rank({"a": 4.0, "b": 3.0, "c": 2.0, "d": 0.0}, relevance=0.3, depth=3) == ["a", "c", "b", "d"]
    assert rank({"a": 4.0, "b": 3.0, "c": 2.0, "d": 0.0}, relevance=0.0, depth=1) == list("abcd")


def test_equal_documents_of_equal_scores_keep_their_order() -> None:
    assert rank({"f": 1.0, "e": 1.0}, relevance=0.5) == ["f", "e"]


def test_a_query_that_is_not_asked_stays_as_it_was() -> None:
    run = Run.of(
        pl.concat([run_of({"a": 2.0, "b": 1.9, "d": 1.0}, query).frame.drop("rank") for query in ("q", "other")]),
        "first",
    )
    reranked = MmrRanker(MmrOptions(relevance=0.3)).rerank(QUERIES, run, Shelf(TEXTS))

    assert reranked.doc_ids("q") == ["a", "d", "b"]
    assert reranked.doc_ids("other") == ["a", "b", "d"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), st.floats(-1, 1), st.floats(0.1, 1)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_each_next_document_is_the_one_of_largest_marginal_relevance(
    rows: list[tuple[float, float, float]], weight: float
) -> None:
    relevance = scaled(np.sort(np.array([row[0] for row in rows], np.float32))[::-1])
    vectors = np.array([row[1:] for row in rows], np.float32)
    similar = cosines(vectors)
    order = marginal_order(relevance, similar, weight)

    assert sorted(order.tolist()) == list(range(len(rows)))
    assert order[0] == 0 or weight == 0 or relevance[order[0]] * weight >= relevance[0] * weight - 2e-9
    for place in range(1, len(order)):
        before, after = order[:place], order[place:]
        worth = [weight * relevance[i] - (1 - weight) * max(similar(int(j))[i] for j in before) for i in after]
        assert worth[0] >= max(worth) - 2e-9


def test_similarity_may_be_of_an_encoder_s_vectors_and_says_what_it_cut(bert: Path) -> None:
    options = MmrOptions(relevance=0.0, similarity="vectors", encoder="sentence-transformers", model=str(bert))
    texts = {"a": "some words", "b": "some words", "c": "zebra " * 100}
    reranked = MmrRanker.open(options).reranked(QUERIES, run_of({"a": 3.0, "b": 2.9, "c": 2.5}), Shelf(texts))

    assert reranked.run.doc_ids("q") == ["a", "c", "b"]
    assert reranked.notes == {"truncated_documents": 1}
    assert len(MmrRanker.open(options).identity["model_sha256"]) == 64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"relevance": 1.1}, "relevance is 1.1"), ({"depth": 0}, "depth is 0"), ({"similarity": "token"}, "'tokens'")],
)
def test_settings_that_can_not_be_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MmrOptions(**wrong)  # type: ignore[arg-type]


def test_an_encoder_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'minilm'"):
        MmrRanker.open(MmrOptions(similarity="vectors", encoder="minilmm"))
