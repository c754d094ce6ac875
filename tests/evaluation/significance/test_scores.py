"""Tables of scores: from frames, runs and files; missing topics, seeds, order."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from periti.errors import FormatError, InputError
from periti.evaluation import parse
from periti.evaluation.significance import Scores, Terms, from_runs, read_scores
from tests.evaluation.trec_files import qrels_from, run_from

HOLES = pl.DataFrame({"query_id": ["q2", "q1", "q3"], "y": [0.5, None, 0.1], "x": [0.2, 0.3, 0.4]})


def test_topics_and_systems_are_sorted_whatever_their_order() -> None:
    scores = Scores.of(HOLES, "AP", missing="zero")
    assert (scores.query_ids, scores.systems) == (("q1", "q2", "q3"), ("x", "y"))
    assert scores.values.tolist() == [[0.3, 0.0], [0.2, 0.5], [0.4, 0.1]]
    assert scores.absent == {"y": 1}
    assert HOLES["query_id"].to_list() == ["q2", "q1", "q3"]


def test_unequal_topics_are_refused_unless_a_rule_is_named() -> None:
    with pytest.raises(InputError, match=r"'y' lacks 1 of 3 in AP, e.g. 'q1'; name a rule"):
        Scores.of(HOLES, "AP")
    assert Scores.of(HOLES, "AP", missing="common").query_ids == ("q2", "q3")


def test_nothing_in_common_is_refused() -> None:
    frame = pl.DataFrame({"query_id": ["q1", "q2"], "x": [0.1, None], "y": [None, 0.2]})
    with pytest.raises(InputError, match="no topic is answered by every system"):
        Scores.of(frame, "AP", missing="common")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_score_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="give finite scores"):
        Scores.of(pl.DataFrame({"query_id": ["q1"], "x": [value]}), "AP")


def test_a_topic_twice_is_refused() -> None:
    with pytest.raises(InputError, match="stands twice"):
        Scores.of(pl.DataFrame({"query_id": ["q1", "q1"], "x": [0.1, 0.2]}), "AP")


def test_scores_can_not_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Scores.of(HOLES, "AP", missing="zero").values[0, 0] = 1.0


def test_seeds_of_one_system_are_averaged_topic_by_topic() -> None:
    frame = pl.DataFrame({"query_id": ["q1", "q2"], "b-s1": [0.2, 0.4], "b-s2": [0.4, 0.4], "bm25": [0.1, 0.2]})
    scores = Scores.of(frame, "AP").averaged(r"(.*)-s\d")
    assert scores.systems == ("b", "bm25")
    assert scores.values == pytest.approx(np.array([[0.3, 0.1], [0.4, 0.2]]))
    assert scores.seeds == {"b": ("b-s1", "b-s2")}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "no regular expression"),
        ("x", "0 groups"),
        ("(z)", "no run matches"),
        ("(x)-.*", "would take the name of the run 'x'"),
    ],
)
def test_a_pattern_of_seeds_that_can_not_serve_is_refused(pattern: str, said: str) -> None:
    frame = pl.DataFrame({"query_id": ["q1"], "x": [0.2], "x-1": [0.2], "y": [0.1]})
    with pytest.raises(InputError, match=said):
        Scores.of(frame, "AP").averaged(pattern)


def test_the_digest_hangs_on_every_bit() -> None:
    frame = pl.DataFrame({"query_id": ["q1"], "x": [0.2]})
    other = frame.with_columns(x=pl.lit(np.nextafter(0.2, 1)))
    assert Scores.of(frame, "AP").digest == Scores.of(frame, "AP").digest
    assert Scores.of(frame, "AP").digest != Scores.of(other, "AP").digest


# from runs

QRELS = qrels_from([("q1", "a", 1), ("q2", "a", 1), ("q3", "a", 1)])
FULL = run_from([("q1", "a", 1.0), ("q2", "b", 1.0)], "full")
PART = run_from([("q1", "b", 2.0), ("q1", "a", 1.0)], "part")


def test_runs_that_answer_other_queries_are_refused() -> None:
    with pytest.raises(InputError, match=r"'part' lacks 1 of 3 in RR, e.g. 'q2'"):
        from_runs([FULL, PART], QRELS, parse(["RR"]))


@pytest.mark.parametrize(
    ("terms", "topics", "part"), [(Terms("zero"), 3, [0.5, 0.0, 0.0]), (Terms("common"), 1, [0.5])]
)
def test_a_named_rule_decides_for_missing_queries(terms: Terms, topics: int, part: list[float]) -> None:
    tables, evidence = from_runs([FULL, PART], QRELS, parse(["RR"]), terms)
    assert len(tables[0].query_ids) == topics
    assert tables[0].values[:, 1].tolist() == part
    assert evidence.unanswered == 1


def test_a_query_that_no_run_answers_counts_zero_for_all() -> None:
    tables, _ = from_runs([FULL, FULL.renamed("twin")], QRELS, parse(["RR"]))
    assert tables[0].values.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_queries_without_a_relevant_document_can_be_left_out() -> None:
    qrels = qrels_from([("q1", "a", 1), ("q2", "a", 0)])
    tables, _ = from_runs([FULL, FULL.renamed("twin")], qrels, parse(["RR"]), Terms(no_relevant="exclude"))
    assert tables[0].query_ids == ("q1",)


def test_shared_documents_and_judged_shares_are_counted_over_the_first_ten() -> None:
    qrels = qrels_from([("q1", f"d{i}", 1) for i in range(6)])
    one = run_from([("q1", f"d{i}", -i) for i in range(20)], "one")
    other = run_from([("q1", f"d{i}", -i) for i in range(4, 20)], "other")
    _, evidence = from_runs([one, other], qrels, parse(["P@5"]))
    assert evidence.judged == {"one": 0.6, "other": 0.2}
    assert evidence.shared == {("one", "other"): 0.6}


@pytest.mark.parametrize(("runs", "said"), [([FULL], "1 run is given"), ([FULL, FULL], "two runs are named 'full'")])
def test_runs_that_can_not_be_told_apart_or_compared_are_refused(runs: list[object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        from_runs(runs, QRELS, parse(["RR"]))  # type: ignore[arg-type]


# from files


def test_a_wide_table_with_topics(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("topic,b,a\n2,.5,.1\n1,.25,NA\n")
    (scores,) = read_scores(tmp_path / "t.csv", measure="AP", missing="zero")
    assert (scores.measure, scores.collection, scores.query_ids) == ("AP", "t", ("1", "2"))
    assert scores.values.tolist() == [[0.0, 0.25], [0.1, 0.5]]


def test_rows_without_names_are_numbered_by_their_scores_not_their_order(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n.1,.2\n.3,.1\n.1,.1\n")
    (tmp_path / "u.csv").write_text("y,x\n.1,.3\n.1,.1\n.2,.1\n")
    one, other = (read_scores(tmp_path / name)[0] for name in ("t.csv", "u.csv"))
    assert one.values.tolist() == other.values.tolist() == [[0.1, 0.1], [0.1, 0.2], [0.3, 0.1]]
    assert one.query_ids == other.query_ids == ("topic 1", "topic 2", "topic 3")


@pytest.mark.parametrize("name", ["v.csv", "v.parquet"])
def test_the_long_form_that_evaluate_writes(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(
        {"run": ["x", "x", "y", "y"], "query_id": ["1", "2"] * 2, "measure": ["AP"] * 4, "value": [0.1, 0.2, 0.3, 0.4]}
    )
    path = tmp_path / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    (scores,) = read_scores(path)
    assert (scores.measure, scores.systems) == ("AP", ("x", "y"))
    assert scores.values.tolist() == [[0.1, 0.3], [0.2, 0.4]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"x,y\n", "no row of scores"),
        (b"topic\n1\n", "no column of scores"),
        (b"x,x\n.1,.2\n", ":1: the column name 'x' is empty or repeated"),
        (b"x,y\n.1,.2\n.3\n", ":3: expected 2 cells, found 1"),
        (b"x,y\n.1,high\n", ":2: 'high' of 'y' is not a finite number"),
        (b"x,y\n.1,inf\n", ":2: 'inf' of 'y' is not a finite number"),
        (b"x,y\n.1,\xff\n", ":2: byte 7 is not UTF-8"),
        (b"run,query_id,measure,value\nx,1,AP,.1\nx,1,AP,.2\n", "two values for one topic"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read_scores(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_files_that_are_absent_or_no_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"nothing")
    for name in ("absent.csv", "absent.parquet", "t.parquet"):
        with pytest.raises(FormatError, match=name):
            read_scores(tmp_path / name)
