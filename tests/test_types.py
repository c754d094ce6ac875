"""The core types: one ordering rule, and promises checked at construction."""

from __future__ import annotations

import math
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from periti.errors import SchemaError
from periti.types import PLAN, RUN, Coverage, Document, Plan, Qrels, Queries, Run, Step, Trace

TEXT_ID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)
ROWS = st.dictionaries(
    st.tuples(st.sampled_from(["q1", "q2", "q10"]), TEXT_ID),
    st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-9, 2.5]), st.floats(-(2.0**99), 2.0**99, width=32)),
    max_size=25,
)


def scored(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["query_id", "doc_id", "score"], orient="row")


def qrels_frame(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["query_id", "doc_id", "relevance"], orient="row")


# the ordering rule


def test_documents_are_ordered_by_score_then_by_id_both_descending() -> None:
    run = Run.of(scored(("q", "a", 1.0), ("q", "b", 3.0), ("q", "d", 2.0), ("q", "c", 2.0)), "r")

    assert run.frame["doc_id"].to_list() == ["b", "d", "c", "a"]
    assert run.frame["rank"].to_list() == [1, 2, 3, 4]


def test_scores_that_are_equal_as_float32_are_a_tie_broken_by_id() -> None:
    run = Run.of(scored(("q", "a", 1.0 + 1e-9), ("q", "b", 1.0)), "r")

    assert run.doc_ids("q") == ["b", "a"], "as float64 a would be first"


def test_scores_that_differ_as_float32_are_no_tie() -> None:
    run = Run.of(scored(("q", "a", 1.0 + 2.0**-23), ("q", "b", 1.0)), "r")

    assert run.doc_ids("q") == ["a", "b"]


def test_negative_zero_ties_with_zero() -> None:
    run = Run.of(scored(("q", "a", 0.0), ("q", "b", -0.0)), "r")

    assert run.doc_ids("q") == ["b", "a"]


def test_tied_ids_are_compared_by_their_utf8_bytes() -> None:
    ids = ["z", "é", "Z", "a10", "a9", "\uffff", "\U0001f600", "日"]

    run = Run.of(scored(*(("q", doc_id, 1.0) for doc_id in ids)), "r")

    # Bytes: F0.. (emoji) > EF BF BF > E6.. (日) > C3.. (é) > 7A (z) > 61 39 (a9) > 61 31 (a10) > 5A (Z).
    assert run.doc_ids("q") == ["\U0001f600", "\uffff", "日", "é", "z", "a9", "a10", "Z"]


def test_queries_are_ordered_by_id_and_each_is_ranked_from_one() -> None:
    run = Run.of(scored(("q2", "a", 1.0), ("q10", "b", 5.0), ("q2", "c", 2.0)), "r")

    assert run.frame.rows() == [("q10", "b", 5.0, 1), ("q2", "c", 2.0, 1), ("q2", "a", 1.0, 2)]
    assert run.query_ids == ["q10", "q2"]


@settings(deadline=None, max_examples=150)
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_the_order_of_the_rows_given_changes_nothing(rows: dict[tuple[str, str], float], seed: int) -> None:
    table = [(query, doc, score) for (query, doc), score in rows.items()]
    mixed = random.Random(seed).sample(table, len(table))
    schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}

    first = Run.of(pl.DataFrame(table, schema=schema, orient="row"), "r")
    second = Run.of(pl.DataFrame(mixed, schema=schema, orient="row"), "r")

    assert_frame_equal(first.frame, second.frame)
    assert first.frame.schema == RUN


@settings(deadline=None, max_examples=100)
@given(rows=ROWS, k=st.integers(0, 12))
def test_top_k_is_the_beginning_of_top_k_plus_one(rows: dict[tuple[str, str], float], k: int) -> None:
    schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}
    run = Run.of(pl.DataFrame([(q, d, s) for (q, d), s in rows.items()], schema=schema, orient="row"), "r")

    for query_id in run.query_ids:
        assert run.top(k + 1).doc_ids(query_id)[:k] == run.top(k).doc_ids(query_id) == run.doc_ids(query_id)[:k]


