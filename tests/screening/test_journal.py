"""Decisions on disk: what stands, what a killed process leaves, and damage that is refused."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import FormatError, StorageError
from periti.screening.journal import DrawBegun, Journal, Judged, append, read_records


def opened(path: Path) -> Journal:
    return Journal(path, "ADHD", "Ada")


def told(journal: Journal) -> list[tuple[str, bool] | int]:
    return [(one.doc_id, one.include) if isinstance(one, Judged) else one.seed for one in journal.events]


def test_events_stand_until_they_are_taken_back_and_lines_are_only_added(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ada.jsonl"
    journal = opened(path)
    assert not path.exists()
    journal.judge("a", include=True)
    journal.judge("b", include=False)
    journal.judge("a", include=False)
    before = path.read_bytes()
    taken = journal.undo()
    assert isinstance(taken, Judged)
    assert (taken.doc_id, taken.include) == ("a", False)
    journal.draw(7)
    assert told(journal) == [("a", True), ("b", False), 7]
    assert isinstance(journal.undo(), DrawBegun)
    assert path.read_bytes().startswith(before)
    assert told(opened(path)) == told(journal) == [("a", True), ("b", False)]
    kinds = [json.loads(line).get("event", "head") for line in path.read_text().splitlines()]
    assert kinds == ["head", "judge", "judge", "judge", "undo", "draw", "undo"]


def test_nothing_is_taken_back_where_nothing_stands(tmp_path: Path) -> None:
    journal = opened(tmp_path / "a.jsonl")
    assert journal.undo() is None
    assert not journal.path.exists()


@given(
    steps=st.lists(st.one_of(st.none(), st.tuples(st.text(min_size=1, max_size=5), st.booleans())), max_size=12),
    cut=st.integers(0, 400),
)
@settings(max_examples=60, deadline=None)
def test_a_journal_cut_anywhere_opens_with_a_beginning_of_what_was_done(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, bool] | None],
    cut: int,
) -> None:
    """Ids may hold any character, line separators of Unicode too."""
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    journal = opened(path)
    states = [told(journal)]
    for step in steps:
        if step is None:
            journal.undo()
        else:
            journal.judge(step[0], include=step[1])
        states.append(told(journal))
    assert told(opened(path)) == states[-1]
    if path.exists():
        whole = path.read_bytes()
        path.write_bytes(whole[:cut])
        again = opened(path)
        assert told(again) in states
        # What is done after goes behind whole lines only.
        again.judge("z", include=True)
        assert told(opened(path)) == [*told(again)]
        assert path.read_bytes().startswith(whole[: whole[:cut].rfind(b"\n") + 1])


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    code = (
        "import sys\nfrom pathlib import Path\nfrom periti.screening.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 'ADHD', 'Ada')\n"
        "for number in range(100000):\n"
        "    journal.judge(f'd{number}', include=number % 2 == 0)\n    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = 20 + len(process.stdout.read().splitlines())
    kept = told(opened(path))
    assert acknowledged <= len(kept) <= acknowledged + 1
    assert kept == [(f"d{number}", number % 2 == 0) for number in range(len(kept))]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    """The limit of a process on the size of files stands for the disk: a write is cut in the middle of a line."""
    path = tmp_path / "a.jsonl"
    journal = opened(path)
    journal.judge("a", include=True)
    whole = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, before[1]))
    try:
        with pytest.raises(StorageError, match="can not be written"):
            journal.judge("b", include=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == whole
    assert told(journal) == [("a", True)]
    journal.judge("c", include=False)
    assert told(opened(path)) == [("a", True), ("c", False)]


HEAD = '{"journal": "periti screening", "version": 1, "review": "ADHD", "reviewer": "Ada", "at": "t"}\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}\n", 1),
        (HEAD.replace("Ada", "Bob"), 1),
        (HEAD.replace("ADHD", "Triptans"), 1),
        (HEAD.replace('"version": 1', '"version": 2'), 1),
        (HEAD + "broken\n", 2),
        (HEAD + "[]\n", 2),
        (HEAD + '{"event": "judge", "doc_id": "a", "include": 1, "at": "t"}\n', 2),
        (HEAD + '{"event": "judge", "doc_id": "a", "at": "t"}\n', 2),
        (HEAD + '{"event": "undo", "at": "t"}\n', 2),
        (HEAD + '{"event": "draw", "seed": -1, "at": "t"}\n', 2),
        (HEAD + '{"event": "maybe", "at": "t"}\n', 2),
    ],
)
def test_another_file_and_any_damage_but_a_cut_end_are_refused_and_left_alone(
    tmp_path: Path, text: str, line: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(FormatError, match=rf"a\.jsonl: line {line} is no line of a screening journal"):
        opened(path)
    assert path.read_text() == text


def test_what_is_no_text_and_what_can_not_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(FormatError, match="is not UTF-8"):
        opened(path)
    with pytest.raises(StorageError, match="can not be read"):
        opened(tmp_path)
    with pytest.raises(StorageError, match="can not be written"):
        append(path / "inside" / "b.jsonl", {"a": 1})


def test_records_are_read_as_they_were_added_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    assert read_records(path) == []
    append(path, {"a": "é\u2028"}, {"b": [1]})
    assert read_records(path) == [{"a": "é\u2028"}, {"b": [1]}]
    os.truncate(path, path.stat().st_size - 1)
    assert read_records(path) == [{"a": "é\u2028"}]
    path.write_text("{}\n7\n")
    with pytest.raises(FormatError, match="line 2 is no JSON object"):
        read_records(path)
    path.write_text("{}\n{\n")
    with pytest.raises(FormatError, match="line 2 is not JSON"):
        read_records(path)
