"""Answers on disk by the digest of what was asked: a question is paid for once, and a killed run goes on where it was.

A database holds digests and answers, neither prompts nor keys. SQLite's log makes every answer whole or absent, for
several processes at a time.
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from periti.errors import FormatError, StorageError
from periti.rankers.llm.wire import Answer

_APPLICATION = 0x50455241  # "PERA", in the file's header: whose database it is
_WAIT_SECONDS = 30.0


class AnswerStore:
    """A file of answers.

    Args:
        path: of the file; made if it is absent, with its folder.

    Raises:
        FormatError: the file is something else; it is not touched.
        StorageError: it can not be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            self._require_ours()
            self._database.execute("PRAGMA journal_mode = WAL")
            # Survives a killed process; a power cut may cost the last answers, which are then asked again.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (digest TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
            )
        except (sqlite3.OperationalError, OSError) as error:
            raise StorageError(f"the answers at {path} can not be opened ({error}); check the folder") from error
        except sqlite3.DatabaseError as error:
            raise self._foreign() from error

    def close(self) -> None:
        """Close the file; the store can not be used after."""
        with self._lock:
            self._database.close()

    def get(self, digest: str) -> Answer | None:
        """The answer to a question, or None; one that can not be read any more counts as none.

        Raises:
            StorageError: the file can not be read.
        """
        try:
            with self._lock:
                row = self._database.execute("SELECT answer FROM answers WHERE digest = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"the answers at {self.path} can not be read ({error}); remove the file") from error
        return _decoded(row[0]) if row else None

    def put(self, digest: str, answer: Answer) -> None:
        """Keep an answer; it survives a killed process when this returns.

        Raises:
            StorageError: writing failed; the answer is not kept.
        """
        try:
            with self._lock:
                self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (digest, _encoded(answer)))
        except sqlite3.Error as error:
            raise StorageError(f"an answer can not be kept at {self.path} ({error}); check the disk") from error

    def _require_ours(self) -> None:
        """An empty file is anybody's; another program's database is refused before anything is written."""
        application = self._database.execute("PRAGMA application_id").fetchone()[0]
        tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != _APPLICATION:
            self._database.close()
            raise self._foreign()

    def _foreign(self) -> FormatError:
        return FormatError(f"{self.path} is no file of answers; give `cache` another path")


def _encoded(answer: Answer) -> str:
    first = [(token, None if math.isinf(value) else value) for token, value in answer.first]
    return json.dumps({**asdict(answer), "first": first}, allow_nan=False)


def _decoded(text: str) -> Answer | None:
    try:
        found: dict[str, Any] = json.loads(text)
        first = tuple((str(token), -math.inf if value is None else float(value)) for token, value in found["first"])
        return Answer(str(found["text"]), first, found["prompt_tokens"], found["answer_tokens"])
    except (ValueError, KeyError, TypeError):
        return None
