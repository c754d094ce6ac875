from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from periti.errors import FormatError, InputError, SchemaError
from periti.evaluation.adjudication.judgements import cohen_kappa, kappas, settled, standing, to_qrels
from periti.evaluation.adjudication.log import Log

WRITER = """
import sys
from periti.evaluation.adjudication.log import Log
log = Log(sys.argv[1])
number = 0
while True:
    number += 1
    log.judge("q1", f"d{number}", number % 3, "ada")
    print(number, flush=True)
"""


def test_rows_keep_who_what_and_when_in_order(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    log.judge("q1", "d1", 2, "ada")
    log.judge("q1", "d2", 0, "bob")
    events = log.events()
    assert [(e.number, e.kind, e.query_id, e.doc_id, e.grade, e.assessor, e.undoes) for e in events] == [
        (1, "judge", "q1", "d1", 2, "ada", None),
        (2, "judge", "q1", "d2", 0, "bob", None),
    ]
    assert all(e.at.endswith("+00:00") for e in events)
    assert log.events(after=1) == events[1:]
    assert Log(tmp_path / "log.db").events() == events


def test_a_process_killed_while_writing_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(40):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        for line in writer.stdout:
            # A line may be cut by the kill; whole ones were acknowledged.
            last = int(line) if line.endswith("\n") else last
    assert writer.returncode == -signal.SIGKILL
    events = Log(path).events()
    assert len(events) >= last >= 40
    assert [(e.doc_id, e.grade) for e in events] == [(f"d{n}", n % 3) for n in range(1, len(events) + 1)]
    # And it goes on.
    assert Log(path).judge("q1", "next", 1, "ada").number == len(events) + 1


def test_rows_can_not_be_changed_or_removed_even_by_sqlite(tmp_path: Path) -> None:
    Log(tmp_path / "log.db").judge("q1", "d1", 2, "ada")
    database = sqlite3.connect(tmp_path / "log.db")
    for statement in ("UPDATE events SET grade = 0", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="judgements are only added"):
            database.execute(statement)
    database.close()


def test_undo_takes_back_the_last_that_stands_of_that_assessor_alone(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    for doc, assessor in (("d1", "ada"), ("d2", "ada"), ("d3", "bob")):
        log.judge("q1", doc, 1, assessor)
    undone = [log.undo("ada") for _ in range(3)]
    assert [event and (event.doc_id, event.undoes) for event in undone] == [("d2", 2), ("d1", 1), None]
    assert list(standing(log.events())) == [("q1", "d3")]
    assert len(log.events()) == 5


def test_a_correction_counts_and_undoing_it_brings_the_first_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    log.judge("q1", "d1", 0, "ada")
    log.judge("q1", "d1", 2, "ada")
    assert standing(log.events())["q1", "d1"]["ada"].grade == 2
    log.undo("ada")
    assert standing(log.events())["q1", "d1"]["ada"].grade == 0


def test_two_assessors_on_one_document_are_both_kept_and_settled_by_a_rule(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    for assessor, grade in (("ada", 1), ("bob", 3), ("cyd", 0), ("dan", 0)):
        log.judge("q1", "d1", grade, assessor)
    judged = standing(log.events())["q1", "d1"]
    assert [settled(judged, rule) for rule in ("first", "highest", "majority")] == [1, 3, 0]
    assert to_qrels(log.events(), "highest").frame.rows() == [("q1", "d1", 3)]
    with pytest.raises(InputError, match="no rule named 'last'"):
        settled(judged, "last")  # type: ignore[arg-type]


def test_kappa_by_hand(tmp_path: Path) -> None:
    # Ten documents: both 1 on four, both 0 on three, ada alone 1 on two, bob alone 1 on one.
    # Observed .7; ada says 1 on 6, bob on 5: expected .6 * .5 + .4 * .5 = .5; kappa .4.
    grades = [(1, 1)] * 4 + [(0, 0)] * 3 + [(1, 0)] * 2 + [(0, 1)]
    assert cohen_kappa(grades) == pytest.approx(0.4)
    log = Log(tmp_path / "log.db")
    for number, (ada, bob) in enumerate(grades):
        log.judge("q1", f"d{number}", ada, "ada")
        log.judge("q1", f"d{number}", bob, "bob")
    log.judge("q1", "alone", 1, "cyd")
    (found,) = kappas(standing(log.events()))
    assert (found.first, found.second, found.documents, found.agreed) == ("ada", "bob", 10, 0.7)
    assert (found.grades, found.binary) == pytest.approx((0.4, 0.4))


def test_kappa_of_grades_and_of_relevance_differ() -> None:
    # Grades 1 and 2 are both relevant: relevance agrees on all, grades on half.
    grades = [(1, 2), (2, 1), (0, 0), (0, 0)]
    assert cohen_kappa([(a >= 1, b >= 1) for a, b in grades]) == 1.0
    assert cohen_kappa(grades) == pytest.approx((0.5 - 0.375) / (1 - 0.375))


def test_kappa_without_variety_is_not_a_number() -> None:
    assert cohen_kappa([(1, 1), (1, 1)]) != cohen_kappa([(1, 1), (1, 1)])
    with pytest.raises(InputError, match="kappa of no document"):
        cohen_kappa([])


def test_several_threads_and_connections_write_to_one_log(tmp_path: Path) -> None:
    shared = Log(tmp_path / "log.db")

    def write(log: Log, assessor: str) -> None:
        for number in range(25):
            log.judge("q1", f"d{number}", 1, assessor)

    writers = [(shared, "ada"), (shared, "bob"), (Log(tmp_path / "log.db"), "cyd")]
    threads = [threading.Thread(target=write, args=writer) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = shared.events()
    assert [event.number for event in events] == list(range(1, 76))
    assert all(len(judged) == 3 for judged in standing(events).values())


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("q", "d", -1, "ada"), "the grade is -1; give a whole number, 0 for not relevant"),
        (("q", "d", 1.5, "ada"), "the grade is 1.5"),
        (("q", "d", True, "ada"), "the grade is True"),
        (("q", "d", 1, " "), "the assessor is empty"),
        (("", "d", 1, "ada"), "the query is empty"),
    ],
)
def test_a_judgement_that_is_none_is_refused_and_not_kept(
    tmp_path: Path, row: tuple[str, str, int, str], sentence: str
) -> None:
    log = Log(tmp_path / "log.db")
    with pytest.raises(InputError, match=sentence):
        log.judge(*row)
    assert log.events() == []


def test_a_block_that_fails_is_not_kept(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")

    def two() -> None:
        with log.exclusively():
            log.judge("q1", "d1", 1, "ada")
            log.judge("q1", "d2", -1, "ada")

    with pytest.raises(InputError):
        two()
    assert log.events() == []


def filled(path: Path) -> bytes:
    log = Log(path)
    with log.exclusively():
        for number in range(300):
            log.judge("q1", f"document-{number}", 1, "ada")
    log.close()
    return path.read_bytes()


def test_a_damaged_log_is_one_sentence_and_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    sound = filled(path)
    assert len(sound) > 8192
    harmed = sound[:4096] + b"\xff" * 4096 + sound[8192:]
    for bad in (b"not a database at all, only text\n" * 40, harmed, sound[: len(sound) // 2]):
        path.write_bytes(bad)
        with pytest.raises(FormatError, match=r"the judging log can not be read .* was not touched; restore a copy"):
            Log(path)
        assert path.read_bytes() == bad


def test_an_empty_file_a_folder_and_another_programs_file_are_refused(tmp_path: Path) -> None:
    empty, other = tmp_path / "empty.db", tmp_path / "other.db"
    empty.touch()
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE mine (x)")
    database.commit()
    database.close()
    before = other.read_bytes()
    with pytest.raises(FormatError, match="expected a judging log, found an empty file"):
        Log(empty)
    with pytest.raises(FormatError, match="found a folder"):
        Log(tmp_path)
    with pytest.raises(FormatError, match="an SQLite file of another program"):
        Log(other)
    assert (empty.read_bytes(), other.read_bytes()) == (b"", before)


def test_export_of_nothing_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    log.judge("q1", "d1", 1, "ada")
    log.undo("ada")
    with pytest.raises(SchemaError, match="no query is judged"):
        to_qrels(log.events())


def test_settings_are_remembered(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    log.remember("method", "mtf")
    log.remember("method", "hedge")
    assert Log(tmp_path / "log.db").settings() == {"method": "hedge"}
