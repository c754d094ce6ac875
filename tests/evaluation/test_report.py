"""Tables, JSON, and per-query files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from periti.errors import InputError, StorageError
from periti.evaluation import Evaluation, Policy, evaluate, export, parse, report
from periti.evaluation.export import write_per_query

from .test_summary import QRELS, RUN
from .trec_files import run_from

MEASURES = parse(["P@1", "RR", "NumRet"])


@pytest.fixture
def pair() -> list[Evaluation]:
    better = run_from([("q1", "a", 2.0), ("q2", "a", 1.0)], "better | run")
    return [evaluate(RUN, QRELS, MEASURES), evaluate(better, QRELS, MEASURES)]


def test_the_terminal_table_aligns_numbers_and_ends_with_the_rules(pair: list[Evaluation]) -> None:
    assert report.text(pair).splitlines() == [
        "run              P@1      RR  NumRet",
        "run           0.0000  0.1667       3",
        "better | run  0.6667  0.6667       2",
        "",
        "run           answered  missing  not judged  documents  tied pairs in top 10",
        "run                  2        1           1          3                     1",
        "better | run         2        1           0          2                     0",
        "",
        "judgements: qrels: 3 judged queries, 1 without a relevant document",
        "queries counted: n = 3 for every measure and run",
        f"denominator: {Policy().denominator}",
        f"ties: {Policy().ties}",
        f"unjudged: {Policy().unjudged}",
        "relevant: grade 1 or above in P@1, RR; judgements have grades up to 2",
    ]


def test_different_denominators_are_named_per_run_and_measure() -> None:
    evaluation = evaluate(RUN, QRELS, MEASURES, policy=Policy(no_relevant="exclude"))
    assert "queries counted: run: n = 2 for P@1 RR, n = 3 for NumRet\n" in report.text([evaluation])


def test_markdown_escapes_the_pipe_of_a_name(pair: list[Evaluation]) -> None:
    lines = report.markdown(pair).splitlines()
    assert lines[:4] == [
        "| run | P@1 | RR | NumRet |",
        "| --- | ---: | ---: | ---: |",
        "| run | 0.0000 | 0.1667 | 3 |",
        "| better \\| run | 0.6667 | 0.6667 | 2 |",
    ]


def test_json_is_unrounded_and_carries_counts_rules_and_denominators(pair: list[Evaluation]) -> None:
    told = json.loads(report.as_json(pair))
    assert told["runs"][0]["values"] == {"P@1": 0.0, "RR": 0.5 / 3, "NumRet": 3.0}
    assert told["runs"][1]["denominators"] == {"P@1": 3, "RR": 3, "NumRet": 3}
    assert told["runs"][0]["counts"]["unjudged"] == 1
    assert told["policy"]["missing"] == "zero"
    assert told["queries"] == {"judged": 3, "without_relevant": 1}


def test_a_value_over_no_query_is_a_dash_and_null() -> None:
    evaluation = evaluate(
        run_from([("q3", "c", 1.0)]), QRELS, parse(["RR"]), policy=Policy(missing="skip", no_relevant="exclude")
    )
    assert report.text([evaluation]).splitlines()[1].split() == ["run", "-"]
    assert json.loads(report.as_json([evaluation]))["runs"][0]["values"] == {"RR": None}


def test_runs_measured_under_other_rules_do_not_share_a_table(pair: list[Evaluation]) -> None:
    other = evaluate(RUN, QRELS, MEASURES, policy=Policy(missing="skip"))
    with pytest.raises(InputError, match="report them apart"):
        report.text([pair[0], other])


@pytest.mark.parametrize(
    ("suffix", "read"),
    [(".parquet", pl.read_parquet), (".csv", pl.read_csv), (".json", pl.read_json), (".jsonl", pl.read_ndjson)],
)
def test_per_query_files_hold_every_value_unrounded(
    tmp_path: Path, pair: list[Evaluation], suffix: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    path = tmp_path / f"values{suffix}"
    path.write_text("old")
    write_per_query(pair, path)
    assert read(path).equals(export.per_query_frame(pair))
    assert read(path).height == 2 * 3 * 3
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_suffix_that_names_no_format_is_refused(pair: list[Evaluation], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end the file name with \.parquet, \.csv, \.json, \.jsonl"):
        write_per_query(pair, tmp_path / "values.xlsx")


def test_a_folder_that_does_not_exist_is_one_sentence(pair: list[Evaluation], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory; give a writable place"):
        write_per_query(pair, tmp_path / "absent" / "values.csv")


def test_a_write_that_fails_keeps_the_older_file(
    pair: list[Evaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_frame: pl.DataFrame, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "WRITERS", {".csv": full})
    path = tmp_path / "values.csv"
    path.write_text("old")
    with pytest.raises(StorageError, match="No space left"):
        write_per_query(pair, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["values.csv"]
