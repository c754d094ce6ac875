from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from periti.errors import InputError, UnknownName
from periti.evaluation import parse
from periti.evaluation.adjudication.log import Log
from periti.evaluation.adjudication.methods import METHODS
from periti.evaluation.adjudication.orders import follow
from periti.evaluation.adjudication.outlook import look_ahead, relevance_chances
from periti.evaluation.adjudication.pool import Pool, build_pool
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.adjudication.session import Session, Task, Terms
from periti.evaluation.adjudication.verdicts import verdict
from periti.evaluation.ranking import Ints
from tests.evaluation.adjudication.toy import RELEVANT, random_pool, run, toy_pool, toy_runs


def session(folder: Path, pool: Pool | None = None, **terms: object) -> Session:
    return Session(Log(folder / "log.db"), pool or toy_pool(), Terms(**{"double": 0.0, **terms}))  # type: ignore[arg-type]


def judge(one: Session, assessor: str, query: str | None = None) -> Task:
    task = one.next(assessor, query)
    assert task is not None
    topic = one.pool.topics[one.pool.query_ids.index(task.query_id)]
    one.record(assessor, task.query_id, task.doc_id, int(topic.grades[topic.doc_ids.index(task.doc_id)]))
    return task


@pytest.mark.parametrize("method", METHODS)
def test_one_assessor_gets_the_order_of_the_simulation_also_when_reopened_each_time(
    tmp_path: Path, method: str
) -> None:
    topic = toy_pool().topics[0]
    expected = [topic.doc_ids[doc] for doc in follow(method, topic, seed=3, limit=6).docs]
    found = [judge(session(tmp_path, method=method, seed=3), "ada", "q1").doc_id for _ in range(6)]
    assert found == expected
    assert session(tmp_path, method=method, seed=3).next("ada", "q1") is None


def test_the_same_document_is_handed_out_until_it_is_judged(tmp_path: Path) -> None:
    one = session(tmp_path)
    first, second = one.next("ada"), one.next("ada")
    assert first is not None
    assert second is not None
    assert (first.query_id, first.doc_id, first.number, first.pool, first.again) == ("q1", first.doc_id, 1, 6, False)
    assert (second.doc_id, second.again) == (first.doc_id, True)


def test_two_assessors_never_hold_one_document(tmp_path: Path) -> None:
    one, other = session(tmp_path), session(tmp_path)
    seen: set[tuple[str, str]] = set()
    for _ in range(6):
        tasks = [one.next("ada"), other.next("bob")]
        pairs = {(task.query_id, task.doc_id) for task in tasks if task is not None}
        assert len(pairs) == 2
        assert not pairs & seen
        seen |= pairs
        judge(one, "ada")
        judge(other, "bob")
    assert len(seen) == 12
    assert one.next("ada") is None


def test_threads_never_hold_one_document(tmp_path: Path) -> None:
    one = session(tmp_path, random_pool(1), batch=3)
    given: list[tuple[str, str]] = []

    def work(name: str) -> None:
        for _ in range(6):
            task = judge(one, name)
            given.append((task.query_id, task.doc_id))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ada", "bob", "cyd")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 18


def test_an_abandoned_document_goes_to_others_after_a_while(tmp_path: Path) -> None:
    left = session(tmp_path).next("ada", "q1")
    assert left is not None
    patient, hasty = session(tmp_path), session(tmp_path, hold_hours=0.0)
    others = patient.next("bob", "q1"), hasty.next("cyd", "q1")
    assert [task is not None and task.doc_id == left.doc_id for task in others] == [False, True]


def test_undo_hands_the_document_out_again(tmp_path: Path) -> None:
    one = session(tmp_path)
    first, second = judge(one, "ada"), judge(one, "ada")
    for expected in (second, first):
        undone = one.undo("ada")
        assert undone is not None
        assert undone.doc_id == expected.doc_id
        task = one.next("ada")
        assert task is not None
        assert (task.doc_id, task.again) == (expected.doc_id, True)
    assert one.undo("ada") is None


def test_an_undone_grade_leaves_no_trace_in_what_comes_next(tmp_path: Path) -> None:
    # mtf stays with a run after a relevant document; with the 1 taken back it must go on as after a plain 0.
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    mended, plain = session(tmp_path / "a", seed=1), session(tmp_path / "b", seed=1)
    first = mended.next("ada", "q1")
    assert first is not None
    mended.record("ada", "q1", first.doc_id, 1)
    mended.undo("ada")
    orders = []
    for one in (mended, plain):
        order = []
        while (task := one.next("ada", "q1")) is not None:
            one.record("ada", "q1", task.doc_id, 0)
            order.append(task.doc_id)
        orders.append(order)
    assert orders[0] == orders[1]


def test_the_double_judged_sample_goes_to_a_second_assessor_and_no_third(tmp_path: Path) -> None:
    one = session(tmp_path, double=1.0)
    mine = [judge(one, "ada") for _ in range(4)]
    again = [judge(one, "bob") for _ in range(4)]
    assert [(t.query_id, t.doc_id) for t in again] == [(t.query_id, t.doc_id) for t in mine]
    third = one.next("cyd")
    assert third is not None
    assert third.doc_id not in {task.doc_id for task in mine if task.query_id == third.query_id}
    status = one.status(outlook=False)
    assert (status.twice, status.disputed, status.kappas[0].documents) == (4, 0, 4)


