"""Lists that are not read to their end: where they stop, what is counted, and that nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import ConfigError, EncoderError
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.rankers.early_exit import EarlyExit
from periti.rankers.reranking import PairRanker, Scored
from periti.types import Document, Queries, Run
from tests.rankers.test_reranking import Shelf, Table, run

UNTIL = EarlyExit(gap=1.0, block=2, keep=2)
IDS = ["a", "b", "c", "d", "e", "f"]


def lists(*queries: str) -> Run:
    return run(*[(query, doc_id, float(-rank)) for query in queries for rank, doc_id in enumerate(IDS)])


def ranker(logits: Sequence[float], until: EarlyExit | None = UNTIL, chunk: int = 4096) -> PairRanker:
    return PairRanker(Table(dict(zip(IDS, logits, strict=True))), 6, chunk=chunk, until=until)


def test_it_stops_after_a_block_that_is_far_below() -> None:
    # After c and d the second best is 4, and 2.9 is more than 1 below: e and f are not read, though f is the best.
    queries = Queries.from_pairs([("q1", "one")])
    found = ranker([5, 4, 1, 2.9, 0, 9]).reranked(queries, lists("q1"), Shelf(*IDS))

    assert found.run.doc_ids("q1") == ["a", "b", "d", "c", "e", "f"]
    assert found.notes == {"pairs_left_out": 2}


def test_it_goes_on_while_a_block_comes_near() -> None:
    queries = Queries.from_pairs([("q1", "one")])
    found = ranker([5, 4, 1, 3, 0, 9]).reranked(queries, lists("q1"), Shelf(*IDS))

    assert found.run.doc_ids("q1")[0] == "f"
    assert not found.notes


def test_without_a_gap_it_is_the_ranker_that_reads_all() -> None:
    queries = Queries.from_pairs([("q1", "one")])
    plain = ranker([5, 4, 1, 2, 0, 9], None)

    assert plain.rerank(queries, lists("q1"), Shelf(*IDS)).doc_ids("q1") == ["f", "a", "b", "d", "c", "e"]
    assert "early_exit" not in plain.identity
    assert ranker([0] * 6).identity["early_exit"] == {"gap": 1.0, "block": 2, "keep": 2}


class ByQuery:
    """A scorer whose logits depend on the query, and which cuts every query that is called "long"."""

    identity: Mapping[str, Any] = {"model": "by query"}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        found = [float(-IDS.index(d.doc_id)) * len(q) for q, d in zip(queries, documents, strict=True)]
        cut = len({query for query in queries if query == "long"})
        return Scored(np.array(found), {"truncated_queries": cut} if cut else {})


def test_each_list_stops_by_itself_and_a_cut_query_is_counted_once() -> None:
    queries = Queries.from_pairs([("q1", "x"), ("q2", "long")])
    both = PairRanker(ByQuery(), 6, until=EarlyExit(2.5, 2, 2)).reranked(queries, lists("q1", "q2"), Shelf(*IDS))
    alone = PairRanker(ByQuery(), 6, chunk=1, until=EarlyExit(2.5, 2, 2)).reranked(
        queries, lists("q1", "q2"), Shelf(*IDS)
    )

    # "x": blocks 0 -1 | -2 -3 | -4 -5, the second best is -1: only the third block is 3 below, and it is the last.
    # "long": 0 -4 | -8 ...: the second block is 4 below.
    assert both.notes == alone.notes == {"pairs_left_out": 2, "truncated_queries": 1}
    assert both.run.frame.equals(alone.run.frame)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6), st.floats(0.1, 4))
def test_what_was_read_is_in_the_order_of_reading_all(logits: list[float], gap: float) -> None:
    queries = Queries.from_pairs([("q1", "one")])
    found = ranker(logits, EarlyExit(gap, 2, 2)).reranked(queries, lists("q1"), Shelf(*IDS))
    whole = ranker(logits, None).rerank(queries, lists("q1"), Shelf(*IDS)).doc_ids("q1")
    read = set(IDS[: 6 - found.notes.get("pairs_left_out", 0)])

    order = found.run.doc_ids("q1")
    assert order[: len(read)] == [doc_id for doc_id in whole if doc_id in read]
    assert order[len(read) :] == [doc_id for doc_id in IDS if doc_id not in read]


def test_no_number_is_named_and_not_taken_for_a_reason_to_stop() -> None:
    queries = Queries.from_pairs([("q1", "one")])
    with pytest.raises(EncoderError, match="document 'c'"):
        ranker([5, 4, np.nan, 1, 1, 1]).rerank(queries, lists("q1"), Shelf(*IDS))


def test_a_list_whose_query_is_not_asked_stays_as_it_was() -> None:
    found = ranker([0] * 6).reranked(Queries.from_pairs([("q9", "nine")]), lists("q1"), Shelf(*IDS))

    assert found.run.doc_ids("q1") == IDS
    assert not found.notes


@pytest.mark.parametrize("gap", [-1.0, float("nan")])
def test_a_gap_is_not_negative(gap: float) -> None:
    with pytest.raises(ConfigError, match="exit_gap is"):
        CrossEncoderRanker.Options("x", exit_gap=gap)
