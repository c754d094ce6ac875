"""The judging log: an SQLite file that keeps every judgement with its assessor and time, and forgets none.

Rows are only ever added (triggers refuse changes); a correction is a new row, an undo is a row that names another. A
judgement is acknowledged after SQLite has synced it to disk, so a process that is killed loses nothing it acknowledged.
Several processes may write to one log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Literal

from periti.errors import FormatError, InputError, StorageError

APPLICATION = 0x70657269
"""What SQLite's header calls the application that a file belongs to: "peri"."""
VERSION = 1
WAIT_SECONDS = 30.0

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('judge', 'undo')),
    query_id TEXT NOT NULL, doc_id TEXT NOT NULL,
    grade INTEGER NOT NULL CHECK (grade >= 0),
    assessor TEXT NOT NULL CHECK (assessor <> ''),
    at TEXT NOT NULL,
    undoes INTEGER UNIQUE REFERENCES events(number),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL))
);
CREATE TABLE IF NOT EXISTS handed (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    query_id TEXT NOT NULL, doc_id TEXT NOT NULL, assessor TEXT NOT NULL, at TEXT NOT NULL,
    UNIQUE (query_id, doc_id, assessor)
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'judgements are only added'); END;
CREATE TRIGGER IF NOT EXISTS events_remain BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'judgements are only added'); END;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""


_EVENTS = (
    "SELECT number, kind, query_id, doc_id, grade, assessor, at, undoes FROM events WHERE number > ? ORDER BY number"
)


@dataclass(frozen=True)
class Event:
    """One row of the log.

    Args:
        number: from 1, in the order of writing.
        kind: a judgement, or the undoing of one.
        query_id, doc_id: what was judged.
        grade: 0 or more; of an undo, the grade that was undone.
        assessor: who.
        at: when, UTC, ISO 8601 with milliseconds.
        undoes: the number of the judgement that is undone, None for a judgement.
    """

    number: int
    kind: Literal["judge", "undo"]
    query_id: str
    doc_id: str
    grade: int
    assessor: str
    at: str
    undoes: int | None = None


@dataclass(frozen=True)
class Handed:
    """A document that was given to an assessor, judged or not."""

    query_id: str
    doc_id: str
    assessor: str
    at: str


class Log:
    """An open judging log; made if the file is absent. Safe to share between threads.

    Args:
        path: the file; SQLite keeps two more beside it (-wal, -shm) while it is open.

    Raises:
        FormatError: the file is no judging log, or damaged; it is not touched.
        StorageError: it can not be opened or written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = RLock()
        if self.path.exists():
            _require_log(self.path)
        try:
            self._database = sqlite3.connect(
                self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            # NORMAL would survive a killed process, FULL survives a power cut as well.
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise _failed(self.path, error) from error

    def close(self) -> None:
        """Close the file; the log can not be used after."""
        self._database.close()

    def judge(self, query_id: str, doc_id: str, grade: int, assessor: str) -> Event:
        """Keep one judgement; it is on disk when this returns.

        The same assessor's earlier judgement of the document is corrected by it, and stays in the log.

        Raises:
            InputError: a negative grade, or an empty name or id.
            StorageError: writing failed; the judgement is not kept.
        """
        if isinstance(grade, bool) or not isinstance(grade, int) or not 0 <= grade < 2**31:
            raise InputError(f"the grade is {grade!r}; give a whole number, 0 for not relevant")
        for what, text in (("query", query_id), ("document", doc_id), ("assessor", assessor)):
            if not text.strip():
                raise InputError(f"the {what} is empty; every judgement needs one")
        with self._writing() as database:
            return _added(database, ("judge", query_id, doc_id, grade, assessor, now(), None))

    def undo(self, assessor: str) -> Event | None:
        """Take back the assessor's last judgement that stands, None if there is none; the log keeps both rows.

        Raises:
            StorageError: writing failed.
        """
        with self._writing() as database:
            last = database.execute(
                "SELECT query_id, doc_id, grade, number FROM events WHERE kind = 'judge' AND assessor = ? AND number "
                "NOT IN (SELECT undoes FROM events WHERE undoes IS NOT NULL) ORDER BY number DESC LIMIT 1",
                (assessor,),
            ).fetchone()
            if last is None:
                return None
            query_id, doc_id, grade, number = last
            return _added(database, ("undo", query_id, doc_id, grade, assessor, now(), number))

    def events(self, after: int = 0) -> list[Event]:
        """Every row with a larger number, in order.

        Raises:
            FormatError: the file is damaged.
        """
        return [Event(*row) for row in self._read(_EVENTS, (after,))]

    def hand(self, query_id: str, doc_id: str, assessor: str) -> None:
        """Note that an assessor has the document; again for one that had it before.

        Raises:
            StorageError: writing failed.
        """
        with self._writing() as database:
            database.execute(
                "INSERT INTO handed (query_id, doc_id, assessor, at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (query_id, doc_id, assessor) DO UPDATE SET at = excluded.at",
                (query_id, doc_id, assessor, now()),
            )

    def handed(self) -> list[Handed]:
        """Every document that was given to an assessor, in the order in which they got it first."""
        return [Handed(*row) for row in self._read("SELECT query_id, doc_id, assessor, at FROM handed ORDER BY number")]

    def settings(self) -> dict[str, str]:
        """What is remembered of how the session is run, by name."""
        return dict(self._read("SELECT name, value FROM settings ORDER BY name"))

    def remember(self, name: str, value: str) -> None:
        """Remember one setting, in the place of an older value.

        Raises:
            StorageError: writing failed.
        """
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """No other process or thread writes to the log meanwhile: what is read stays true until what is written.

        Raises:
            StorageError: writing failed; nothing of the block is kept.
        """
        with self._writing():
            yield

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, kept whole or not at all; an inner one is part of the outer."""
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise _failed(self.path, error) from error
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple]:  # type: ignore[type-arg]
        """All rows of a query."""
        with self._lock:
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _failed(self.path, error) from error


def now() -> str:
    """The time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _added(database: sqlite3.Connection, values: tuple[object, ...]) -> Event:
    """The row that is written."""
    cursor = database.execute(
        "INSERT INTO events (kind, query_id, doc_id, grade, assessor, at, undoes) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    return Event(int(cursor.lastrowid or 0), *values)  # type: ignore[arg-type]  # the columns of Event


def _require_log(path: Path) -> None:
    """Refuse a file that is no sound judging log, before anything is written to it."""
    if path.is_dir() or not path.stat().st_size:
        found = "a folder" if path.is_dir() else "an empty file"
        raise FormatError(f"{path}: expected a judging log, found {found}; name another file or remove it")
    try:
        # Plain reading would create files beside a damaged log, mode=ro never changes the log itself.
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)
        try:
            application = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    if not application and not tables:
        # Its maker was stopped before the first judgement: there is nothing in it.
        return
    if application != APPLICATION or version != VERSION:
        raise FormatError(
            f"{path}: an SQLite file of another program or version (application {application}, version {version}), "
            "not a judging log; name another file"
        )
    if verdict != "ok":
        raise _damaged(path, verdict.splitlines()[-1])


def _damaged(path: Path, found: str) -> FormatError:
    return FormatError(
        f"{path}: the judging log can not be read ({found}) and was not touched; restore a copy, or save what is left "
        f"with: sqlite3 {path.name} .recover"
    )


def _failed(path: Path, error: sqlite3.Error) -> StorageError | FormatError:
    """Ours for an error of SQLite."""
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError)
    ):
        return _damaged(path, str(error))
    return StorageError(f"{path}: the judging log can not be written or read now ({error}); nothing of it was changed")
