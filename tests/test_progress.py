"""How far a long step has come: plain lines off a terminal, one rewritten line on it."""

from __future__ import annotations

import io
import re
from typing import TextIO

import pytest

from periti.progress import Progress, Silent, Terminal, tracked


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_off_a_terminal_a_step_writes_one_line_when_it_ends() -> None:
    stream = io.StringIO()

    assert list(tracked("abc", Terminal(stream), "reading", 3)) == ["a", "b", "c"]

    assert re.fullmatch(r"reading: 3/3, [\d,]+/s, \d+\.\d s\n", stream.getvalue())


def test_a_step_of_unknown_length_shows_no_total_and_no_time_left() -> None:
    stream = Screen()

    list(tracked(range(1500), Terminal(stream), "reading"))

    assert "reading: 1,500, " in stream.getvalue()
    assert "left" not in stream.getvalue()


def test_on_a_terminal_the_line_is_rewritten_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("periti.progress.time.monotonic", lambda: next(clock))
    stream = Screen()
    progress = Terminal(stream)

    progress.start("encoding", 40)
    progress.advance(10)
    progress.finish()

    # 10 of 40 in 10 s: 1 a second, 30 s left.
    assert stream.getvalue() == "\r\x1b[Kencoding: 10/40, 1/s, 30 s left\r\x1b[Kencoding: 10/40, 0/s, 20.0 s\n"


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 130.0, 160.0, 170.0, 180.0])
    monkeypatch.setattr("periti.progress.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    progress = Terminal(stream)

    progress.start("training", 40)
    for _ in range(3):
        progress.advance(10)
    progress.finish()

    # After 60 s 20 of 40 are done: 60 s left; the third, ten seconds later, says nothing.
    assert stream.getvalue() == "training: 20/40, 0/s, 60 s left\ntraining: 30/40, 0/s, 80.0 s\n"


def test_the_line_is_rewritten_at_most_five_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.1, 1.19, 1.21])
    monkeypatch.setattr("periti.progress.time.monotonic", lambda: next(clock))
    stream = Screen()
    progress = Terminal(stream)

    progress.start("encoding", 40)
    for _ in range(4):
        progress.advance(1)

    assert stream.getvalue().count("\r") == 2


@pytest.mark.parametrize("stream", [io.StringIO(), Screen()])
def test_a_step_without_items_ends_well(stream: TextIO) -> None:
    assert list(tracked([], Terminal(stream), "reading", 0)) == []


def test_a_second_step_counts_from_zero() -> None:
    stream = io.StringIO()
    progress = Terminal(stream)

    list(tracked("ab", progress, "one", 2))
    list(tracked("c", progress, "two", 1))

    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == ["one: 2/2", "two: 1/1"]


def test_silence_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Silent()

    list(tracked("abc", progress, "reading", 3))

    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_standard_error_so_that_results_stay_clean(capsys: pytest.CaptureFixture[str]) -> None:
    list(tracked("abc", Terminal(), "reading", 3))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("reading: 3/3")
