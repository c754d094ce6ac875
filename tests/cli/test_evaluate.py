"""`periti evaluate` as a user calls it: files in, a table out, one sentence and status 2 for bad input."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl
import pytest

from periti.cli import evaluate as command
from periti.errors import PeritiError

QRELS = "q1 0 a 2\nq1 0 b 0\nq2 0 a 1\n"
RUN = "q1 Q0 b 1 2.0 toy\nq1 Q0 a 2 1.0 toy\nq2 Q0 a 1 1.0 toy\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "toy.run").write_text(RUN)
    return tmp_path


def periti(*arguments: str | Path) -> int:
    """What `periti` does with these arguments, without its other commands."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["evaluate", *map(str, arguments)])
    return int(parsed.run(parsed))


def test_the_default_table_names_the_default_measures_and_the_rules(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("--qrels", files / "qrels.txt", files / "toy.run") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["run", "nDCG@10", "AP@1000", "R@1000", "RR@10", "P@5", "judged@10"]
    assert out.splitlines()[1].split() == ["toy", "0.8155", "0.7500", "1.0000", "0.7500", "0.2000", "1.0000"]
    assert "queries counted: n = 2 for every measure and run" in out


def test_json_carries_the_measures_asked_for_and_min_rel(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    periti("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "RR", "nDCG", "--min-rel", "2", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["measures"] == ["RR(rel=2)", "nDCG"]
    assert told["runs"][0]["values"]["RR(rel=2)"] == 0.25


def test_several_runs_stand_side_by_side_and_same_tags_become_file_names(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "other.run").write_text(RUN)
    periti("--qrels", files / "qrels.txt", files / "toy.run", files / "other.run", "--markdown", "--measures", "P@1")
    assert capsys.readouterr().out.splitlines()[2:4] == ["| toy.run | 0.5000 |", "| other.run | 0.5000 |"]


def test_runs_with_the_same_tag_and_file_name_are_told_apart_by_their_paths(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = files / "second" / "toy.run"
    other.parent.mkdir()
    other.write_text(RUN)
    periti("--qrels", files / "qrels.txt", files / "toy.run", other, "--markdown", "--measures", "P@1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == [f"| {files / 'toy.run'} | 0.5000 |", f"| {other} | 0.5000 |"]


def test_per_query_values_are_written_beside_the_table(files: Path) -> None:
    periti("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "RR", "--per-query", files / "v.parquet")
    assert pl.read_parquet(files / "v.parquet").rows() == [("toy", "q1", "RR", 0.5), ("toy", "q2", "RR", 1.0)]


def test_partial_overlap_is_a_warning_on_stderr(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "toy.run").write_text("q1 Q0 a 1 1.0 toy\nq7 Q0 a 1 1.0 toy\n")
    assert periti("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "P@1") == 0
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == [
        "periti: warning: run 'toy' has no documents for 1 of 2 judged queries; they count as 0",
        "periti: warning: 1 of 2 queries of run 'toy' are not judged; they count nowhere",
    ]


def test_skipping_missing_queries_changes_the_mean(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "toy.run").write_text("q1 Q0 a 1 1.0 toy\n")
    arguments = ("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "RR", "--json")
    values = []
    for rule in ("zero", "skip"):
        periti(*arguments, "--missing", rule)
        values.append(json.loads(capsys.readouterr().out)["runs"][0]["values"]["RR"])
    assert values == [0.5, 1.0]


BAD_RUNS = [
    (b"q1 Q0 a 1 1.0\n", "toy.run:1: "),
    (b"q1 Q0 a 1 1.0 toy\nq1 Q0 b 2 nan toy\n", "toy.run:2: "),
    (b"q1 Q0 a 1 high toy\n", "toy.run:1: "),
    (b"q1 Q0 a 1 2.0 toy\nq1 Q0 a 2 1.0 toy\n", "toy.run:2: "),
    (b"q1 Q0 a 1 2.0 toy\nq1 Q0 \xff 2 1.0 toy\n", "toy.run:2: "),
    (b"", "toy.run: "),
    (b"x1 Q0 a 1 1.0 toy\n", "share no query"),
    (b"q1 Q0 zz 1 1.0 toy\n", "share no document"),
]


@pytest.mark.parametrize(("content", "said"), BAD_RUNS)
def test_a_bad_run_is_one_sentence_and_prints_no_table(
    files: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    (files / "toy.run").write_bytes(content)
    with pytest.raises(PeritiError) as caught:
        periti("--qrels", files / "qrels.txt", files / "toy.run")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--measures", "ndcg@10"], "did you mean 'nDCG'"),
        (["--min-rel", "0"], "1 or more"),
        (["--per-query", "values.xlsx"], "no format is named '.xlsx'"),
        (["--per-query", "absent/values.csv"], "can not be written"),
    ],
)
def test_a_bad_argument_is_one_sentence(files: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(PeritiError, match=said):
        periti("--qrels", files / "qrels.txt", files / "toy.run", *arguments)


def test_a_run_that_the_measures_option_swallowed_is_pointed_out(files: Path) -> None:
    with pytest.raises(PeritiError, match="put the runs before --measures"):
        periti("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "P@1", files / "toy.run")


def test_the_same_run_twice_is_refused(files: Path) -> None:
    with pytest.raises(PeritiError, match="given twice"):
        periti("--qrels", files / "qrels.txt", files / "toy.run", files / "toy.run")


def test_a_vouched_run_of_unjudged_documents_scores_zero(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "toy.run").write_text("q1 Q0 zz 1 1.0 toy\n")
    periti("--qrels", files / "qrels.txt", files / "toy.run", "--same-collection", "--measures", "P@1", "--json")
    assert json.loads(capsys.readouterr().out)["runs"][0]["values"] == {"P@1": 0.0}


def test_a_collection_name_stands_for_its_judgements(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    run = shared_data / "msmarco-dl19-dl20-pool" / "runs" / "dl20.BM25.txt.gz"
    assert periti("--qrels", "msmarco-dl19-dl20-pool:dl20", run, "--measures", "nDCG@10") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "0.4796"


def test_the_measures_are_listed_without_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("--list-measures") == 0
    assert "nDCG(dcg='log2',gains,judged_only=False)[@k]" in capsys.readouterr().out
    assert periti("--list-measures", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"name", "definition", "formula", "source", "parameters", "fixture"} <= set(listed[0])


def test_nothing_to_evaluate_is_one_sentence(files: Path) -> None:
    with pytest.raises(PeritiError, match="give --qrels and at least one run"):
        periti("--qrels", files / "qrels.txt")


def test_expected_values_over_ties_are_printed_with_their_bounds(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "toy.run").write_text("q1 Q0 b 1 1.0 toy\nq1 Q0 a 2 1.0 toy\nq2 Q0 a 1 1.0 toy\n")
    arguments = ("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "RR", "--ties", "expected")
    periti(*arguments)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:2]] == [["run", "RR"], ["toy", "0.8750"]]
    assert "bounds over tied orders" in lines[3]
    assert "[0.7500, 1.0000]" in lines[4]
    assert any(line.startswith("ties: score descending as float32; values are expected ones") for line in lines)
    periti(*arguments, "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["policy"]["order"], told["runs"][0]["bounds"]) == ("expected", {"RR": [0.75, 1.0]})


def test_file_order_ranks_by_line_and_leaves_out_what_is_not_shown(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # By score b is first of q1; by line x, which is not shown, then a.
    (files / "toy.run").write_text("q1 NS x 1 9.0 toy\nq1 AF a 2 0.0 toy\nq1 NF b 3 5.0 toy\nq2 NF a 1 1.0 toy\n")
    periti("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "RR", "last_rel", "--order", "file")
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["toy", "1.0000", "1.0000"]
    assert "ties: the order of the run's lines" in out
    with pytest.raises(PeritiError, match="has no ties"):
        periti("--qrels", files / "qrels.txt", files / "toy.run", "--order", "file", "--ties", "expected")


def test_sampled_judgements_are_declared_with_or_without_strata(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--qrels", files / "qrels.txt", files / "toy.run", "--measures", "xinfAP", "--json")
    with pytest.raises(PeritiError, match="not declared"):
        periti(*arguments)
    periti(*arguments, "--sampled")
    one = json.loads(capsys.readouterr().out)["runs"][0]["values"]["xinfAP"]
    (files / "strata.txt").write_text("q1 a top\nq1 b rest\nq2 a top\n")
    periti(*arguments, "--sampled", files / "strata.txt")
    two = json.loads(capsys.readouterr().out)["runs"][0]["values"]["xinfAP"]
    # Of q1 the rest above the relevant document is taken for 0 relevant of 1 judged, as without strata.
    assert one == pytest.approx(0.75, abs=1e-4)
    assert two == pytest.approx(0.75, abs=1e-4)


def test_numbers_are_set_against_published_ones_or_refused_by_field(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # As many queries as BEIR's touche has; a run that ends before the cutoff would be another measurement.
    names = [f"q{number}" for number in range(1, 50)]
    (files / "many.txt").write_text("".join(f"{query} 0 a 1\n" for query in names))
    lines = [f"{query} Q0 {doc} 1 {-i} toy\n" for query in names for i, doc in enumerate("abcdefghij")]
    (files / "toy.run").write_text("".join(lines))
    asked = (files / "toy.run", "--measures", "nDCG@10", "--against", "published", "--benchmark", "beir touche")
    declared = ("--declare", "split=test", "first_stage=none")
    periti("--qrels", files / "many.txt", *asked, *declared)
    out = capsys.readouterr().out
    assert "BM25 flat (readme, test)" in out
    assert "+0.5580" in out
    assert "refused: " not in out
    periti("--qrels", files / "many.txt", *asked, "--json")
    told = json.loads(capsys.readouterr().out)["published"]
    assert [field["field"] for field in told[0]["differs"]] == ["split", "first_stage"]
    # Two queries are not the benchmark, whatever is declared.
    arguments = ("--qrels", files / "qrels.txt", *asked)
    periti(*arguments, *declared)
    assert "n_queries (ours 2, theirs 49)" in capsys.readouterr().out
    with pytest.raises(PeritiError, match="no published number of a benchmark"):
        periti(*arguments[:-2])
    with pytest.raises(PeritiError, match="add --against published"):
        periti("--qrels", files / "qrels.txt", files / "toy.run", "--declare", "depth=5")


def test_graded_and_negative_judgements_are_told_in_a_sentence_each(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "graded.txt").write_text("q1 0 a 3\nq1 0 b -1\nq2 0 a 1\n")
    arguments = ("--qrels", files / "graded.txt", files / "toy.run", "--measures", "AP", "P(rel=2)@5", "RR", "nDCG@5")
    periti(*arguments)
    out = capsys.readouterr().out
    assert "relevant: grade 1 or above in AP, RR; grade 2 or above in P(rel=2)@5; judgements have grades up to 3" in out
    assert "negative grades: 1 judgements; their documents count as not judged" in out
    periti(*arguments, "--json")
    assert set(json.loads(capsys.readouterr().out)["grading"]) == {"relevant", "negative grades"}
    periti("--qrels", files / "graded.txt", files / "toy.run", "--measures", "nDCG@5", "RBP", "judged@10")
    assert "relevant:" not in capsys.readouterr().out


def test_a_collection_brings_its_own_lowest_relevant_grade_and_the_rules_say_so(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    run = shared_data / "msmarco-dl19-dl20-pool" / "runs" / "dl19.BM25.txt.gz"
    arguments = ("--qrels", "msmarco-dl19-dl20-pool:dl19", run, "--measures", "P@5")
    periti(*arguments)
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["run", "P(rel=2)@5"]
    assert "lowest relevant grade: 2 in binary measures without rel=, from the catalog's entry of" in out
    periti(*arguments, "--min-rel", "1")
    assert capsys.readouterr().out.splitlines()[0].split() == ["run", "P@5"]
