"""What an assessor's page asks for: the next document with its texts, recording, undoing, and how far things are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from periti.errors import InputError, UnknownName
from periti.evaluation.adjudication.session import Session, Task
from periti.types import Document

GRADES = ("not relevant", "related", "highly relevant", "perfect")
"""What the grades 0 to 3 mean unless told otherwise."""
MOST_GRADES = 10
"""A grade is one digit on the keyboard."""

Skipped = Sequence[tuple[str, str]]


class Texts(Protocol):
    """Where documents come from, e.g. a `Docstore`."""

    def get(self, doc_ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids; UnknownName if one is absent."""
        ...


@dataclass(frozen=True)
class Sheet:
    """What lies before an assessor.

    Args:
        task: which document of which query.
        query: the query's text.
        title, text: of the document.
        absent: why there is no document, "" if there is one.
    """

    task: Task
    query: str
    title: str
    text: str
    absent: str

    def as_data(self) -> dict[str, Any]:
        """The sheet with plain values."""
        task = self.task
        return {
            "query_id": task.query_id, "doc_id": task.doc_id, "number": task.number, "pool": task.pool,
            "again": task.again, "query": self.query, "title": self.title, "text": self.text, "absent": self.absent,
        }  # fmt: skip


class Desk:
    """A session with the texts that people need to judge. Safe to share between threads.

    Args:
        session: hands out and keeps; a second one on the same log looks ahead, so that nobody waits for that.
        queries: query id to text, for every query of the pool.
        texts: the documents.
        grades: what 0, 1, ... mean.

    Raises:
        InputError: a query of the pool has no text, or there are fewer than 2 or more than `MOST_GRADES` grades.
    """

    def __init__(
        self, session: Session, queries: Mapping[str, str], texts: Texts, grades: Sequence[str] = GRADES
    ) -> None:
        if not 2 <= len(grades) <= MOST_GRADES or not all(grade.strip() for grade in grades):
            raise InputError(f"{len(grades)} grades are named; name 2 to {MOST_GRADES}, from 0 upwards, none empty")
        self._pooled = [topic.query_id for topic in session.pool.topics]
        without = [query for query in self._pooled if query not in queries]
        if without:
            raise InputError(
                f"{len(without)} of {len(self._pooled)} pooled queries have no text, the first is {without[0]!r}; "
                "give the queries that the runs were made with"
            )
        self.session, self.grades = session, tuple(grades)
        self._queries, self._texts = queries, texts
        self._ahead = Session(session.log, session.pool, session.terms)
        self._looking = Lock()
        self._seen: tuple[int, dict[str, Any]] | None = None

    def next(self, assessor: str, skipped: Skipped = (), first: str | None = None) -> Sheet | None:
        """What this assessor should judge next, None if nothing is left.

        Args:
            assessor: who asks.
            skipped: query and document ids put off; their queries wait until nothing else is left, the longest first.
            first: the query to look at first.
        """
        task = self.session.next(assessor, first) or self.session.next(assessor)
        if task is None:
            return None
        put_off = dict.fromkeys(query for query, _ in skipped)
        if (task.query_id, task.doc_id) in set(skipped):
            others = (self.session.next(assessor, query) for query in self._pooled if query not in put_off)
            again = (self.session.next(assessor, query) for query in put_off if query in self._pooled)
            task = next((other for found in (others, again) for other in found if other is not None), task)
        return self._sheet(task)

    def record(self, assessor: str, query_id: str, doc_id: str, grade: int) -> None:
        """Keep a judgement.

        Raises:
            InputError: a grade that has no name here, or what `Session.record` refuses.
        """
        if not 0 <= grade < len(self.grades):
            raise InputError(f"grade is {grade}; it must be between 0 and {len(self.grades) - 1}")
        self.session.record(assessor, query_id, doc_id, grade)

    def undo(self, assessor: str) -> dict[str, Any] | None:
        """Take back this assessor's last judgement: what it was, None if there is none."""
        event = self.session.undo(assessor)
        return None if event is None else {"query_id": event.query_id, "doc_id": event.doc_id, "grade": event.grade}

    def status(self) -> dict[str, Any]:
        """Counts and agreement, at once."""
        return self.session.status(outlook=False).as_data()

    def outlook(self) -> dict[str, Any]:
        """Which pairs of runs are separable and what the rest needs; takes seconds, once for every state of the log."""
        with self._looking:
            events = self.session.log.events()
            number = events[-1].number if events else 0
            if self._seen is None or self._seen[0] != number:
                status = self._ahead.status(outlook=True)
                # Without an outlook the last sentence says why there is none yet.
                said = status.sentences[-1:] if status.outlook is None else status.outlook.sentences
                outlook = status.as_data()["outlook"]
                pairs = [] if outlook is None else outlook["pairs"]
                self._seen = (number, {"sentences": list(said), "pairs": pairs})
            return self._seen[1]

    def _sheet(self, task: Task) -> Sheet:
        """The task with its texts; a document that the collection lacks is said to be absent, not left out."""
        try:
            (document,) = self._texts.get([task.doc_id])
        except UnknownName:
            absent = f"The collection has no document {task.doc_id!r}; judge it as not relevant, or skip it."
            return Sheet(task, self._queries[task.query_id], "", "", absent)
        return Sheet(task, self._queries[task.query_id], document.title, document.text, "")
