from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from html import unescape
from pathlib import Path

import polars as pl
import pytest

from periti.cli import adjudicate, compare
from periti.cli.studies import open_study
from periti.datasets.trec import read_qrels, write_qrels, write_run
from periti.errors import DatasetError, PeritiError, UnknownName
from periti.evaluation import parse
from periti.evaluation.adjudication.left_out import leave_out
from periti.evaluation.adjudication.orders import Budget
from periti.evaluation.adjudication.pool import build_pool
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.adjudication.simulate import Design, Simulation, simulate
from periti.evaluation.adjudication.summary import summarise
from tests.evaluation.adjudication.toy import toy_qrels, toy_runs


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy's runs, judgements and queries as files, in the current folder."""
    for one in toy_runs():
        write_run(one, tmp_path / f"{one.name}.run")
    write_qrels(toy_qrels(), tmp_path / "toy.qrels")
    (tmp_path / "queries.tsv").write_text("q1\tfirst question\nq2\tsecond question\n")
    documents = [
        json.dumps({"_id": f"{letter}{n}", "text": f"text {letter}{n}"}) for letter in "de" for n in range(1, 7)
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(documents) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(line: str) -> int:
    """What `periti` does with this line, without its other commands."""
    parser = argparse.ArgumentParser(prog="periti")
    adjudicate.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["adjudicate", *shlex.split(line)])
    try:
        status: int = parsed.run(parsed)
    except PeritiError as error:
        print(f"periti: {error}", file=sys.stderr)
        return 2
    return status


def printed(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert call(line) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    assert call(line) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


SIMULATE = "simulate --runs A.run B.run C.run --qrels toy.qrels --depth 4 --replicates 20"
NEXT = "next --log j.db --runs A.run B.run C.run --depth 4 --double 0 --method depth"


@pytest.mark.usefixtures("files")
def test_a_simulation_prints_json_text_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, f"{SIMULATE} --budget .5 --seeds 2 --json"))
    assert (data["measure"], data["runs"], data["pool"], data["seeds"]) == ("AP", 3, 12, [0, 1])
    rows = {row["method"]: row for row in data["rows"] if row["test"] == "t+holm"}
    # Half of six documents: depth judges d1 d2 d3 of q1 (one relevant) and e1 e2 e3 of q2 (two).
    assert (rows["depth"]["judged"], rows["depth"]["relevant"]["mean"]) == (6, 3)
    assert len(rows) == 16
    assert "50 % judged (6 documents), t+holm" in printed(capsys, f"{SIMULATE} --budget .5 --methods depth mtf")
    assert "| mtf |" in printed(capsys, f"{SIMULATE} --budget .5 --methods depth mtf --markdown")


