"""`periti fuse` as a user calls it: fuse, tune on held-out queries, fuse by what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.datasets.trec import read_run
from tests.cli.calling import periti


def write(path: Path, tag: str, **lists: str) -> Path:
    """A run file that ranks the letters of each query as written."""
    lines = [
        f"{q} Q0 {doc} {i} {10.0 - i} {tag}\n" for q, letters in lists.items() for i, doc in enumerate(letters, start=1)
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """x is right about p and q, y about nothing; r is answered by y alone."""
    return write(tmp_path / "x.run", "x", p="abc", q="abc"), write(tmp_path / "y.run", "y", p="bca", q="cba", r="cba")


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "dev.qrels"
    path.write_text("p 0 a 1\np 0 b 0\nq 0 a 1\n")
    return path


def test_the_toy_of_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write(tmp_path / "a.run", "A", q="abc"), write(tmp_path / "b.run", "B", q="bda")
    out = tmp_path / "ab.run"

    assert periti("fuse", a, b, "--out", out) == 0

    fused = read_run(out)
    assert fused.name == "rrf(k=60)"
    assert list(fused.frame.select("doc_id", "score").iter_rows()) == [
        ("b", pytest.approx(0.032522, abs=1e-6)),
        ("a", pytest.approx(0.032266, abs=1e-6)),
        ("d", pytest.approx(0.016129, abs=1e-6)),
        ("c", pytest.approx(0.015873, abs=1e-6)),
    ]
    assert capsys.readouterr().out == f"{out}: rrf(k=60), 1 queries, 4 documents\n"


def test_runs_with_different_queries_are_fused_and_reported(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "xy.run"
    assert periti("fuse", *pair, "--method", "comb-sum", "--weights", 3, 1, "--out", out, "--tag", "both", "-k", 2) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"{out}: both, 3 queries, 6 documents",
        "2 of 3 queries are in all runs; the others are fused of those that have them",
        "  x lacks 1: r",
    ]
    fused = read_run(out)
    # min-max, 3 x + y: p: a 3, b 1.5 + 1; q: a 3, b 1.5 + .5
    assert {q: fused.doc_ids(q) for q in "pqr"} == {"p": ["a", "b"], "q": ["a", "b"], "r": ["c", "b"]}

    assert periti("fuse", *pair, "--out", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["queries"], told["queries_in_all_runs"], told["missing_queries"]) == (3, 2, {"x": ["r"]})


def test_weights_are_tuned_saved_and_used(
    pair: tuple[Path, Path], qrels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, out = tmp_path / "weights.json", tmp_path / "xy.run"
    command = ("fuse", *pair, "--names", "good", "bad", "--method", "comb-sum", "--scaling", "rank")
    assert periti(*command, "--tune", qrels, "--save", saved) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0] == "nDCG@10 on 2 held-out queries of dev.qrels"
    assert [line.split() for line in said[1:3]] == [
        ["good", "1.0000", "weight", "0.7"],
        ["bad", "0.5000", "weight", "0.3"],
    ]
    assert said[3].split("1.0000")[1].strip().startswith("equal weights 0.")
    assert said[-1].startswith(f"{saved}: saved; use it with")

    assert periti("fuse", *pair, "--names", "good", "bad", "--settings", saved, "--out", out) == 0
    assert read_run(out).doc_ids("p")[0] == "a"
    assert periti("fuse", *pair, "--settings", saved, "--out", out) == 2
    assert "was tuned on the runs bad, good, and 'bad' is not given here (x, y); name" in capsys.readouterr().err
    assert periti("fuse", *pair, "--settings", saved, "--weights", 1, 1, "--out", out) == 2
    assert "--settings brings rule, options and weights along" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["posfuse", "slidefuse", "segfuse", "probfuse", "bayesfuse", "mapfuse"])
def test_learned_rules_know_whom_to_believe(
    method: str, qrels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, out = tmp_path / "learned.json", tmp_path / "xy.run"
    seen = write(tmp_path / "x.run", "x", p="abc", q="abc"), write(tmp_path / "y.run", "y", p="bcd", q="dcb")
    assert periti("fuse", *seen, "--method", method, "--tune", qrels, "--save", saved, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["found"]["measure"] == "nDCG@10"
    assert told["alone"] == {"x": 1.0, "y": 0.0}

    fresh = write(tmp_path / "x2.run", "x", s="d"), write(tmp_path / "y2.run", "y", s="e")
    assert periti("fuse", *fresh, "--settings", saved, "--out", out) == 0
    assert read_run(out).doc_ids("s")[0] == "d"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one of --out FILE, to fuse, and --tune QRELS"),
        (("--out", "OUT", "--tune", "QRELS"), "one of --out FILE, to fuse, and --tune QRELS"),
        (("--out", "OUT", "--method", "rff"), "did you mean 'rrf'"),
        (("--out", "OUT", "--method", "calibrated"), "is configured in periti.toml"),
        (("--out", "OUT", "--weights", "1"), "--weights gives 1 weights for 2 runs"),
        (("--out", "OUT", "--weights", "0", "0"), "no weight is positive"),
        (("--out", "OUT", "--option", "k"), "--option 'k' is not KEY=VALUE"),
        (("--out", "OUT", "--option", "k=six"), "k: expected int, found 'six'"),
        (("--out", "OUT", "--names", "a", "a"), "--names gives 1 different names for 2 runs"),
        (("--out", "OUT", "-k", "0"), "k is 0; it must be at least 1"),
        (
            (
                "--out",
                "nowhere/x.run",
            ),
            "nowhere",
        ),
        (("--tune", "scifact:test"), "'test' is a test split, and nothing is fitted or tuned on test"),
        (("--tune", "scifact"), "no split is named"),
        (("--tune", "QRELS", "--measure", "nDCG@ten"), "nDCG@ten"),
        (("--tune", "QRELS", "--weights", "1", "1"), "leave --weights and --settings out"),
        (("--tune", "QRELS", "--steps", "0"), "0 steps"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], said: str, pair: tuple[Path, Path], qrels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = qrels.parent / "out.run"
    places = {"OUT": out, "QRELS": qrels}
    assert periti("fuse", *pair, *[places.get(argument, argument) for argument in arguments]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_one_run_and_runs_of_another_collection_are_refused(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("fuse", pair[0], "--out", tmp_path / "out.run") == 2
    assert "fuse got 1 run; give at least two" in capsys.readouterr().err
    other = tmp_path / "other.qrels"
    other.write_text("n 0 z 1\n")
    assert periti("fuse", *pair, "--tune", other) == 2
    assert capsys.readouterr().err.startswith("periti: ")
