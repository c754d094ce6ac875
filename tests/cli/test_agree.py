"""`periti agree` as a user calls it: two sets of judgements, two measures, score tables, and bad input."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from periti.cli import agree as command
from periti.errors import PeritiError

from .test_compare import QUERIES, files

__all__ = ["files"]


def periti(*arguments: str | Path) -> int:
    """What `periti` does with these arguments, without its other commands."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["agree", "--draws", "40", *map(str, arguments)])
    return int(parsed.run(parsed))


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert periti(*arguments, "--json") == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.fixture
def cheap(files: Path) -> Path:
    """Judgements of the document that stands first wherever `hit` does not: the best run is the worst by them."""
    path = files / "cheap.qrels"
    path.write_text("".join(f"{query} 0 hit 0\n{query} 0 x0 1\n" for query in QUERIES))
    return path


def runs(folder: Path) -> list[str | Path]:
    return ["--runs", folder / "good.run", folder / "bad.run", folder / "also.run"]


def test_the_same_judgements_twice_agree(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "again.qrels").write_bytes((files / "qrels.txt").read_bytes())
    data = told(capsys, "--qrels", files / "qrels.txt", files / "again.qrels", *runs(files), "--measures", "RR")
    (one,) = data["against_gold"]
    assert (data["gold"], one["table"]) == ("RR on qrels", "RR on again")
    assert (one["tau"], one["swapped"], one["max_drop"]) == (1.0, 0, 0)
    assert one["significance"]["missed"] == one["significance"]["spurious"] == 0


def test_other_judgements_turn_the_ranking_over(files: Path, cheap: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = told(capsys, "--qrels", files / "qrels.txt", cheap, *runs(files), "--measures", "RR", "--test", "hsd")
    (one,) = data["against_gold"]
    assert one["tau"] < 0
    assert one["told_apart"] >= 2
    assert one["max_drop"] == 2


def test_measures_are_set_against_the_first(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("--qrels", files / "qrels.txt", *runs(files), "--measures", "RR", "P@5", "AP") == 0
    text = capsys.readouterr().out
    assert text.startswith("rankings of 3 systems against gold, RR on qrels\n")
    assert "P@5 on qrels" in text
    assert "AP on qrels" in text


def test_real_score_tables(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data / "trec-system-scores"
    data = told(capsys, "--scores", folder / "adhoc8_ap.csv", folder / "adhoc8_p10.csv")
    (one,) = data["against_gold"]
    assert 0.7 < one["tau"] < 1
    assert 0 < one["told_apart"] <= 129 * 128 // 2
    assert [table["topics"] for table in data["tables"]] == [50, 50]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "agree needs --qrels and --runs"),
        (["--qrels", "qrels.txt"], "agree needs --qrels and --runs"),
        (["--qrels", "qrels.txt", "--runs", "good.run"], "1 run is given"),
        (["--qrels", "qrels.txt", "qrels.txt", "--runs", "good.run", "bad.run"], "two tables are both"),
        (["--scores", "t.csv", "--qrels", "qrels.txt"], "give one or the other"),
        (["--scores", "t.csv"], "can not be read"),
        (["--qrels", "qrels.txt", "--runs", "good.run", "bad.run", "--alpha", "1"], "alpha is 1"),
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
