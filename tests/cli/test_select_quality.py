"""`periti train rater`, `periti select quality` and `periti select criteria`, as a user calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.cli.calling import periti
from tests.datasets.selection.quality.synthetic import judged, planted
from tests.endpoint import Fault, ModelServer, Seen

POOL = planted(7, 80)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(autouse=True)
def no_collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decontamination against the one collection that is always there."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("PERITI_DATA", str(tmp_path / "data"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = []
    for topic in range(4):
        one = judged(planted(10 + topic, 30), 60, topic)
        for i, j, p in zip(one.first.tolist(), one.second.tolist(), one.p.tolist(), strict=True):
            rows.append({"a": one.texts[i], "b": one.texts[j], "p": p, "topic": f"t{topic}"})
    return write(tmp_path / "pairs.jsonl", rows)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    rows = [{"id": f"d{i}", "text": text, "worth": worth} for i, (text, worth) in enumerate(
        zip(POOL.texts, POOL.quality.tolist(), strict=True))]  # fmt: skip
    return write(tmp_path / "pool.jsonl", rows)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with closing(ModelServer()) as made:
        yield made


def choose(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str | Path | int) -> pl.DataFrame:
    status = periti("select", *arguments, "--budget", 10, "--seed", 1, "--out", out, "--processes", 1, "--json")
    _, err = capsys.readouterr()
    assert status == 0, err
    return pl.read_parquet(out)


def test_a_rater_is_trained_judged_on_topics_left_out_and_chooses(
    pairs: Path, pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rater = tmp_path / "rater"
    status = periti("train", "rater", "--pairs", pairs, "--no-encoder", "--rounds", 50, "--out", rater, "--json")
    found = json.loads(capsys.readouterr().out)

    assert status == 0
    (criterion,) = found["criteria"]
    # Some of the 240 pairs were drawn twice.
    assert 220 < criterion["pairs"] < 240
    assert (criterion["groups"], criterion["folds"], criterion["left_out"]) == (4, 4, 0)
    systems = criterion["systems"]
    assert systems["hashed"]["accuracy"] > systems["length"]["accuracy"] + 0.1
    assert systems["hashed"]["interval"][0] < systems["hashed"]["accuracy"] < systems["hashed"]["interval"][1]
    assert found["rater"]["judged"] == {"quality": criterion["pairs"]}
    assert (rater / "card.json").exists()

    chosen = choose(capsys, tmp_path / "chosen.parquet", "quality", "--rater", rater, "--pool", pool)

    assert chosen.height == 10
    assert chosen["worth"].mean() > np.sort(POOL.quality)[-25:].mean()


def test_what_a_rater_can_not_be_trained_from_is_one_sentence(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: tuple[tuple[list[str | Path | int], str], ...] = (
        (["--pairs", "ukpconvarg2"], "did you mean 'ukpconvarg1'"),
        (["--pairs", tmp_path / "absent.jsonl"], "there is no such file"),
        (["--pairs", pairs, "--criterion", "charm"], "no criterion 'charm'"),
        (["--pairs", pairs, "--seed", -1], "--seed is -1"),
        (["--pairs", pairs, "--out", tmp_path], "exists already"),
    )
    for arguments, says in cases:
        assert periti("train", "rater", *arguments, "--no-encoder") == 2
        assert re.search(says, capsys.readouterr().err), says


def test_weights_that_mean_nothing_are_refused(
    pairs: Path, pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    periti("train", "rater", "--pairs", pairs, "--no-comparison", "--out", tmp_path / "rater")
    start: list[str | Path | int] = [
        "select",
        "quality",
        "--rater",
        tmp_path / "rater",
        "--pool",
        pool,
        "--budget",
        "5",
        "--out",
    ]
    capsys.readouterr()
    for weight, says in (("quality", "give NAME=NUMBER"), ("charm=2", "give one for each criterion")):
        assert periti(*start, tmp_path / "out.parquet", "--weight", weight) == 2
        assert says in capsys.readouterr().err
    assert periti("select", "quality", "--rater", tmp_path, *start[4:], tmp_path / "out.parquet") == 2
    assert "no rater is there" in capsys.readouterr().err


def goodness(text: str) -> int:
    return len(re.findall(r"good\d", text)) - len(re.findall(r"bad\d", text))


def model(number: int, seen: Seen) -> Fault:  # noqa: ARG001
    """A model that knows good words under one criterion, prefers bad ones under another, else what stands first."""
    first, second = re.findall(r"Text [AB]:\n(.*?)\n\n", seen.prompt, re.DOTALL)
    gain = goodness(first) - goodness(second)
    if "criterion harm" in seen.prompt:
        gain = -gain
    if "criterion place" in seen.prompt:
        gain = 1
    return Fault(text="A" if gain > 0 else "B" if gain < 0 else "it depends")


def test_criteria_are_mined_by_a_model_and_their_vote_chooses(
    pairs: Path, pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(model)
    knowledge = [{"name": name, "description": "is better"} for name in ("worth", "harm", "place")]
    criteria = write(tmp_path / "criteria.jsonl", knowledge)
    arguments = ("--pairs", pairs, "--criteria", criteria, "--judge-url", server.url, "--judge-model", "m")
    out = tmp_path / "chosen.parquet"

    status = periti("select", "criteria", *arguments, "--ask", 40, "--pool", pool, "--budget", 10, "--out", out,
                    "--processes", 1)  # fmt: skip
    told = capsys.readouterr().err

    assert status == 0, told
    assert re.search(r"1\d\d pairs chose, 1\d\d confirmed", told)
    assert "worth: kept" in told
    assert "harm: banned" in told
    assert re.search("place: between; right 0, wrong 0, abstained 1", told)
    # Worth is standardised over the pool: the mean of ten drawn by chance has a standard deviation of 0.32.
    assert pl.read_parquet(out)["worth"].to_numpy().mean() > 0.64


def test_criteria_that_nobody_shares_choose_nothing(
    pairs: Path, pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.always(Fault(text="A"))
    status = periti("select", "criteria", "--pairs", pairs, "--judge-url", server.url, "--judge-model", "m", "--pool",
                    pool, "--budget", 10, "--out", tmp_path / "chosen.parquet", "--processes", 1)  # fmt: skip

    assert status == 2
    assert "none of the 4 criteria agrees with the people" in capsys.readouterr().err


def rewriting(number: int, seen: Seen) -> Fault:
    """The model above, which knows a better description of any criterion but the first time says nothing of use."""
    if "Describe" not in seen.prompt:
        worth = "has more good words" in seen.prompt
        first, second = re.findall(r"Text [AB]:\n(.*?)\n\n", seen.prompt, re.DOTALL)
        gain = goodness(first) - goodness(second)
        # Without a good description, right about two pairs in three.
        right = worth or len(first) % 3 or len(second) % 3
        return model(number, seen) if right or not gain else Fault(text="B" if gain > 0 else "A")
    if "criterion vague" in seen.prompt:
        return Fault(text="I could say it better.\n**Description:** has more good words.")
    return Fault(text="Sorry, I have no idea.\n")


def test_a_model_rewrites_criteria_from_what_they_got_wrong(
    pairs: Path, pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(rewriting)
    criteria = write(tmp_path / "criteria.jsonl", [{"name": name, "description": "is"} for name in ("vague", "dull")])
    written = tmp_path / "mined.jsonl"

    status = periti("select", "criteria", "--pairs", pairs, "--criteria", criteria, "--judge-url", server.url,
                    "--judge-model", "m", "--keep", "0.95", "--rewrite", 2, "--write-criteria", written, "--ask", 20,
                    "--pool", pool, "--budget", 5, "--out", tmp_path / "chosen.parquet", "--processes", 1)  # fmt: skip
    told = capsys.readouterr().err

    assert status == 0, told
    assert re.search("vague: between.*; is$", told, re.MULTILINE)
    assert re.search("vague: kept.*; has more good words$", told, re.MULTILINE)
    assert "1 answers had no description in them" in told
    assert [json.loads(line) for line in written.read_text().splitlines()] == [
        {"name": "vague", "description": "has more good words"}
    ]
    shown = next(seen.prompt for seen in server.seen if "Describe vague" in seen.prompt)
    assert shown.count("People prefer:") == 4


def test_an_endpoint_that_fails_while_it_rewrites_is_one_sentence(
    pairs: Path, pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(lambda number, seen: Fault(status=401) if "Describe" in seen.prompt else rewriting(number, seen))

    status = periti("select", "criteria", "--pairs", pairs, "--judge-url", server.url, "--judge-model", "m", "--keep",
                    "0.95", "--rewrite", 1, "--pool", pool, "--budget", 5, "--out", tmp_path / "chosen.parquet",
                    "--processes", 1)  # fmt: skip

    assert status == 2
    assert "401" in capsys.readouterr().err
    assert not (tmp_path / "chosen.parquet").exists()
