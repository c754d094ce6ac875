"""`periti compare` as a user calls it: runs or score tables in, tests out, one sentence for bad input."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from periti.cli import compare as command
from periti.errors import PeritiError

QUERIES = [f"q{number:02}" for number in range(20)]
RNG = np.random.default_rng(4)


def write_run(path: Path, tag: str, place: list[int], queries: list[str] | None = None) -> Path:
    """A run that ranks the relevant document of query i at place[i] of ten."""
    lines = []
    for query, rank in zip(queries or QUERIES, place, strict=False):
        documents = ["x0", *(f"x{i}" for i in range(1, 10))]
        documents.insert(rank - 1, "hit")
        lines += [f"{query} Q0 {doc} 0 {10 - i} {tag}\n" for i, doc in enumerate(documents[:10])]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "qrels.txt").write_text("".join(f"{query} 0 hit 1\n" for query in QUERIES))
    write_run(tmp_path / "good.run", "good", [1, 2] * 10)
    write_run(tmp_path / "bad.run", "bad", RNG.integers(2, 9, 20).tolist())
    write_run(tmp_path / "also.run", "also", RNG.integers(1, 7, 20).tolist())
    return tmp_path


def periti(*arguments: str | Path) -> int:
    """What `periti` does with these arguments, without its other commands."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["compare", *map(str, arguments)])
    return int(parsed.run(parsed))


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, object]:
    assert periti(*arguments, "--json") == 0
    return dict(json.loads(capsys.readouterr().out))


def runs(files: Path) -> list[str | Path]:
    return ["--qrels", files / "qrels.txt", files / "bad.run", files / "good.run", files / "also.run"]