@pytest.mark.usefixtures("files")
def test_a_budget_larger_than_the_pool_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the pool of query 'q1' holds 6" in refused(capsys, f"{SIMULATE} --mode per_topic_fixed --budget 7")
    assert "larger than the pool" in refused(capsys, f"{SIMULATE} --budget 1.1")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("simulate", "nothing to simulate; give --dataset, or --runs and --qrels"),
        ("simulate --dataset clef-tar-2017 --qrels x", "leave --runs and --qrels out"),
        ("simulate --dataset clef-tar-2016", "did you mean 'clef-tar-2017'"),
        (f"{SIMULATE} --seeds 0", "--seeds is 0"),
        (f"{SIMULATE} --methods mtff", "did you mean 'mtf'"),
        ("next --log new.db", "a new log needs runs to pool; give --runs"),
        ("status --log new.db", "there is no judging log; `periti adjudicate next` begins one"),
        ("record --log new.db --query q1 --doc d1 --grade 1", "there is no judging log"),
        ("undo --log new.db", "there is no judging log"),
        ("export --log new.db --out x", "there is no judging log"),
        ("status --log toy.qrels", "the judging log can not be read"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    files: Path, capsys: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    assert sentence in refused(capsys, line)
    assert not (files / "new.db").exists()


@pytest.mark.usefixtures("files")
def test_judging_from_the_first_document_to_the_exported_judgements(capsys: pytest.CaptureFixture[str]) -> None:
    first = printed(capsys, f"{NEXT} --assessor ada --queries queries.tsv --documents corpus.jsonl")
    assert first == (
        "query     q1\ndocument  d1\nnumber    1 of 6\n\nquery_text:\nfirst question\n\ndocument_text:\ntext d1\n"
    )
    printed(capsys, "record --log j.db --query q1 --doc d1 --grade 0 --assessor ada")
    # Runs and terms are remembered; another assessor begins with another query.
    task = json.loads(printed(capsys, "next --log j.db --assessor bob --json"))
    assert task == {"query_id": "q2", "doc_id": "e1", "number": 1, "pool": 6, "again": False, "batch_ended": False}
    printed(capsys, "record --log j.db --query q2 --doc e1 --grade 2 --assessor bob")
    assert "d2" in printed(capsys, "next --log j.db --assessor ada")
    printed(capsys, "record --log j.db --query q1 --doc d2 --grade 1 --assessor ada")
    assert "took back grade 1 of d2" in printed(capsys, "undo --log j.db --assessor ada")
    printed(capsys, "record --log j.db --query q1 --doc d2 --grade 3 --assessor ada")
    assert "3 judgements of 2 queries" in printed(capsys, "export --log j.db --out judged.qrels")
    assert read_qrels("judged.qrels").frame.rows() == [("q1", "d1", 0), ("q1", "d2", 3), ("q2", "e1", 2)]
    status = printed(capsys, "status --log j.db")
    assert status.startswith("3 of 12 pooled documents of 2 queries are judged, 2 of them relevant.\n")
    assert "Of 3 pairs of runs" in status
    data = json.loads(printed(capsys, "status --log j.db --counts-only --json"))
    assert (data["judged"], data["relevant"], data["outlook"]) == (3, 2, None)


@pytest.mark.usefixtures("files")
def test_a_document_that_was_not_handed_out_is_refused_unless_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, f"{NEXT} --assessor ada")
    line = "record --log j.db --query q1 --doc d4 --grade 1 --assessor ada"
    assert "'d4' of query 'q1' was not handed out to 'ada'; check the ids, or add --unasked" in refused(capsys, line)
    assert "gave d4" in printed(capsys, f"{line} --unasked")
    assert "the grade is -1" in refused(capsys, f"{line.replace('--grade 1', '--grade -1')} --unasked")
    assert "'bob' has no judgement that stands" in refused(capsys, "undo --log j.db --assessor bob")


@pytest.mark.usefixtures("files")
def test_when_nothing_is_left_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(12):
        task = json.loads(printed(capsys, f"{NEXT} --assessor ada --json"))
        printed(capsys, f"record --log j.db --query {task['query_id']} --doc {task['doc_id']} --grade 1 --assessor ada")
    assert printed(capsys, "next --log j.db --assessor ada") == "Nothing is left for ada.\n"
    assert json.loads(printed(capsys, "next --log j.db --assessor ada --json")) is None


@pytest.mark.usefixtures("files")
def test_after_a_batch_it_says_which_pairs_are_separable(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        told = printed(capsys, f"{NEXT} --assessor ada --batch 3")
        assert ("A batch is done." in told) == (number == 3)
        query, doc = (line.split()[1] for line in told.splitlines()[:2])
        printed(capsys, f"record --log j.db --query {query} --doc {doc} --grade {int(doc == 'd2')} --assessor ada")
    assert "Of 3 pairs of runs" in told


def test_every_part_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("simulate", "next", "record", "status", "undo", "export"):
        with pytest.raises(SystemExit):
            call(f"{part} --help")
        assert f"periti adjudicate {part} " in capsys.readouterr().out.partition("examples:")[2]


def test_a_study_without_its_folder_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="set PERITI_DATA"):
        open_study("clef-tar-2017", tmp_path)
    with pytest.raises(UnknownName, match="known: clef-tar-2017, trec-covid-round1"):
        open_study("x", tmp_path)


@pytest.fixture(scope="module")
def clef(shared_data: Path) -> Simulation:
    study = open_study("clef-tar-2017", shared_data)
    pool = build_pool(study.runs, study.qrels, unjudged=study.unjudged)
    return simulate(pool, parse([study.measure])[0], Design())


@pytest.mark.slow
def test_clef_2017_has_the_pool_that_was_counted(clef: Simulation) -> None:
    assert (len(clef.pool.systems), len(clef.pool.topics), len(clef.pool)) == (15, 30, 12_529)
    assert int((clef.pool.grades > 0).sum()) == 1_153


# Methods of the published comparison: those that follow judgements and count what is not judged as not relevant.
FOLLOWING = ("mtf", "hedge", "mm", "mm-ns", "ts", "ts-ns")