@settings(deadline=None, max_examples=100)
@given(rows=ROWS)
def test_a_ranking_is_sorted_as_python_sorts_float32_and_bytes(rows: dict[tuple[str, str], float]) -> None:
    schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}
    frame = pl.DataFrame([(q, d, s) for (q, d), s in rows.items()], schema=schema, orient="row")
    narrow = frame["score"].cast(pl.Float32).to_list()
    expected = sorted(
        zip(frame["query_id"], frame["doc_id"], narrow, strict=True),
        key=lambda row: (row[2], row[1].encode()),
        reverse=True,
    )

    run = Run.of(frame, "r")

    for query_id in run.query_ids:
        assert run.doc_ids(query_id) == [doc for query, doc, _ in expected if query == query_id]


# Run


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_a_score_that_float32_can_not_hold_is_refused(bad: float) -> None:
    with pytest.raises(SchemaError, match=r"run 'r': 1 scores are not finite.*query 'q', document 'b'"):
        Run.of(scored(("q", "a", 1.0), ("q", "b", bad)), "r")


def test_a_document_ranked_twice_for_a_query_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"pair \('q', 'a'\) occurs more than once"):
        Run.of(scored(("q", "a", 1.0), ("p", "a", 1.0), ("q", "a", 2.0)), "r")


def test_a_null_score_is_refused() -> None:
    with pytest.raises(SchemaError, match="'score' has 1 empty cells"):
        Run.of(scored(("q", "a", 1.0), ("q", "b", None)), "r")


@pytest.mark.parametrize("row", [("", "a", 1.0), ("q", "", 1.0)])
def test_an_empty_id_in_a_run_is_refused(row: tuple[str, str, float]) -> None:
    with pytest.raises(SchemaError, match="_id is empty"):
        Run.of(scored(row), "r")


def test_a_missing_column_is_named_with_those_found() -> None:
    frame = pl.DataFrame({"qid": ["q"], "doc_id": ["a"], "score": [1.0]})

    with pytest.raises(SchemaError, match=r"columns \['query_id'\] are missing, found \['qid', 'doc_id', 'score'\]"):
        Run.of(frame, "r")


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(SchemaError, match="can not be read"):
        Run.of(scored(("q", "a", "high")), "r")


def test_columns_beyond_the_schema_are_dropped() -> None:
    run = Run.of(scored(("q", "a", 1.0)).with_columns(extra=pl.lit(1)), "r")

    assert run.frame.schema == RUN


def test_making_a_run_leaves_the_frame_given_as_it_was() -> None:
    frame = scored(("q", "a", 1.0), ("q", "b", 2.0))
    before = frame.clone()

    Run.of(frame, "r").top(1).renamed("s")

    assert_frame_equal(frame, before)


def test_an_empty_run_has_the_schema_and_no_queries() -> None:
    assert Run.empty("r").frame.schema == RUN
    assert Run.empty("r").query_ids == []
    assert Run.of(Run.empty("r").frame.drop("rank"), "r").frame.height == 0


def test_renaming_keeps_the_ranking() -> None:
    run = Run.of(scored(("q", "a", 1.0)), "r")

    assert run.renamed("s") == Run("s", run.frame)


# Queries


def test_queries_keep_the_order_given() -> None:
    queries = Queries.from_pairs([("b", "two"), ("a", "one")])

    assert queries.ids == ["b", "a"]
    assert queries.texts == ["two", "one"]
    assert len(queries) == 2


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u3000"])
def test_a_query_without_words_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="1 of 2 texts are empty, the first is query 'q2'"):
        Queries.from_pairs([("q1", "fine"), ("q2", text)])


def test_a_query_id_given_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match="the query 'q' occurs more than once"):
        Queries.from_pairs([("q", "one"), ("q", "two")])