def test_three_runs_are_compared_pair_by_pair(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert periti(*runs(files), "--measure", "RR", "--bootstrap", "200") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "RR on qrels: 20 topics, 3 systems"
    assert lines[3].split()[:4] == ["good", "0.7500", "0.2565", "1"]
    assert any(line.startswith("good - bad") for line in lines)


def test_the_command_of_the_reference_prints_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = told(
        capsys, *runs(files), "--measure", "nDCG@10", "--test", "randomization", "--correction", "holm", "--seed", "1"
    )
    assert study["family_size"] == 3
    assert isinstance(study["decided"], dict)
    assert "100000 random sign flips" in str(study["decided"]["resampling"])


def test_the_order_of_lines_and_of_runs_reaches_no_digit(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: list[str | Path] = [
        "--measure",
        "RR",
        "nDCG@10",
        "--test",
        "randomization",
        "--permutations",
        "500",
        "--bootstrap",
        "200",
    ]
    first = told(capsys, *runs(files), *options)
    for name in ("good.run", "bad.run", "also.run", "qrels.txt"):
        lines = (files / name).read_text().splitlines(keepends=True)
        (files / name).write_text("".join(RNG.permutation(np.array(lines)).tolist()))
    reordered: list[str | Path] = [
        "--qrels",
        files / "qrels.txt",
        files / "also.run",
        files / "good.run",
        files / "bad.run",
    ]
    again = told(capsys, *reordered, *options)
    # The digest of a file is that of its bytes, whose order changed; everything else is equal.
    own, other = first.pop("provenance"), again.pop("provenance")
    assert again == first
    assert isinstance(own, dict)
    assert isinstance(other, dict)
    assert own["versions"] == other["versions"]
    assert set(own["digests"]) == {str(files / name) for name in ("good.run", "bad.run", "also.run", "qrels.txt")}


def test_graded_judgements_under_a_binary_measure_are_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "qrels.txt").write_text("".join(f"{query} 0 hit 2\n{query} 0 x1 -1\n" for query in QUERIES))
    assert periti(*runs(files), "--measure", "RR", "--bootstrap", "0") == 0
    out = capsys.readouterr().out
    assert "\nrelevant: grade 1 or above in RR; judgements have grades up to 2\n" in out
    assert "\nnegative grades: 20 judgements; their documents count as not judged\n" in out


@pytest.mark.parametrize("name", ["good", "good.run"])
def test_a_baseline_is_named_by_tag_or_file(files: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    baseline = files / name if name.endswith(".run") else name
    study = told(capsys, *runs(files), "--baseline", baseline, "--bootstrap", "0")
    assert isinstance(study["tables"], list)
    assert [c["b"] for c in study["tables"][0]["comparisons"]] == ["good", "good"]


def test_seeds_of_one_system_become_one(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        write_run(files / f"m{seed}.run", f"m-s{seed}", RNG.integers(1, 9, 20).tolist())
    options = ["--seeds-of", "(.*)-s[0-9]", "--measure", "RR", "--bootstrap", "0", "--markdown"]
    assert periti("--qrels", files / "qrels.txt", files / "m1.run", files / "m2.run", files / "good.run", *options) == 0
    out = capsys.readouterr().out
    assert "| good - m |" in out
    assert "| system | mean | sd | place | groups | judged@10 | seeds |" in out


def test_score_tables_stand_instead_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "\n".join(f"t{i},{i / 40},{(i % 7) / 10}" for i in range(20))
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"topic,x,y\n{rows}\n")
    study = told(capsys, "--scores", tmp_path / "one.csv", tmp_path / "two.csv", "--measure", "AP", "--test", "hsd")
    assert isinstance(study["tables"], list)
    assert [(t["measure"], t["collection"]) for t in study["tables"]] == [("AP", "one"), ("AP", "two")]
    assert isinstance(study["over_collections"], list)
    assert study["over_collections"][0]["collections"] == ["one", "two"]


def test_missing_queries_are_refused_until_a_rule_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(files / "part.run", "part", [1, 3] * 8, QUERIES[:16])
    arguments: list[str | Path] = [
        "--qrels",
        files / "qrels.txt",
        files / "good.run",
        files / "part.run",
        "--bootstrap",
        "0",
    ]
    with pytest.raises(PeritiError, match=r"'part' lacks 4 of 20 in nDCG@10, e\.g\. 'q16'; name a rule"):
        periti(*arguments)
    for rule, topics in (("zero", 20), ("common", 16)):
        study = told(capsys, *arguments, "--missing", rule)
        assert isinstance(study["tables"], list)
        assert study["tables"][0]["topics"] == topics
    assert periti(*arguments, "--missing", "zero") == 0
    assert "warning: part has no answer to 4 topics" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--qrels", "qrels.txt"], "two or more runs, or --scores"),
        (["good.run", "bad.run"], "compare needs --qrels"),
        (["--qrels", "qrels.txt", "good.run"], "1 run is given"),
        (["--qrels", "qrels.txt", "good.run", "good.run"], "a run is given twice"),
        (["--qrels", "qrels.txt", "good.run", "bad.run", "--measure", "RR", "also.run"], "put the runs before"),
        (["--qrels", "qrels.txt", "good.run", "bad.run", "--measure", "ndcg"], "no measure named"),
        (["--qrels", "qrels.txt", "good.run", "bad.run", "--test", "hsd", "--correction", "bh"], "correct them twice"),
        (["--qrels", "qrels.txt", "good.run", "bad.run", "--baseline", "goood"], "did you mean 'good'"),
        (["--qrels", "qrels.txt", "good.run", "--scores", "t.csv"], "give one or the other"),
        (["--scores", "t.csv", "--measure", "AP", "RR"], "name one"),
        (["--scores", "t.csv"], "can not be read"),
    ],
)
def test_bad_input_is_one_sentence(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(PeritiError, match=said) as caught:
        periti(*arguments)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_real_score_table(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared_data / "trec-system-scores" / "web2013_ndcg20.csv"
    study = told(capsys, "--scores", path, "--measure", "nDCG@20", "--test", "hsd", "--bootstrap", "0")
    assert isinstance(study["tables"], list)
    assert len(study["tables"][0]["comparisons"]) == 34 * 33 // 2
