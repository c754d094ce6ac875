"""What a reviewer's page asks for: the next citations, judging, taking back, drawing the rest, and the judgements."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import NormalDist
from threading import Lock

from periti.api.reviews import Opened, Reviews, file_name
from periti.api.schemas import cut
from periti.api.screening_schemas import AHEAD, Citation, Estimate, Proof, Sheet, Standing, Taken
from periti.errors import FormatError, InputError, UnknownName
from periti.screening.journal import Journal, Judged
from periti.screening.reading import Draw, Reading
from periti.screening.stopping import Target, estimated

TARGET = Target()
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""


@dataclass(eq=False)
class _Session:
    """One reviewer with one review; whoever reads or writes the journal holds the lock."""

    journal: Journal
    lock: Lock = field(default_factory=Lock)


class ReviewDesk:
    """Everybody's screening of every review; safe to share between threads.

    Args:
        reviews: what can be screened, and the folder in which judgements are kept.
    """

    def __init__(self, reviews: Reviews) -> None:
        self.reviews = reviews
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._making = Lock()

    def sheet(self, review: str, reviewer: str) -> Sheet:
        """What comes next.

        Raises:
            UnknownName: no such review.
            FormatError: the journal is damaged, or about other citations.
            StorageError: it can not be read.
        """
        with self._at_work(review, reviewer) as (opened, journal):
            return self._sheet(opened, journal)

    def judge(self, review: str, reviewer: str, doc_id: str, *, include: bool) -> Sheet:
        """Keep a judgement, unless it is what stands already; then as `sheet`.

        Raises:
            UnknownName: the review has no such citation.
            StorageError: writing failed; the judgement is not kept.
        """
        with self._at_work(review, reviewer) as (opened, journal):
            if doc_id not in opened.places:
                raise UnknownName(f"review {review!r} has no citation {cut(doc_id)}; judge one that was handed out")
            # A page that never got its answer sends the same again.
            if _standing(journal).get(doc_id) != include:
                journal.judge(doc_id, include=include)
            return self._sheet(opened, journal)

    def undo(self, review: str, reviewer: str) -> Sheet:
        """Take back what this reviewer did last; then as `sheet`."""
        with self._at_work(review, reviewer) as (opened, journal):
            event = journal.undo()
            taken = None
            if isinstance(event, Judged):
                taken = Taken(event="judge", doc_id=event.doc_id, include=event.include)
            elif event is not None:
                taken = Taken(event="draw", doc_id=None, include=None)
            return self._sheet(opened, journal).model_copy(update={"undone": taken})

    def draw(self, review: str, reviewer: str) -> Sheet:
        """Have the rest drawn at random from now on; then as `sheet`.

        Raises:
            InputError: it is drawn already, or nothing is left.
        """
        with self._at_work(review, reviewer) as (opened, journal):
            decided, begun = _decided(opened, journal)
            if begun is not None or len(decided) == len(opened.places):
                said = "the rest is drawn at random already" if begun else "nothing is left to be drawn"
                raise InputError(f"{said}; undo takes the last step back")
            # Taking it back and drawing again gives the same draws: nobody can try until the sample is pleasant.
            text = f"{review}\n{reviewer}\n{len(decided)}"
            journal.draw(int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big"))
            return self._sheet(opened, journal)

    def export(self, review: str, reviewer: str, form: str) -> str:
        """This reviewer's judgements, in the order of judging, as CSV with a header or as TREC qrels.

        Raises:
            InputError: no such form.
        """
        if form not in FORMS:
            raise InputError(f"form is {cut(form)}; ask for one of {', '.join(FORMS)}")
        with self._at_work(review, reviewer) as (opened, journal):
            return FORMS[form](opened, journal)

    @contextmanager
    def _at_work(self, review: str, reviewer: str) -> Iterator[tuple[Opened, Journal]]:
        """The open review and the journal, nobody else being at it."""
        opened = self.reviews.opened(review)
        with self._making:
            key = (review, reviewer)
            if key not in self._sessions:
                path = self.reviews.folder / file_name(review) / f"{file_name(reviewer)}.jsonl"
                journal = Journal(path, review, reviewer)
                _require_known(journal, opened)
                self._sessions[key] = _Session(journal)
            session = self._sessions[key]
        with session.lock:
            yield opened, session.journal

    def _sheet(self, opened: Opened, journal: Journal) -> Sheet:
        topic, reading = opened.screener.topic, opened.reading(journal.reviewer)
        decided, draw = _decided(opened, journal)
        ahead = [topic.documents[place] for place in reading.order(decided, draw)[:AHEAD].tolist()]
        return Sheet(
            review=journal.review,
            reviewer=journal.reviewer,
            question=topic.query,
            next=[Citation(doc_id=one.doc_id, title=one.title, text=one.text) for one in ahead],
            standing=standing(reading, decided, draw),
        )


def standing(reading: Reading, decided: dict[int, bool], draw: Draw | None) -> Standing:
    """How far one is, in numbers and words."""
    total, included = len(reading.screener.topic), sum(decided.values())
    ahead = min((end - len(decided) for end in reading.ends if end > len(decided)), default=0)
    state, estimate, proof = reading.state(decided), None, None
    if state is not None:
        estimate = Estimate(
            expected_left=state.expected,
            deviation=state.variance**0.5,
            recall=estimated(state),
            recall_low=estimated(state, NormalDist().inv_cdf(1.0 - TARGET.alpha)),
        )
    if draw is not None:
        drawn = reading.drawn(decided, draw, TARGET)
        proof = Proof(
            total=drawn.total, read=drawn.read, found=drawn.found, most=drawn.most, recall=drawn.recall,
            error=drawn.error,
        )  # fmt: skip
    said = [f"{len(decided):,} of {total:,} citations are judged, {included:,} included."]
    said += [_believed(estimate, ahead)] if len(decided) < total else ["Everything is judged: recall is 1."]
    said += [_proven(proof)] if proof is not None else []
    return Standing(
        candidates=total, judged=len(decided), included=included, learns_after=ahead, target=TARGET.recall,
        estimate=estimate, proof=proof, sentences=said,
    )  # fmt: skip


def _believed(estimate: Estimate | None, ahead: int) -> str:
    if estimate is None:
        return f"What is left is estimated after {ahead} more." if ahead else "Too few are left for an estimate."
    reached = " By that estimate enough is found; drawing the rest at random can prove it." * (
        estimate.recall_low >= TARGET.recall
    )
    return (
        f"The classifier believes that {estimate.expected_left:.1f} (standard deviation {estimate.deviation:.1f}) "
        f"included ones are left: recall {estimate.recall:.2f}, at least {estimate.recall_low:.2f} with 95 % "
        f"if it were right, and nothing bounds how wrong it is.{reached}"
    )


def _proven(proof: Proof) -> str:
    reached = f" The target of {TARGET.recall:.2f} is proven: you may stop." if proof.recall >= TARGET.recall else ""
    return (
        f"Drawn at random: {proof.read:,} of {proof.total:,} judged, {proof.found:,} included, so at most "
        f"{proof.most:,} of them are to be included and recall is at least {proof.recall:.2f}; the chance that it is "
        f"lower is at most {proof.error:.0%}, whenever you look.{reached}"
    )


def _standing(journal: Journal) -> dict[str, bool]:
    """Citation to the judgement that stands, in the order of the first judgement of each."""
    return {event.doc_id: event.include for event in journal.events if isinstance(event, Judged)}


def _decided(opened: Opened, journal: Journal) -> tuple[dict[int, bool], Draw | None]:
    """Judgements by place, and the moment from which the rest is drawn."""
    decided: dict[int, bool] = {}
    draw = None
    for event in journal.events:
        if isinstance(event, Judged):
            decided[opened.places[event.doc_id]] = event.include
        else:
            draw = Draw(len(decided), event.seed)
    return decided, draw


def _require_known(journal: Journal, opened: Opened) -> None:
    strange = [doc_id for doc_id in _standing(journal) if doc_id not in opened.places]
    if strange:
        raise FormatError(
            f"{journal.path}: {len(strange)} judgements are about citations that review {journal.review!r} does not "
            f"have, the first is {strange[0]!r}; its candidates have changed, so use another --screen folder"
        )


def _csv(opened: Opened, journal: Journal) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["review", "reviewer", "doc_id", "decision", "judged_at", "title"])
    times = {event.doc_id: event.at for event in journal.events if isinstance(event, Judged)}
    for doc_id, include in _standing(journal).items():
        title = opened.screener.topic.documents[opened.places[doc_id]].title
        row = [journal.review, journal.reviewer, doc_id, "include" if include else "exclude", times[doc_id], title]
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in row])
    return table.getvalue()


def _qrels(_: Opened, journal: Journal) -> str:
    return "".join(f"{journal.review} 0 {doc_id} {int(include)}\n" for doc_id, include in _standing(journal).items())


FORMS: dict[str, Callable[[Opened, Journal], str]] = {"csv": _csv, "qrels": _qrels}
