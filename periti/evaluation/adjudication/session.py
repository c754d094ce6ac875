"""Real judging: which document an assessor gets next, by any method, resumable from the log at any time.

    session = Session(Log("judgements.db"), build_pool(runs), Terms(method="mtf"))
    task = session.next("ada")
    session.record("ada", task.query_id, task.doc_id, grade=1)

The state is the log alone: a session that is opened again goes on where it was, also beside other sessions on the same
log. An assessor keeps a query for a batch of documents, then gets the query with the fewest judgements.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.judgements import Pair, Settle, settled, standing
from periti.evaluation.adjudication.log import Event, Handed, Log
from periti.evaluation.adjudication.methods import NOTHING, Chooser, dice, open_method
from periti.evaluation.adjudication.outlook import View
from periti.evaluation.adjudication.pool import UNJUDGED, Pool
from periti.evaluation.adjudication.progress import Status, status_of
from periti.evaluation.ranking import Ints
from periti.registry import nearest


@dataclass(frozen=True)
class Terms:
    """How a session is run.

    Args:
        method: a name of `METHODS`.
        seed: of its random choices and of the double-judged sample.
        level: the lowest grade that is relevant to the method.
        double: share of the documents that a second assessor judges as well, 0 to 1.
        batch: documents after which an assessor may change the query.
        hold_hours: how long a document that was handed out and not judged is kept from others.
        settle: how several grades of a document become one.
        measure, test, alpha: how the status compares runs (see `outlook.View`).

    Raises:
        InputError: a number out of its range.
        UnknownName: no such method.
    """

    method: str = "mtf"
    seed: int = 0
    level: int = 1
    double: float = 0.1
    batch: int = 20
    hold_hours: float = 24.0
    settle: Settle = "first"
    measure: str = "AP"
    test: str = "t+holm"
    alpha: float = 0.05

    @property
    def view(self) -> View:
        """How the status compares runs."""
        return View(self.measure, self.test, self.alpha, self.level, self.seed)

    def __post_init__(self) -> None:
        open_method(self.method)
        if not 0 <= self.double <= 1:
            raise InputError(f"double is {self.double:g}; give the share judged twice, 0 to 1")
        if self.batch < 1 or self.level < 1 or self.seed < 0 or self.hold_hours < 0:
            raise InputError(
                f"batch {self.batch}, level {self.level}, seed {self.seed} and hold_hours {self.hold_hours:g}: "
                "batch and level are 1 or more, the others 0 or more"
            )


@dataclass(frozen=True)
class Task:
    """One document to judge.

    Args:
        query_id, doc_id: what.
        number: how many documents of the query have been judged by anyone, plus 1.
        pool: how many documents the query's pool holds.
        again: whether this assessor had the document before and left it or took the judgement back.
        batch_ended: whether the assessor has just judged the last document of a batch: time to look at the status.
    """

    query_id: str
    doc_id: str
    number: int
    pool: int
    again: bool
    batch_ended: bool = False


class Session:
    """Judging of one pool into one log. Safe to share between threads.

    Args:
        log: where judgements are kept.
        pool: what is to be judged; grades that it may know are not looked at.
        terms: how.
    """

    def __init__(self, log: Log, pool: Pool, terms: Terms | None = None) -> None:
        self.log, self.pool, self.terms = log, pool, terms or Terms()
        self._lock = RLock()
        self._place = {topic.query_id: number for number, topic in enumerate(pool.topics)}
        self._documents = [{doc: number for number, doc in enumerate(topic.doc_ids)} for topic in pool.topics]
        self._choosers: dict[int, tuple[tuple[tuple[int, bool], ...], Chooser]] = {}
        self._events: list[Event] = []

    def next(self, assessor: str, query_id: str | None = None) -> Task | None:
        """The document this assessor should judge next, None if there is none.

        Asked again before the judgement is recorded, it is the same document. Documents of the double-judged sample
        that one other assessor has judged come first.

        Args:
            assessor: who asks.
            query_id: stay with this query.

        Raises:
            InputError: the pool has no such query, or the name is empty.
            StorageError: the log can not be written.
        """
        if not assessor.strip():
            raise InputError("the assessor's name is empty; give one")
        if query_id is not None and query_id not in self._place:
            raise InputError(f"no query {query_id!r} in the pool; {nearest(query_id, self._place)}")
        # Reading and handing out are one transaction, or two assessors could get one document.
        with self._lock, self.log.exclusively():
            judged, handed = self._judged(), self.log.handed()
            found, again = self._left_over(assessor, query_id, (judged, handed)), True
            if found is None:
                found = self._double(assessor, query_id, (judged, handed))
                found, again = found or self._chosen(assessor, query_id, (judged, handed)), False
            if found is None:
                return None
            self.log.hand(*found, assessor)
            done = sum(query == found[0] for query, _ in judged)
            mine = sum(assessor in judgements for judgements in judged.values())
            ended = mine > 0 and mine % self.terms.batch == 0 and not again
            return Task(*found, done + 1, len(self._documents[self._place[found[0]]]), again=again, batch_ended=ended)

    def record(self, assessor: str, query_id: str, doc_id: str, grade: int) -> Event:
        """Keep a judgement; it is on disk when this returns. A second one by the same assessor corrects the first.

        Raises:
            InputError: the pool has no such query or document, or the grade is negative.
            StorageError: writing failed; the judgement is not kept.
        """
        if query_id not in self._place:
            raise InputError(f"no query {query_id!r} in the pool; {nearest(query_id, self._place)}")
        if doc_id not in self._documents[self._place[query_id]]:
            raise InputError(f"document {doc_id!r} is not in the pool of query {query_id!r}; check the id")
        return self.log.judge(query_id, doc_id, grade, assessor)

    def undo(self, assessor: str) -> Event | None:
        """Take back this assessor's last judgement that stands; `next` hands the document out again. None: none stands.

        Raises:
            StorageError: writing failed.
        """
        return self.log.undo(assessor)

    def status(self, *, outlook: bool = True) -> Status:
        """What is judged, how far assessors agree, which pairs of runs are separable and what the rest may need.

        Args:
            outlook: whether to look ahead, which takes seconds on a large pool.
        """
        with self._lock:
            judged = self._judged()
        # The seconds of looking ahead are no reason to keep assessors waiting.
        return status_of(self.pool, judged, self.grades(judged), (self.terms.view, outlook))

    def grades(self, judged: dict[Pair, dict[str, Event]] | None = None) -> Ints:
        """int64 (N,): one grade for every pooled document, `UNJUDGED` where nobody judged."""
        grades = np.full(len(self.pool), UNJUDGED, dtype=np.int64)
        for (query, doc), judgements in (self._judged() if judged is None else judged).items():
            topic = self._place[query]
            grades[self.pool.offsets[topic] + self._documents[topic][doc]] = settled(judgements, self.terms.settle)
        return grades

    def _judged(self) -> dict[Pair, dict[str, Event]]:
        """Standing judgements of pooled documents; only what is new is read."""
        self._events += self.log.events(self._events[-1].number if self._events else 0)
        found = standing(self._events)
        return {
            pair: judgements
            for pair, judgements in found.items()
            if pair[0] in self._place and pair[1] in self._documents[self._place[pair[0]]]
        }

    def _left_over(
        self, assessor: str, query_id: str | None, known: tuple[dict[Pair, dict[str, Event]], list[Handed]]
    ) -> Pair | None:
        """What the assessor has had longest and not judged, unless someone else has since."""
        judged, handed = known
        for one in handed:
            pair = (one.query_id, one.doc_id)
            mine = one.assessor == assessor and query_id in (None, one.query_id)
            others = judged.get(pair, {})
            if mine and assessor not in others and self._is_pooled(pair) and (not others or self._is_double(pair)):
                return pair
        return None

    def _double(
        self, assessor: str, query_id: str | None, known: tuple[dict[Pair, dict[str, Event]], list[Handed]]
    ) -> Pair | None:
        """The first document of the double-judged sample that waits for its second assessor."""
        judged, handed = known
        held = self._held(handed, judged, assessor)
        for pair, judgements in judged.items():
            waits = len(judgements) == 1 and assessor not in judgements and pair not in held
            if waits and query_id in (None, pair[0]) and self._is_double(pair):
                return pair
        return None

    def _chosen(
        self, assessor: str, query_id: str | None, known: tuple[dict[Pair, dict[str, Event]], list[Handed]]
    ) -> Pair | None:
        """What the method chooses, on the query whose turn it is."""
        judged, handed = known
        held = self._held(handed, judged, assessor)
        wanted = [query_id] if query_id is not None else self._turns(assessor, judged, held)
        for query in wanted:
            topic = self._place[query]
            taken = {self._documents[topic][doc] for other, doc in held if other == query}
            doc = self._chooser(topic, judged).choose(taken)
            if doc != NOTHING:
                return query, self.pool.topics[topic].doc_ids[doc]
        return None

    def _turns(self, assessor: str, judged: dict[Pair, dict[str, Event]], held: set[Pair]) -> list[str]:
        """The queries in the order in which this assessor should look for work."""
        count = dict.fromkeys(self._place, 0)
        mine: list[Event] = []
        for (query, _), judgements in judged.items():
            count[query] += 1
            mine += [judgements[assessor]] if assessor in judgements else []
        busy = {query for query, _ in held}
        order = sorted(self._place, key=lambda query: (count[query], query in busy, query))
        if mine:
            mine.sort(key=lambda event: event.number)
            current, streak = mine[-1].query_id, 0
            for event in reversed(mine):
                if event.query_id != current:
                    break
                streak += 1
            if streak % self.terms.batch:
                order.remove(current)
                order.insert(0, current)
        return order

    def _held(self, handed: list[Handed], judged: dict[Pair, dict[str, Event]], assessor: str) -> set[Pair]:
        """Documents that others have and have not judged, for as long as they are kept for them."""
        since = datetime.now(UTC) - timedelta(hours=self.terms.hold_hours)
        return {
            (one.query_id, one.doc_id)
            for one in handed
            if one.assessor != assessor
            and one.assessor not in judged.get((one.query_id, one.doc_id), {})
            and datetime.fromisoformat(one.at) >= since
            and self._is_pooled((one.query_id, one.doc_id))
        }

    def _chooser(self, topic: int, judged: dict[Pair, dict[str, Event]]) -> Chooser:
        """The method, told all that stands in the order in which it was first judged."""
        pool, told = self.pool.topics[topic], []
        for (query, doc), judgements in judged.items():
            if query == pool.query_id:
                relevant = settled(judgements, self.terms.settle) >= self.terms.level
                told.append((self._documents[topic][doc], relevant))
        before, chooser = self._choosers.get(topic, ((), None))
        # Old judgements only change by an undo, a correction or a second opinion: then the method starts over.
        if chooser is None or tuple(told[: len(before)]) != before:
            before, chooser = (), open_method(self.terms.method)(pool, dice(self.terms.seed, pool.query_id))
        for number, relevant in told[len(before) :]:
            chooser.tell(number, relevant=relevant)
        self._choosers[topic] = tuple(told), chooser
        return chooser

    def _is_pooled(self, pair: Pair) -> bool:
        """Whether the document is in this session's pool."""
        return pair[0] in self._place and pair[1] in self._documents[self._place[pair[0]]]

    def _is_double(self, pair: Pair) -> bool:
        """Whether the document is in the double-judged sample: fixed by the seed, whoever comes when."""
        key = f"{self.terms.seed}\t{pair[0]}\t{pair[1]}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") < self.terms.double * 2**64
