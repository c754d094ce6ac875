from __future__ import annotations

import pytest

from periti.errors import InputError
from periti.evaluation.adjudication.pool import build_pool
from tests.evaluation.adjudication.toy import qrels, run, toy_pool, toy_qrels, toy_runs


def test_a_pool_is_the_union_of_the_first_documents_with_their_ranks() -> None:
    topic = toy_pool().topics[0]
    assert topic.doc_ids == ("d1", "d2", "d3", "d4", "d5", "d6")
    assert topic.ranks.tolist() == [[1, 2, 3, 4, 0, 0], [3, 1, 0, 0, 2, 4], [0, 2, 1, 0, 4, 3]]
    assert topic.grades.tolist() == [0, 1, 0, 0, 0, 1]
    assert topic.lists == ([0, 1, 2, 3], [1, 4, 0, 5], [2, 1, 5, 4])


def test_a_document_below_the_depth_keeps_its_rank_in_the_whole_run() -> None:
    pool = build_pool(toy_runs(), toy_qrels(), depth=1)
    assert pool.topics[0].doc_ids == ("d1", "d2", "d3")
    assert pool.topics[0].ranks.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert pool.full_ranks[:, :3].tolist() == [[1, 2, 3], [3, 1, 0], [0, 2, 1]]


def test_documents_without_a_true_judgement_count_as_not_relevant_or_are_left_out() -> None:
    kept = build_pool(toy_runs(), toy_qrels(), depth=4).topics[1]
    assert (len(kept), kept.grades.tolist()) == (6, [1, 0, 2, 0, 0, 0])
    judged = build_pool(toy_runs(), toy_qrels(), depth=4, unjudged="leave-out").topics[1]
    assert (judged.doc_ids, judged.grades.tolist()) == (("e1", "e3", "e5"), [1, 2, 0])


def test_a_pooled_but_not_judged_document_of_the_qrels_is_not_judged() -> None:
    judged = qrels({("q1", "d1"): -1, ("q1", "d2"): 1})
    assert build_pool(toy_runs(), judged, depth=4, unjudged="leave-out").topics[0].doc_ids == ("d2",)


def test_without_judgements_the_queries_are_those_of_the_runs_and_no_grade_is_known() -> None:
    pool = build_pool(toy_runs(), depth=2)
    assert pool.query_ids == ["q1", "q2"]
    assert set(pool.grades.tolist()) == {-1}


def test_without_a_run_its_own_documents_are_gone() -> None:
    # Only A holds d4, only B and C hold d5 and d6.
    first = toy_pool().without(["A"])[0]
    assert first.doc_ids == ("d1", "d2", "d3", "d5", "d6")
    assert first.ranks.tolist() == [[3, 1, 0, 2, 4], [0, 2, 1, 4, 3]]


@pytest.mark.parametrize(
    ("runs", "depth", "sentence"),
    [
        ([], 4, "no run is given"),
        ([run("A", {"q1": ["d1"]})] * 2, 4, "two runs are named 'A'; rename one"),
        ([run("A", {"q1": ["d1"]})], 0, "the pool's depth is 0"),
        ([run("A", {"q9": ["d1"]})], 4, "share no query and document"),
    ],
)
def test_what_makes_no_pool_is_refused(runs: list, depth: int, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=sentence):
        build_pool(runs, toy_qrels(), depth=depth)
