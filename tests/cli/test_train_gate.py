"""`periti train gate`: from run files to a folder that a pipeline's fusion opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.cli.main import main
from periti.rankers.gate.files import read_gate
from tests.rankers.gate.synthetic import world


def files(folder: Path) -> list[str]:
    """Arguments that name runs, queries and judgements of a made world."""
    made = world("two", 40, seed=1)
    for name, run in made.runs.items():
        lines = [f"{q} Q0 {d} {r} {s:.6f} {name}" for q, d, s, r in run.frame.iter_rows()]
        (folder / f"{name}.run").write_text("\n".join(lines) + "\n")
    (folder / "queries.tsv").write_text("".join(f"{q}\t{text}\n" for q, text in made.queries.frame.iter_rows()))
    (folder / "dev.qrels").write_text("".join(f"{q} 0 {d} 1\n" for q, d in made.about.items()))
    runs = [str(folder / f"{name}.run") for name in made.runs]
    return [*runs, "--queries", str(folder / "queries.tsv"), "--qrels", str(folder / "dev.qrels")]


def test_a_gate_is_trained_and_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gate"

    assert main(["train", "gate", *files(tmp_path), "--seed", "3", "--out", str(out), "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["sources"] == ["a", "b"]
    assert told["options"]["seed"] == 3
    assert told["loss"]["best"] < told["loss"]["before"]
    assert read_gate(out).card["queries"] == told["queries"] == 40


def test_a_split_of_test_and_names_that_do_not_fit_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = files(tmp_path)

    assert main(["train", "gate", *given, "--names", "a", "a", "--out", str(tmp_path / "g")]) == 2
    assert "1 different names for 2 runs" in capsys.readouterr().err
    assert main(["train", "gate", *given[:-1], "scifact", "--split", "test", "--out", str(tmp_path / "g")]) == 2
    assert "is a test split" in capsys.readouterr().err
    assert not (tmp_path / "g").exists()
