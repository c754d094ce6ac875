"""Logits to runs: ties by first-stage rank, the unscored below, nothing that is not finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import EncoderError, UnknownName
from periti.protocols import NotingRanker
from periti.rankers.reranking import PairRanker, Scored, finished, run_digest
from periti.types import SCORED, Document, Queries, Run

QUERIES = Queries.from_pairs([("q1", "one"), ("q2", "two")])


class Shelf:
    """A corpus of some ids; the text of a document is its id."""

    def __init__(self, *ids: str) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Document]:
        return iter([Document(doc_id, doc_id) for doc_id in self._ids])

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        for doc_id in doc_ids:
            if doc_id not in self._ids:
                raise UnknownName(f"no document {doc_id!r}")
        return [Document(doc_id, doc_id) for doc_id in doc_ids]


class Table:
    """A scorer that looks its logits up by document, and cuts every document called "long"."""

    def __init__(self, logits: Mapping[str, float]) -> None:
        self._logits = logits

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": "table"}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:  # noqa: ARG002  (the seam's signature)
        cut = sum(document.doc_id == "long" for document in documents)
        return Scored(np.array([self._logits[d.doc_id] for d in documents]), {"truncated_pairs": cut} if cut else {})


def run(*rows: tuple[str, str, float]) -> Run:
    return Run.of(pl.DataFrame(list(rows), schema=SCORED, orient="row"), "first")


FIRST = run(("q1", "a", 4), ("q1", "b", 3), ("q1", "c", 2), ("q1", "d", 1), ("q2", "d", 9), ("q2", "long", 8))


def test_the_scored_are_ordered_and_the_others_follow_as_they_were() -> None:
    ranker = PairRanker(Table({"a": 0, "b": 7, "d": -2, "long": 1}), depth=2)

    found = ranker.rerank(QUERIES, FIRST, Shelf("a", "b", "c", "d", "long"))

    assert found.doc_ids("q1") == ["b", "a", "c", "d"]
    assert found.doc_ids("q2") == ["long", "d"]
    assert found.name == "first"
    own = found.frame.filter(pl.col("query_id") == "q1")["score"].to_list()
    assert own == [7.0, 0.0, -1.0, -2.0]


def test_a_tie_is_broken_by_first_stage_rank_and_not_by_document_id() -> None:
    """The one order of runs would put d before a; the ranker's must survive it."""
    ranker = PairRanker(Table(dict.fromkeys("abcd", 1.0) | {"long": 1.0}), depth=4)

    found = ranker.rerank(QUERIES, FIRST, Shelf("a", "b", "c", "d", "long"))

    assert found.doc_ids("q1") == ["a", "b", "c", "d"]
    assert found.doc_ids("q2") == ["d", "long"]
    assert (found.frame.filter(pl.col("query_id") == "q1")["score"].diff().drop_nulls() < 0).all()


def test_logits_that_float32_can_not_tell_apart_keep_their_order() -> None:
    near = pl.DataFrame({"query_id": ["q1"] * 3, "doc_id": ["a", "b", "c"], "logit": [1.0, 1.0 + 1e-12, 1.0 + 2e-12]})

    assert finished(FIRST, near).doc_ids("q1") == ["c", "b", "a", "d"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_no_number_is_named_and_never_ranked(bad: float) -> None:
    ranker = PairRanker(Table({"a": 0, "b": bad, "d": 0, "long": 0}), depth=2)

    with pytest.raises(EncoderError, match="query 'q1' and document 'b'"):
        ranker.rerank(QUERIES, FIRST, Shelf("a", "b", "c", "d", "long"))


def test_a_candidate_that_the_corpus_lacks_is_an_error() -> None:
    with pytest.raises(UnknownName, match="'b'"):
        PairRanker(Table(dict.fromkeys("abcd", 0.0)), depth=4).rerank(QUERIES, FIRST, Shelf("a", "c", "d", "long"))


def test_what_was_cut_is_summed_over_chunks() -> None:
    ranker = PairRanker(Table(dict.fromkeys("abcd", 0.0) | {"long": 0.0}), depth=4, chunk=1)

    assert isinstance(ranker, NotingRanker)
    assert ranker.reranked(QUERIES, FIRST, Shelf("a", "b", "c", "d", "long")).notes == {"truncated_pairs": 1}
    assert ranker.identity == {"model": "table", "depth": 4}


@settings(deadline=None)
@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=12), st.integers(1, 12))
def test_any_logits_make_a_permutation_in_their_order(logits: list[float], depth: int) -> None:
    ids = [f"d{i:02d}" for i in range(len(logits))]
    first = run(*[("q1", doc_id, float(-i)) for i, doc_id in enumerate(ids)])
    ranker = PairRanker(Table(dict(zip(ids, logits, strict=True))), depth=depth)

    found = ranker.rerank(QUERIES, first, Shelf(*ids)).doc_ids("q1")

    expected = sorted(ids[:depth], key=lambda d: (-logits[ids.index(d)], ids.index(d))) + ids[depth:]
    assert found == expected


def test_a_digest_depends_on_the_order_and_not_on_the_scores() -> None:
    louder = Run.of(FIRST.frame.with_columns(score=pl.col("score") * 2), "other")

    assert run_digest(louder) == run_digest(FIRST)
    assert run_digest(FIRST.top(1)) != run_digest(FIRST)
