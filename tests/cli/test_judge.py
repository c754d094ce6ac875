"""`periti judge`: pairs labelled by a model, as a user calls it and a rater reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import periti
from tests.datasets.selection.quality.synthetic import planted
from tests.endpoint import Fault, ModelServer, Seen

POOL = planted(7, 80)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in POOL.texts))
    return path


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with closing(ModelServer()) as made:
        yield made


def texts_of(seen: Seen) -> tuple[str, str]:
    first, second = re.findall(r"Text [AB]:\n(.*?)\n\n", seen.prompt, re.DOTALL)
    return first, second


def goodness(text: str) -> int:
    return len(re.findall(r"good\d", text)) - len(re.findall(r"bad\d", text))


def by_words(number: int, seen: Seen) -> Fault:  # noqa: ARG001
    """Good words for one criterion, length for another, and now and then nothing that can be read."""
    first, second = texts_of(seen)
    if "criterion expertise" in seen.prompt and min(first, second).endswith("e"):
        return Fault(text="Both have their merits.")
    better = len(first) > len(second) if "criterion specificity" in seen.prompt else goodness(first) > goodness(second)
    return Fault(text="A" if better else "B")


def judge(server: ModelServer, pool: Path, out: Path, *more: str | int | Path) -> int:
    asked = ("--judge-url", server.url, "--judge-model", "m")
    return periti("judge", "--pool", pool, "--out", out, *asked, *more)


def test_pairs_are_labelled_by_the_four_criteria_and_a_rater_learns_them(
    pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(by_words)
    out = tmp_path / "judged.jsonl"

    assert judge(server, pool, out, "--pairs", 30, "--json") == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)

    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert list(report["criteria"]) == ["answerability", "self-containedness", "specificity", "expertise"]
    assert server.calls == 4 * 2 * 30
    assert {row["criterion"] for row in rows} == set(report["criteria"])
    for row in rows:
        if row["p"] != 0.5 and row["criterion"] == "answerability":
            assert (goodness(row["a"]) > goodness(row["b"])) == (row["p"] == 1.0)
    one = report["criteria"]["specificity"]
    assert (one["pairs"], one["judged"], one["answers"], one["unreadable"]) == (30, 30, 60, 0)
    assert report["endpoint"]["calls"] == 240

    rater = tmp_path / "rater"
    status = periti("train", "rater", "--pairs", out, "--no-comparison", "--out", rater, "--json")
    told = capsys.readouterr()
    assert status == 0, told.err
    assert json.loads(told.out)["rater"]["criteria"] == list(report["criteria"])


def test_the_same_command_gives_the_same_file_and_asks_nothing_twice(
    pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(by_words)
    cache = ("--judge-cache", tmp_path / "answers.sqlite", "--criterion", "answerability", "--pairs", 10)

    assert judge(server, pool, tmp_path / "a.jsonl", *cache) == 0
    calls = server.calls
    assert judge(server, pool, tmp_path / "b.jsonl", *cache) == 0

    assert server.calls == calls == 20
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert "answerability: 10 of 10 pairs judged" in capsys.readouterr().out


def test_answers_that_can_not_be_read_are_counted_and_their_pairs_left_out(
    pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan(lambda number, seen: Fault(text="hm") if "0" in texts_of(seen)[0][:40] else by_words(number, seen))

    assert judge(server, pool, tmp_path / "a.jsonl", "--criterion", "answerability", "--json") == 0
    one = json.loads(capsys.readouterr().out)["criteria"]["answerability"]

    assert 0 < one["discarded"] < one["pairs"]
    assert one["judged"] == one["pairs"] - one["discarded"]
    assert one["unreadable"] > 0


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(text="A"), "goes by position"),
        (Fault(text="I would rather not say"), "none of the 20 pairs has answers enough that can be read"),
        (Fault(status=401), "401"),
    ],
)
def test_a_judge_that_misbehaves_is_one_sentence_and_writes_nothing(
    pool: Path, server: ModelServer, capsys: pytest.CaptureFixture[str], fault: Fault, says: str
) -> None:
    out = pool.with_name("a.jsonl")
    server.always(fault)

    assert judge(server, pool, out, "--pairs", 20, "--criterion", "answerability") == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_wrong_usage_is_one_sentence(
    pool: Path, server: ModelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: tuple[tuple[Path, tuple[str | int, ...], str], ...] = (
        (tmp_path / "a.csv", (), "the ending is not .jsonl"),
        (tmp_path / "a.jsonl", ("--criterion", "expertize"), "did you mean 'expertise'"),
        (tmp_path / "a.jsonl", ("--pairs", 0), "--pairs is 0"),
    )
    for out, more, says in cases:
        assert judge(server, pool, out, *more) == 2
        assert says in capsys.readouterr().err
    assert server.calls == 0
