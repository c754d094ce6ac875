"""`periti datasets` through its own parser."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from periti.cli import datasets
from periti.datasets.beir import BeirFolder
from periti.errors import InputError, UnknownName


def run(*arguments: str) -> int:
    top = argparse.ArgumentParser(prog="periti")
    datasets.add_parser(top.add_subparsers())
    parsed = top.parse_args(["datasets", *arguments])
    status: int = parsed.run(parsed)
    return status


def test_list_shows_every_collection_and_whether_it_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scifact").mkdir()
    monkeypatch.setenv("PERITI_DATA", str(tmp_path))
    assert run("list") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["scifact"][:6] == ["scifact", "en", "5183", "300", "339", "yes"]
    assert lines["cacm"][5] == "no"
    assert run("list", "--json") == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert (found["scifact"]["here"], found["cacm"]["here"], found["demo"]["here"]) == (True, False, True)


def test_show_prints_licence_grades_splits_and_quirks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "medquad-liveqa") == 0
    shown = capsys.readouterr().out
    for part in (
        "CC BY 4.0",
        "3  excellent",
        "test: 104 queries (103 judged), 2311 judgements",
        "the higher one counts",
    ):
        assert part in shown
    assert run("show", "lecard-facts", "--json") == 0
    assert json.loads(capsys.readouterr().out)["min_rel"] == 3
    with pytest.raises(UnknownName, match="did you mean 'cacm'"):
        run("show", "cacn")


def test_check_exits_with_0_if_every_deviation_is_declared(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    assert run("check", "cacm", "demo") == 0
    shown = capsys.readouterr().out
    assert "ok     cacm: 16 checks, 1 declared deviations, 0 failed" in shown
    assert "declared test: unjudged queries: queries without judgement: 12" in shown
    assert run("check", "demo", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["ok"] is True


def test_check_exits_with_2_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "noveleval").mkdir()
    monkeypatch.setenv("PERITI_DATA", str(tmp_path))
    assert run("check", "noveleval") == 2
    shown = capsys.readouterr().out
    assert shown.startswith("FAILED noveleval")
    assert "corpus.tsv.gz: there is no such file" in shown


@pytest.mark.parametrize("arguments", [("check",), ("check", "--all", "cacm")])
def test_check_needs_names_or_all(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="needs names or --all"):
        run(*arguments)


def test_prepare_writes_a_beir_folder_with_the_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "demo", "--out", str(tmp_path / "all")) == 0
    assert "330 documents of demo" in capsys.readouterr().out
    folder = BeirFolder(tmp_path / "all")
    assert folder.splits == ("dev", "test", "train")
    assert len(folder.queries()) == 108
    assert len(list(folder.documents())) == 330
    assert json.loads((tmp_path / "all" / "dataset.json").read_text(encoding="utf-8"))["licence"] == "MIT"
    assert run("prepare", "demo", "--out", str(tmp_path / "one"), "--split", "dev") == 0
    assert BeirFolder(tmp_path / "one").splits == ("dev",)
    with pytest.raises(InputError, match="exists already"):
        run("prepare", "demo", "--out", str(tmp_path / "one"))


def test_prepare_leaves_out_splits_that_ask_the_same_in_another_way(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    assert run("prepare", "lecard-facts", "--out", str(tmp_path / "all")) == 0
    assert BeirFolder(tmp_path / "all").splits == ("test",)
    with pytest.raises(InputError, match="has different texts in the splits test, facts"):
        run("prepare", "lecard-facts", "--out", str(tmp_path / "both"), "--split", "test", "--split", "facts")


def test_the_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    assert "periti datasets check --all" in capsys.readouterr().out