def test_about_the_share_asked_for_is_double_judged(tmp_path: Path) -> None:
    pool = random_pool(1, queries=20, docs=60, depth=40)
    one = session(tmp_path, pool, double=0.2)
    sample = sum(one._is_double((topic.query_id, doc)) for topic in pool.topics for doc in topic.doc_ids)
    assert sample / len(pool) == pytest.approx(0.2, abs=0.05)


def test_an_assessor_keeps_a_query_for_a_batch(tmp_path: Path) -> None:
    one = session(tmp_path, batch=2)
    assert [judge(one, "ada").query_id for _ in range(8)] == ["q1", "q1", "q2", "q2", "q1", "q1", "q2", "q2"]


def test_another_assessor_begins_another_query(tmp_path: Path) -> None:
    one = session(tmp_path)
    tasks = [one.next("ada"), one.next("bob")]
    assert [task and task.query_id for task in tasks] == ["q1", "q2"]


def test_judgements_outside_the_pool_stay_in_the_log_and_are_not_counted(tmp_path: Path) -> None:
    one = session(tmp_path)
    one.log.judge("q7", "d1", 1, "ada")
    one.log.judge("q1", "x", 1, "ada")
    assert one.status(outlook=False).judged == 0
    with pytest.raises(InputError, match="no query 'q7' in the pool; known: q1, q2"):
        one.record("ada", "q7", "d1", 1)
    with pytest.raises(InputError, match="document 'x' is not in the pool of query 'q1'"):
        one.record("ada", "q1", "x", 1)
    with pytest.raises(InputError, match="no query 'q7'"):
        one.next("ada", "q7")
    with pytest.raises(InputError, match="name is empty"):
        one.next(" ")


def test_status_counts_and_says_when_it_is_too_early(tmp_path: Path) -> None:
    one = session(tmp_path, method="depth")
    assert "Too early" in one.status().sentences[-1]
    for _ in range(3):
        judge(one, "ada", "q1")
    status = one.status()
    assert [(q.query_id, q.pool, q.judged, q.relevant) for q in status.queries] == [("q1", 6, 3, 1), ("q2", 6, 0, 0)]
    assert [(a.assessor, a.judged) for a in status.assessors] == [("ada", 3)]
    assert status.sentences[0] == "3 of 12 pooled documents of 2 queries are judged, 1 of them relevant."
    assert status.outlook is not None
    assert status.as_data()["outlook"]["unjudged"] == 9


def test_a_pool_of_one_run_can_be_judged_without_comparisons(tmp_path: Path) -> None:
    one = session(tmp_path, build_pool([run("A", {"q1": ["d1", "d2"]})]))
    judge_two = [one.next("ada"), one.record("ada", "q1", "d1", 1), one.record("ada", "q1", "d2", 0)]
    assert judge_two[0] is not None
    assert one.status().sentences[-1] == "1 runs and 1 queries; pairs are compared from two of each on."


def graded(pool: Pool, share: float) -> Ints:
    grades = np.full(len(pool), -1, dtype=np.int64)
    for topic, begin in zip(pool.topics, pool.offsets.tolist(), strict=False):
        docs = follow("depth", topic, seed=0, limit=round(share * len(topic))).docs
        grades[docs + begin] = topic.grades[docs]
    return grades


def test_the_outlook_of_a_wholly_judged_pool_is_gold() -> None:
    pool = random_pool(8, queries=30, systems=6, docs=40, depth=20)
    found = look_ahead(pool, pool.grades)
    gold = verdict(Scorer(pool, parse(["AP"])[0]).scores(pool.grades), "t+holm")
    assert len(found.of("separable")) == gold.significant.sum() > 0
    assert (len(found.of("open")), found.more_for_half, found.unjudged) == (0, None, 0)
    assert found.sentences[-1] == "More judgements would hardly change which runs differ."


def test_pairs_called_separable_early_are_significant_in_the_end() -> None:
    pool = random_pool(8, queries=30, systems=6, docs=40, depth=20)
    final = {(p.better, p.worse) for p in look_ahead(pool, pool.grades).of("separable")}
    early = {(p.better, p.worse) for p in look_ahead(pool, graded(pool, 0.4)).of("separable")}
    assert early
    assert len(early - final) <= 1


def test_an_outlook_counts_on_relevant_documents_that_nobody_judged() -> None:
    pool = random_pool(8, queries=30, systems=6, docs=40, depth=20)
    grades = graded(pool, 0.4)
    found = look_ahead(pool, grades)
    truly = int(((pool.grades > 0) & (grades < 0)).sum())
    assert found.expected_relevant == pytest.approx(truly, rel=0.35)
    chance = relevance_chances(pool, grades)
    unjudged = grades < 0
    assert chance[unjudged & (pool.grades > 0)].mean() > chance[unjudged & (pool.grades == 0)].mean()
    assert found.more_for_half is None or 0 <= found.more_for_half <= (found.more_for_most or 0) <= found.unjudged


def test_terms_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="double is 2"):
        Terms(double=2)
    with pytest.raises(InputError, match="batch 0"):
        Terms(batch=0)
    with pytest.raises(UnknownName, match="no judging method named 'x'"):
        Terms(method="x")


def test_the_toy_has_what_its_picture_says() -> None:
    topic = toy_pool().topics[0]
    assert {doc for doc, grade in zip(topic.doc_ids, topic.grades, strict=True) if grade} == RELEVANT
    assert [one.doc_ids("q1")[0] for one in toy_runs()] == ["d1", "d2", "d3"]