def test_a_null_query_text_is_refused() -> None:
    with pytest.raises(SchemaError, match="'text' has 1 empty cells"):
        Queries.of(pl.DataFrame({"query_id": ["q"], "text": [None]}, schema={"query_id": pl.String, "text": pl.String}))


def test_query_ids_that_are_numbers_become_their_digits() -> None:
    assert Queries.of(pl.DataFrame({"query_id": [7], "text": ["x"]})).ids == ["7"]


def test_the_text_na_is_a_text_and_no_null() -> None:
    assert Queries.from_pairs([("NA", "NA"), ("null", "nan")]).texts == ["NA", "nan"]


# Qrels


def test_qrels_are_sorted_and_keep_negative_grades() -> None:
    qrels = Qrels.of(qrels_frame(("q2", "a", 1), ("q1", "b", -1), ("q1", "a", 3)))

    assert qrels.frame.rows() == [("q1", "a", 3), ("q1", "b", -1), ("q2", "a", 1)]
    assert qrels.query_ids == ["q1", "q2"]


def test_a_pair_judged_twice_is_refused_even_with_equal_grades() -> None:
    with pytest.raises(SchemaError, match=r"judgement \('q', 'a'\) occurs more than once"):
        Qrels.of(qrels_frame(("q", "a", 1), ("q", "a", 1)))


def test_qrels_that_judge_nothing_are_refused() -> None:
    with pytest.raises(SchemaError, match="no query is judged"):
        Qrels.of(qrels_frame(("q", "a", 1)).clear())


def test_a_fractional_grade_is_refused_and_not_rounded() -> None:
    with pytest.raises(SchemaError, match="relevance"):
        Qrels.of(qrels_frame(("q", "a", 1.5)))


# Plan, Coverage, Trace, Document


def plan_frame(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=PLAN, orient="row")


TWO = Queries.from_pairs([("q2", "two"), ("q1", "one")])


def test_a_plan_tells_each_expert_its_queries_in_the_order_asked() -> None:
    plan = Plan.of(plan_frame(("q1", "a", 1.0), ("q2", "a", 0.5), ("q1", "b", 1.0)), TWO)

    assert plan.experts == ["a", "b"]
    assert plan.queries_for("a", TWO).ids == ["q2", "q1"]
    assert plan.queries_for("b", TWO).ids == ["q1"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("q1", "a", 1.0)], "1 queries have no expert, the first is 'q2'"),
        ([("q1", "a", 1.0), ("q2", "a", 0.0)], "weight is not positive and finite"),
        ([("q1", "a", 1.0), ("q2", "a", math.nan)], "weight is not positive and finite"),
        ([("q1", "a", 1.0), ("q2", "a", 1.0), ("q2", "a", 2.0)], "more than once"),
    ],
)
def test_a_plan_that_breaks_a_promise_is_refused(rows: list[tuple[str, str, float]], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Plan.of(plan_frame(*rows), TWO)


def test_an_infinite_weight_is_refused() -> None:
    with pytest.raises(SchemaError, match="weight is not positive and finite"):
        Plan.of(plan_frame(("q1", "a", math.inf), ("q2", "a", 1.0)), TWO)


def test_coverages_add_up() -> None:
    assert Coverage(1, 20, 1, 5) + Coverage(2, 30, 0, 0) == Coverage(3, 50, 1, 5)


def test_a_trace_finds_its_steps_by_name() -> None:
    trace = Trace((Step("route", 0.1), Step("fuse", 0.2)))

    assert trace.step("fuse").seconds == 0.2
    with pytest.raises(KeyError):
        trace.step("rerank")


def test_the_default_text_is_title_and_text_joined_by_a_blank() -> None:
    assert Document("d", "body", "Title").default_text() == "Title body"
    assert Document("d", "body").default_text() == "body"
    assert Document("d", "", "Title").default_text() == "Title"
    assert Document("d", " ").default_text() == ""
