"""`periti screen` as a reviewer calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.cli.main import main, parser
from periti.screening.methods import METHODS
from tests.cli.calling import periti

PAGE = (Path(__file__).parents[2] / "docs" / "screening.md").read_text(encoding="utf-8")


def test_a_dataset_that_is_no_screening_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("screen", "--dataset", "demo", "--all") == 2

    assert "not for screening" in capsys.readouterr().err


def test_an_unknown_method_and_a_missing_model_are_told_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert periti("screen", "--dataset", "nowhere", "--all", "--method", "bm26") == 2
    assert "no screening method 'bm26'" in capsys.readouterr().err
    assert periti("screen", "--dataset", "nowhere", "--all", "--method", "cross-encoder") == 2
    assert "needs a model" in capsys.readouterr().err
    assert periti("screen", "--dataset", "nowhere", "--all", "--recall", "2") == 2
    assert "target recall is 2" in capsys.readouterr().err


def test_the_page_tells_every_method_and_its_commands_are_commands() -> None:
    for method in METHODS:
        assert f"`{method}`" in PAGE
    commands = [line.split("#")[0].split() for line in PAGE.splitlines() if line.startswith("periti ")]
    assert len(commands) >= 3
    for command in commands:
        parser().parse_args(command[1:])


@pytest.mark.slow
def test_a_topic_of_cohen_is_screened_by_titles(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first call builds the indexes in the cache, the second finds them."""
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["screen", "--dataset", "cohen-screening", "--text", "title", "--topic", "UrinaryIncontinence"]
    methods = ["--method", "bm25", "dense", "active", "--json"]

    assert main([*words, *methods]) == 0
    first = json.loads(capsys.readouterr().out)
    built = list((tmp_path / "periti").iterdir())
    assert main([*words, *methods]) == 0

    assert json.loads(capsys.readouterr().out) == first
    assert list((tmp_path / "periti").iterdir()) == built
    topic = first["topics"]["UrinaryIncontinence"]
    assert (topic["candidates"], topic["included"]) == (327, 78)
    assert len(set(topic["orders"]["active"])) == 327
    assert first["means"]["WSS@0.95"]["active"]["value"] > first["means"]["WSS@0.95"]["bm25"]["value"]
