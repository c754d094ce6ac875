"""`periti select`: from a pool's file to what was chosen, as a user calls it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.cli.main import parser
from periti.cli.selecting import METHODS
from periti.datasets.dataset import load_dataset
from tests.cli.calling import periti
from tests.datasets.selection.jobs import records, write


@pytest.fixture(autouse=True)
def only_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decontamination against the one collection that is always there."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("PERITI_DATA", str(tmp_path / "data"))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (asked,) = load_dataset("demo").queries("test").texts[:1]
    rows = [*records(300), {"id": "asked", "text": asked.upper(), "domain": "a"}, records(1)[0] | {"id": "again"}]
    return write(tmp_path / "pool.jsonl", rows)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return write(tmp_path / "wanted.jsonl", [{"text": f"document {i} has the number {i}"} for i in range(20)])


def select(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> dict[str, Any]:
    """The report of a selection that ends well, with one process."""
    status = periti("select", *arguments, "--processes", 1, "--json")
    out, err = capsys.readouterr()
    assert status == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_a_selection_writes_its_file_and_tells_what_it_chose_of_what(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chosen.parquet"

    report = select(capsys, "random", "--pool", pool, "--budget", "10%", "--seed", 4, "--out", out)

    assert report["pool"]["documents"] == 302
    assert report["removed"] == {"blank": 0, "demo:dev": 0, "demo:test": 1, "exact duplicates": 1}
    assert report["left"]["documents"] == 300
    assert report["chosen"]["documents"] == pl.read_parquet(out).height == 30
    assert "scifact" in report["absent"]
    assert pl.read_parquet(out).columns == ["id", "text", "domain", "score"]


def test_the_report_can_be_read(pool: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chosen.jsonl"
    arguments: list[str | Path | int] = [
        "--pool",
        pool,
        "--target",
        target,
        "--budget",
        "600 tokens",
        "--out",
        out,
        "--processes",
        2,
    ]

    status = periti("select", "random-length", *arguments, "--group", "domain", "--quota", "equal", "--explain", "d7")

    printed = capsys.readouterr().out
    assert status == 0
    assert printed.startswith(f"{out}: 100 of 302 documents, RandomLengthSelector(ratio=1.25)")
    for part in (
        "budget 600 tokens; seed 1", "removed            1 exact duplicates", "removed            1 demo:test",
        "group             50 of 152 a", "KL reduction", "towards wanted", "d7: ", "6 tokens, for wanted",
        "removed nothing: blank, demo:dev", "not compared with med-medline, ",
    ):  # fmt: skip
        assert part in printed, printed


def test_targets_are_named_by_their_files_and_choose_in_turn(
    pool: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "others.txt"
    other.write_text("one short text\n" * 10)
    arguments: list[str | Path | int] = [
        "--pool",
        pool,
        "--target",
        target,
        other,
        "--budget",
        30,
        "--out",
        tmp_path / "chosen.parquet",
    ]

    assert select(capsys, "random-length", *arguments)["targets"] == {"wanted": 20, "others": 10}
    shared = select(capsys, "random-length", *arguments, "--shares", "1", "2", "--no-kl")
    assert shared["targets"] == {"wanted": 10, "others": 20}
    assert shared["kl_reduction"] == {}
    assert pl.read_parquet(tmp_path / "chosen.parquet")["target"].value_counts().height == 2


def test_decontamination_is_on_and_can_be_switched_off_or_pointed_elsewhere(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked.tsv"
    asked.write_text("q1\tDocument 3 has the number 21?\n")
    arguments: list[str | Path | int] = ["random", "--pool", pool, "--budget", "5%", "--out", tmp_path / "chosen.jsonl"]

    assert select(capsys, *arguments, "--no-decontaminate")["removed"] == {"blank": 0, "exact duplicates": 1}
    elsewhere = select(capsys, *arguments, "--against", asked, "demo:train")
    assert elsewhere["removed"] == {"blank": 0, str(asked): 1, "demo:train": 0, "exact duplicates": 1}
    assert elsewhere["absent"] == []
    runs = select(capsys, *arguments, "--against", asked, "--run-words", 4)
    assert runs["removed"][str(asked)] == 3, "three documents have the number 21"
    assert periti("select", *arguments, "--no-decontaminate", "--cosine", ".9") == 2


def test_what_can_not_be_read_is_passed_over_on_request(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pool.open("ab") as stream:
        stream.write(b'{"text": "caf\xe9"}\n{\n')
    arguments: list[str | Path | int] = ["random", "--pool", pool, "--budget", "5%", "--out", tmp_path / "chosen.jsonl"]

    assert periti("select", *arguments, "--processes", 1) == 2
    assert f"periti: {pool}:303: byte 0xe9 is not UTF-8" in capsys.readouterr().err
    report = select(capsys, *arguments, "--skip-bad")
    assert [Path(bad["where"]).name for bad in report["bad"]] == ["pool.jsonl:303", "pool.jsonl:304"]
    assert report["pool"]["documents"] == 302


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["random", "--budget", "1000"], "the budget is 1,000 documents, and only 300 of the pool may be chosen"),
        (["random", "--budget", "many"], "the budget is 'many'; write for example 500, 5%"),
        (["random", "--budget", "5%", "--quota", "equal"], "--quota needs --group COLUMN"),
        (["random", "--budget", "5%", "--group", "topic"], "no column 'topic'; the first record has id, text, domain"),
        (["random", "--budget", "5%", "--text", "body"], "no column 'body'"),
        (["random", "--budget", "5%", "--temperature", "-1"], "the temperature is -1.0"),
        (["random", "--budget", "5%", "--seed", "-1"], "--seed is -1"),
        (["random", "--budget", "5%", "--processes", "-1"], "--processes is -1"),
        (["random", "--budget", "5%", "--explain", "nobody"], "no document of the pool has the id 'nobody'"),
        (["random-length", "--budget", "5%"], "this selector needs a target"),
        (["random-length", "--budget", "5%", "--target", "absent.jsonl"], "absent.jsonl: there is no such file"),
        (["random", "--budget", "5%", "--shares", "1"], "--shares gives 1 shares for 0 targets"),
        (["random", "--budget", "5%", "--group", "domain", "--quota", "c=1"], "the group 'c', which the pool does not"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_file(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status = periti("select", *arguments, "--pool", pool, "--out", tmp_path / "chosen.parquet")

    message = capsys.readouterr().err
    assert status == 2
    assert said in message
    assert "Traceback" not in message
    assert not (tmp_path / "chosen.parquet").exists()


def test_an_empty_target_and_an_empty_pool_are_sentences(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    out = tmp_path / "chosen.parquet"

    assert periti("select", "random-length", "--pool", pool, "--target", empty, "--budget", "5", "--out", out) == 2
    assert "empty.txt: there is no document in it" in capsys.readouterr().err
    assert periti("select", "random", "--pool", empty, "--budget", "5", "--out", out) == 2
    assert "empty.txt: there is no document in it" in capsys.readouterr().err


@pytest.mark.parametrize("method", [name.replace("_", "-") for name in METHODS])
def test_the_help_of_every_method_has_an_example_that_parses(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["select", method, "--help"])
    printed = capsys.readouterr().out
    whole = printed.replace("\\\n", " ").splitlines()
    examples = [line.strip() for line in whole if line.strip().startswith(f"periti select {method} ")]

    assert examples
    for example in examples:
        parser().parse_args(shlex.split(example)[1:])


def test_methods_are_combined_and_a_domain_is_chosen_once(
    pool: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chosen.jsonl"

    report = select(
        capsys, "combined", "--of", "dsir=2", "target", "--embed-sample", 40, "--pool", pool, "--target", target,
        "--budget", 2, "--once", "domain", "--explain", "d7", "--out", out,
    )  # fmt: skip

    chosen = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(row["domain"] for row in chosen) == ["a", "b"]
    assert report["removed"]["the same domain, a lower score"] == 298
    assert [reason["what"] for reason in report["explained"]["reasons"]][:2] == [
        "dsir, in standard deviations",
        "target, in standard deviations",
    ]


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (["dsir"], "give two methods or more"),
        (["dsir", "dsir=2"], "each once"),
        (["dsir", "charm"], "--of is 'charm'; give one of dsir, target, quality"),
        (["dsir=-1", "target"], "perhaps with a weight"),
        (["dsir", "quality"], "--of quality and --rater FOLDER go together"),
    ],
)
def test_methods_that_can_not_be_combined_are_one_sentence(
    pool: Path, target: Path, capsys: pytest.CaptureFixture[str], of: list[str], says: str
) -> None:
    files = ("--pool", pool, "--target", target, "--budget", 2, "--out", pool.with_name("chosen.jsonl"))

    assert periti("select", "combined", "--of", *of, *files) == 2
    assert says in capsys.readouterr().err
