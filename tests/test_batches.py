"""A long set of queries, some hundreds at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from periti.batches import BATCH, search_all, search_all_noted
from periti.errors import InputError
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.rankers.reranking import run_digest
from periti.types import Queries
from tests.tiny import QUERIES, Tiny, save_cross


class Counting:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, label: str, total: int | None) -> None:
        self.told.append((label, total))

    def advance(self, amount: int) -> None:
        self.told.append(amount)

    def finish(self) -> None:
        self.told.append("end")


MANY = Queries.from_pairs([(f"q{i:04}", f"{QUERIES.texts[i % 7]} {i % 5}") for i in range(BATCH + 44)])


def test_many_batches_give_the_answers_of_one_call(tiny: Tiny) -> None:
    words = tiny.pipeline.only("bm25")
    progress = Counting()

    run = search_all(words, MANY, 5, progress=progress)

    assert_frame_equal(run.frame, words.search(MANY, 5).frame)
    assert run.name == "bm25"
    assert progress.told == [("searching", 300), 256, 44, "end"]


def test_queries_in_another_order_give_the_same_run(tiny: Tiny) -> None:
    words = tiny.pipeline.only("bm25")

    assert_frame_equal(search_all(words, Queries(MANY.frame.reverse()), 5).frame, search_all(words, MANY, 5).frame)


def test_no_queries_are_refused(tiny: Tiny) -> None:
    with pytest.raises(InputError, match="no queries were given"):
        search_all(tiny.pipeline, Queries.from_pairs([]), 5)


def test_a_reranked_run_says_what_it_depends_on(tiny: Tiny, bert: Path) -> None:
    words = tiny.pipeline.only("bm25")
    options = CrossEncoderRanker.Options(model=str(save_cross(bert)), depth=3, query_budget=16)
    reranked = replace(words, ranker=CrossEncoderRanker.open(options))

    searched = search_all_noted(reranked, MANY, 5)

    assert searched.ranker["depth"] == 3
    assert searched.ranker["first_stage_sha256"] == run_digest(search_all(words, MANY, 1000))
    assert searched.notes["rerank"]["truncated_queries"] > 0
    assert search_all_noted(words, MANY, 5).ranker == {}
