"""The files of `periti compare`."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import polars as pl
import pytest

from periti.cli import compare
from periti.errors import FormatError, InputError

SCORES = "query_id,a,b\n" + "".join(f"q{n},{0.5 + n / 50:.2f},{0.4 + n / 40:.3f}\n" for n in range(12))


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text(SCORES)
    return path


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    compare.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["compare", "--bootstrap", "0", *map(str, arguments)])
    status: int = parsed.run(parsed)
    return status


def test_page_latex_and_frames_are_written_beside_what_is_printed(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, tex, folder = tmp_path / "r.html", tmp_path / "r.tex", tmp_path / "frames"
    assert run("--scores", scores, "--html", page, "--latex", tex, "--parquet", folder) == 0
    assert "system" in capsys.readouterr().out
    source = page.read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>")
    assert hashlib.sha256(SCORES.encode()).hexdigest() in source
    assert r"\toprule" in tex.read_text(encoding="utf-8")
    assert pl.read_parquet(folder / "comparisons.parquet").height == 1


def test_curves_come_from_a_table_and_need_a_page(scores: Path, tmp_path: Path) -> None:
    curves, page = tmp_path / "curves.csv", tmp_path / "r.html"
    curves.write_text("budget,method,value\n0.1,mtf,0.5\n0.2,mtf,0.6\n")
    run("--scores", scores, "--html", page, "--curves", curves)
    assert "Cheap judgements" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="add --html FILE"):
        run("--scores", scores, "--curves", curves)
    with pytest.raises(FormatError, match="no curves can be read"):
        run("--scores", scores, "--html", page, "--curves", tmp_path / "none.csv")


def test_a_place_that_can_not_be_written_is_told(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a file that can be written"):
        run("--scores", scores, "--html", tmp_path / "no" / "r.html")
