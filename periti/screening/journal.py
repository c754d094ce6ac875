"""A reader's decisions on disk: one JSON line each, added at the end and never changed.

    {"journal": "periti screening", "version": 1, "review": "ADHD", "reviewer": "Ada", "at": "2026-..."}
    {"event": "judge", "doc_id": "12", "include": true, "at": "..."}
    {"event": "undo", "at": "..."}               takes back the last event that stands
    {"event": "draw", "seed": 5, "at": "..."}    from here on the rest is drawn at random

A line is acknowledged after it was synced, so a process that is killed loses nothing that it acknowledged. A last line
that was cut off by that was never acknowledged and is removed when the journal is next opened; any other damage is
refused and left as it is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from periti.errors import FormatError, StorageError

VERSION = 1
_NAME = "periti screening"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """A decision about one citation.

    Attributes:
        doc_id: which.
        include: what was decided.
        at: when, UTC, ISO 8601 with milliseconds.
    """

    doc_id: str
    include: bool
    at: str


@dataclass(frozen=True)
class DrawBegun:
    """From here on the rest is drawn at random, by this seed."""

    seed: int
    at: str


Event = Judged | DrawBegun


class Journal:
    """The decisions of one reviewer about one review; the file is made by the first of them.

    One process at a time may write; not to be shared between threads without a lock.

    Args:
        path: the file.
        review, reviewer: whose it is.

    Raises:
        FormatError: the file is no such journal, someone else's, or damaged; names the line.
        StorageError: it can not be read.
    """

    def __init__(self, path: Path, review: str, reviewer: str) -> None:
        self.path, self.review, self.reviewer = path, review, reviewer
        self._events: list[Event] = []
        self._begun = False
        for number, line in enumerate(_lines(path), 1):
            self._replay(number, line)
            self._begun = True

    @property
    def events(self) -> tuple[Event, ...]:
        """What stands, in the order in which it was written."""
        return tuple(self._events)

    def judge(self, doc_id: str, *, include: bool) -> None:
        """Keep a decision; it is on disk when this returns.

        Raises:
            StorageError: writing failed; the decision is not kept.
        """
        event = Judged(doc_id, include, now())
        self._write({"event": "judge", "doc_id": doc_id, "include": include, "at": event.at})
        self._events.append(event)

    def draw(self, seed: int) -> None:
        """Keep that the rest is drawn from now on; raises as `judge`."""
        event = DrawBegun(seed, now())
        self._write({"event": "draw", "seed": seed, "at": event.at})
        self._events.append(event)

    def undo(self) -> Event | None:
        """Take back the last event that stands: which, None if there is none; raises as `judge`."""
        if not self._events:
            return None
        self._write({"event": "undo", "at": now()})
        return self._events.pop()

    def _replay(self, number: int, line: str) -> None:
        try:
            record = json.loads(line)
            self._take(number, record)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise FormatError(
                f"{self.path}: line {number} is no line of a screening journal ({error}); nothing was changed, restore "
                "a copy or remove the line"
            ) from error

    def _take(self, number: int, record: dict[str, Any]) -> None:
        if number == 1:
            found = (record["journal"], record["version"], record["review"], record["reviewer"])
            wanted = (_NAME, VERSION, self.review, self.reviewer)
            if found != wanted:
                raise ValueError(f"it begins with {found}, expected {wanted}")
        elif record["event"] == "judge":
            if not isinstance(record["include"], bool) or not isinstance(record["doc_id"], str):
                raise ValueError("a decision needs a doc_id, and an include of true or false")
            self._events.append(Judged(record["doc_id"], record["include"], record["at"]))
        elif record["event"] == "draw":
            if not isinstance(record["seed"], int) or record["seed"] < 0:
                raise ValueError("a draw needs a seed of 0 or more")
            self._events.append(DrawBegun(record["seed"], record["at"]))
        elif record["event"] == "undo":
            self._events.pop()
        else:
            raise ValueError(f"unknown event {record['event']!r}")

    def _write(self, record: dict[str, Any]) -> None:
        head = {"journal": _NAME, "version": VERSION, "review": self.review, "reviewer": self.reviewer, "at": now()}
        append(self.path, *([] if self._begun else [head]), record)
        self._begun = True


def append(path: Path, *records: dict[str, Any]) -> None:
    """Add lines to a file, all or none; they are on disk when this returns. The folder is made where it is not there.

    Raises:
        StorageError: writing failed; the file is as it was before.
    """
    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            _add(handle, data)
        finally:
            os.close(handle)
        if new:
            _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: can not be written ({error.strerror}); nothing was kept, make room or mend it, "
                           "then decide again") from error  # fmt: skip


def _add(handle: int, data: bytes) -> None:
    before = os.fstat(handle).st_size
    try:
        left = data
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, before)
        raise


def _sync_folder(folder: Path) -> None:
    """So that a file just made survives a power cut as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lines(path: Path) -> Iterator[str]:
    """The whole lines of a file, none if there is no file; what is left of a write that never ended is removed first.

    Raises:
        FormatError: it is not UTF-8.
        StorageError: it can not be read or mended.
    """
    if not path.exists():
        return
    try:
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            _LOG.warning("%s: the last line was cut off before it was acknowledged; it was removed", path)
            with path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())
        # Not splitlines: a text may hold other marks that it takes for the end of a line.
        yield from data[:end].decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: is not UTF-8 ({error}); nothing was changed, restore a copy") from error
    except OSError as error:
        raise StorageError(f"{path}: can not be read ({error.strerror}); mend it, then open the page again") from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """Every line of such a file as an object; none where there is no file.

    Raises:
        FormatError: a line is no JSON object; names it.
        StorageError: it can not be read.
    """
    records = []
    for number, line in enumerate(_lines(path), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise FormatError(f"{path}: line {number} is not JSON ({error}); restore a copy") from error
        if not isinstance(record, dict):
            raise FormatError(f"{path}: line {number} is no JSON object; restore a copy")
        records.append(record)
    return records


def now() -> str:
    """The time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