@pytest.mark.slow
def test_on_clef_2017_hedge_ranks_runs_best_and_keeps_hardly_a_significant_pair(clef: Simulation) -> None:
    summary = summarise(clef, replicates=0)
    for budget in clef.design.budgets:
        rows = {row.method: row.values for row in summary.of("t+holm", budget)}
        taus = {name: rows[name]["tau"].mean for name in FOLLOWING}
        assert max(taus, key=lambda name: taus[name]) == "hedge", budget
        assert all(one.pairs["t+holm"].ad == 0 for one in clef.outcomes)
        if budget.amount <= 0.1:
            assert rows["hedge"]["aa"].mean == 0
            assert rows["ts-ns"]["aa"].mean > 4
        assert rows["hedge"]["relevant"].mean > rows["mtf"]["relevant"].mean > rows["depth"]["relevant"].mean


@pytest.mark.slow
def test_trec_covid_has_143_runs_and_only_judged_documents(shared_data: Path) -> None:
    study = open_study("trec-covid-round1", shared_data)
    pool = build_pool(study.runs, study.qrels, unjudged=study.unjudged)
    assert (len(pool.systems), len(pool.topics), len(pool)) == (143, 30, 8_519)


@pytest.mark.usefixtures("files")
def test_a_simulation_writes_its_curves_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{SIMULATE} --budget .5 1 --methods depth mtf --seeds 2"
    data = json.loads(printed(capsys, f"{line} --json --html page.html --curves curves.csv"))
    frame = pl.read_csv("curves.csv")
    assert frame.columns == ["quantity", "budget", "method", "value", "low", "high"]
    # Every number of the file is one of the JSON: recall of the test, and tau.
    rows = {(row["budget"], row["method"], row["test"]): row for row in data["rows"]}
    kept = frame.filter(pl.col("quantity") == "relevant documents found")
    assert {(b, m): v for _, b, m, v, *_ in kept.iter_rows()} == {
        (b, m): rows[b, m, "t+holm"]["relevant"]["mean"] for b in (0.5, 1.0) for m in ("depth", "mtf")
    }
    taus = frame.filter((pl.col("quantity") == "Kendall's τ-b") & (pl.col("budget") == 1.0))
    # All judged: low is gold.
    assert taus["value"].to_list() == [1.0, 1.0]
    source = Path("page.html").read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>")
    assert "<svg" in source
    assert "Kendall's τ-b" in unescape(source)
    assert hashlib.sha256(Path("toy.qrels").read_bytes()).hexdigest() in source
    assert "http" not in source.replace("http-equiv", "").replace("http://www.w3.org", "")
    printed(capsys, f"{line} --curves curves.parquet")
    assert pl.read_parquet("curves.parquet").select("method", "value").equals(frame.select("method", "value"))


@pytest.mark.usefixtures("files")
def test_a_simulations_curves_can_be_drawn_by_compare(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, f"{SIMULATE} --budget .5 1 --methods depth mtf --seeds 2 --curves curves.csv")
    parser = argparse.ArgumentParser()
    compare.add_parser(parser.add_subparsers())
    files = ["A.run", "B.run", "C.run", "--qrels", "toy.qrels", "--html", "r.html", "--curves", "curves.csv"]
    parsed = parser.parse_args(["compare", "--bootstrap", "0", *files])
    assert parsed.run(parsed) == 0
    assert "Cheap judgements" in Path("r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("files")
def test_a_simulation_tells_the_bias_of_runs_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{SIMULATE} --budget .5 --methods depth --seeds 1 --leave-out"
    (one,) = json.loads(printed(capsys, f"{line} --json"))["left_out"]
    runs, judged = toy_runs(), toy_qrels()
    pool = build_pool(runs, judged, depth=4)
    (expected,) = leave_out(Scorer(pool, parse(["AP"])[0]), ("depth",), budget=Budget(0.5))
    assert one["mean_change"] == expected.mean_change
    assert one["change"] == dict(zip("ABC", expected.change.tolist(), strict=True))
    assert printed(capsys, line).startswith("every run in turn outside the pool")
    assert "| depth | 50 % |" in printed(capsys, f"{line} --markdown --html page.html")
    assert "Runs outside the pool" in Path("page.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("files_asked", "sentence"),
    [
        ("--curves curves.txt", "curves are written as .csv or .parquet"),
        ("--html none/page.html", "its folder does not exist"),
        ("--curves none/c.csv", "its folder does not exist"),
        ("--leave-out --mode global", "needs a budget per query"),
    ],
)
def test_a_file_that_can_not_be_written_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], files_asked: str, sentence: str
) -> None:
    assert sentence in refused(capsys, f"{SIMULATE} --budget .5 --methods depth {files_asked}")
