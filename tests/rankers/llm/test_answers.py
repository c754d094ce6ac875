"""Answers on disk: whole or absent, for several processes, and never with a prompt or a key in them."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from periti.errors import FormatError, StorageError
from periti.rankers.llm.answers import AnswerStore
from periti.rankers.llm.wire import Answer

ANSWER = Answer(" yes \ud800 é", ((" yes", -0.25), ("no", -math.inf)), 12, None)


def test_an_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.sqlite"
    first = AnswerStore(path)
    first.put("a", ANSWER)
    first.close()
    again = AnswerStore(path)

    assert again.get("a") == ANSWER
    assert again.get("b") is None
    again.close()


def test_two_stores_of_one_file_see_each_other(tmp_path: Path) -> None:
    one, two = AnswerStore(tmp_path / "a"), AnswerStore(tmp_path / "a")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (one, two)[n % 2].put(str(n % 40), Answer(str(n % 40))), range(400)))

    assert all(one.get(str(n)) == two.get(str(n)) == Answer(str(n)) for n in range(40))


def test_what_was_put_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from periti.rankers.llm.answers import AnswerStore\n"
        "from periti.rankers.llm.wire import Answer\n"
        "store = AnswerStore(Path(sys.argv[1]))\n"
        "n = 0\n"
        "while True:\n"
        "    store.put(str(n), Answer('text ' * n)); print(n, flush=True); n += 1\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 20:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()

    store = AnswerStore(path)
    assert [store.get(str(n)) for n in range(21)] == [Answer("text " * n) for n in range(21)]
    store.close()


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"text": "x"}', '{"text": "x", "first": 3}'])
def test_a_row_that_can_not_be_read_counts_as_none(damaged: str, tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a")
    store.put("a", ANSWER)
    store._database.execute("UPDATE answers SET answer = ?", (damaged,))

    assert store.get("a") is None
    store.put("a", ANSWER)
    assert store.get("a") == ANSWER


def test_another_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("these are my notes, long enough for a header of a database, which has a hundred bytes" * 3)
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE answers (x)")
    other.commit()
    other.close()

    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(FormatError, match="is no file of answers; give `cache` another path"):
            AnswerStore(path)
        assert path.read_bytes() == before


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    for path in (tmp_path, tmp_path / "file" / "answers"):
        with pytest.raises(StorageError, match="can not be opened"):
            AnswerStore(path)


def test_a_full_disk_is_an_error_and_keeps_what_was_there(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a")
    store.put("a", ANSWER)
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StorageError, match="can not be kept"):
        store.put("b", Answer("x" * 100_000))
    assert store.get("a") == ANSWER
    assert store.get("b") is None
