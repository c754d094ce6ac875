"""The reviews that can be screened: those that the service was started with, and those that reviewers ask for.

What reviewers ask for is kept in `reviews.jsonl`, with the citations as they were found, so that a review stays what it
was. A review is opened when somebody first reads it; the last few stay open.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import polars as pl

from periti.api.collections import Collections
from periti.api.schemas import cut
from periti.api.screening_schemas import MOST, NewReview, ReviewFacts
from periti.errors import ConfigError, FormatError, InputError, StorageError, UnknownName
from periti.registry import nearest
from periti.screening.feedback import Screener
from periti.screening.journal import append, now, read_records
from periti.screening.reading import Reading
from periti.screening.topics import Floats, Topic, read_topics
from periti.types import QRELS, Qrels, Queries

OPEN = 4
"""Reviews that stay open: each holds how alike its citations are."""
Prior = Callable[[Topic], Floats]
"""Scores that order the citations before anything is judged."""


@dataclass(frozen=True)
class Review:
    """A question and the citations to be screened for it.

    Attributes:
        name: its id.
        question: title or question.
        collection: name of the collection that has the citations.
        doc_ids: the citations, in any order.
    """

    name: str
    question: str
    collection: str
    doc_ids: tuple[str, ...]

    def facts(self) -> ReviewFacts:
        """What is listed."""
        return ReviewFacts(
            review=self.name, question=self.question, collection=self.collection, candidates=len(self.doc_ids)
        )


@dataclass(frozen=True, eq=False)
class Opened:
    """An open review.

    Attributes:
        screener: orders it.
        places: citation to its place.
        readings: reviewer to what that reviewer's judgements taught last.
    """

    screener: Screener
    places: dict[str, int]
    readings: dict[str, Reading] = field(default_factory=dict)

    def reading(self, reviewer: str) -> Reading:
        """The reading of one reviewer; not to be shared between threads."""
        if reviewer not in self.readings:
            self.readings[reviewer] = Reading(self.screener)
        return self.readings[reviewer]


def fusion(topic: Topic) -> Floats:
    """Words and vectors alike, as the screening method of that name."""
    return topic.scaled(topic.words) + topic.scaled(topic.meaning)


class Reviews:
    """All reviews, safe to share between threads. Holds its folder until `close`, so that nobody else writes there.

    Args:
        folder: where judgements and reviews asked for are kept; made where it is not there.
        collections: where citations are looked up.
        given: reviews that the service was started with.
        prior: the first order.

    Raises:
        ConfigError: two reviews have one name, or a review's collection is not served.
        StorageError: another service holds the folder, or it can not be used.
        FormatError: the file of reviews is damaged.
    """

    def __init__(
        self, folder: Path, collections: Collections, given: Sequence[Review] = (), prior: Prior = fusion
    ) -> None:
        self.folder, self.collections, self._prior = folder, collections, prior
        self._held = _hold(folder)
        self._file = folder / "reviews.jsonl"
        self._reviews: dict[str, Review] = {}
        self._open: OrderedDict[str, Opened] = OrderedDict()
        self._lock, self._opening = Lock(), Lock()
        for review in (*given, *_kept(self._file)):
            if review.name in self._reviews:
                raise ConfigError(f"two reviews are named {review.name!r}; give one of them another id")
            if review.collection not in collections.names:
                raise ConfigError(
                    f"the review {review.name!r} is about the collection {review.collection!r}, which is not served; "
                    f"serve it too, or use another --screen folder; served: {', '.join(collections.names)}"
                )
            self._reviews[review.name] = review

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._held)

    def facts(self) -> list[ReviewFacts]:
        """Every review."""
        return [review.facts() for review in list(self._reviews.values())]

    def review(self, name: str) -> Review:
        """The review of that name.

        Raises:
            UnknownName: there is none.
        """
        if name not in self._reviews:
            raise UnknownName(f"there is no review {cut(name)}; {nearest(name, list(self._reviews))}")
        return self._reviews[name]

    def add(self, asked: NewReview) -> Review:
        """Keep a new review; it is on disk when this returns.

        Raises:
            UnknownName: a citation or the collection is not there.
            InputError: a citation given twice, or none found.
            StorageError: writing failed.
        """
        collection, pipeline = self.collections.pipeline(asked.collection)
        if asked.doc_ids is None:
            found = pipeline.search(Queries.from_pairs([("review", asked.question)]), asked.candidates)
            doc_ids = found.frame["doc_id"].to_list()
        else:
            doc_ids = asked.doc_ids
            pipeline.corpus.get(doc_ids)
        if not doc_ids or len(set(doc_ids)) < len(doc_ids):
            twice = next((one for place, one in enumerate(doc_ids) if one in doc_ids[:place]), None)
            what = "no citations were found" if twice is None else f"the citation {cut(twice)} is given twice"
            raise InputError(f"{what}; give doc_ids, each once")
        with self._lock:
            review = Review(_fresh(asked.question, self._reviews), asked.question, collection, tuple(doc_ids))
            append(self._file, {"review": review.name, "question": review.question, "collection": collection,
                                "doc_ids": doc_ids, "at": now()})  # fmt: skip
            self._reviews[review.name] = review
        return review

    def opened(self, name: str) -> Opened:
        """The review ready to be read; takes seconds for the first reader.

        Raises:
            UnknownName: there is no such review, or the collection lacks a citation of it.
            InputError: too many citations, or a collection without a lexical and a dense expert.
        """
        review = self.review(name)
        with self._opening:
            if name not in self._open:
                self._open[name] = self._read(review)
                while len(self._open) > OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(name)
            return self._open[name]

    def _read(self, review: Review) -> Opened:
        if len(review.doc_ids) > MOST:
            raise InputError(
                f"the review {review.name!r} has {len(review.doc_ids):,} citations and at most {MOST:,} can be "
                "screened in the page; split it"
            )
        _, pipeline = self.collections.pipeline(review.collection)
        # Nobody's judgements come in: every citation has the same grade.
        rows = [(review.name, doc_id, 0) for doc_id in review.doc_ids]
        qrels = Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))
        (topic,) = read_topics(pipeline, Queries.from_pairs([(review.name, review.question)]), qrels)
        places = {document.doc_id: place for place, document in enumerate(topic.documents)}
        return Opened(Screener.of(topic, self._prior(topic)), places)


def slug(text: str, width: int = 40) -> str:
    """The text in letters that any file system takes: a-z, 0-9 and hyphens, cut to a width; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:width].strip("-") or "x"


def file_name(text: str) -> str:
    """A file's name for a text: readable, and different for different texts."""
    return f"{slug(text)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _fresh(question: str, taken: dict[str, Review]) -> str:
    """An id for a question that no review has."""
    name, number = slug(question), 1
    while (fresh := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return fresh


def _kept(path: Path) -> list[Review]:
    reviews = []
    for number, record in enumerate(read_records(path), 1):
        try:
            texts = (record["review"], record["question"], record["collection"], *record["doc_ids"])
        except (KeyError, TypeError) as error:
            raise FormatError(f"{path}: line {number} lacks {error}; restore a copy") from error
        if not all(isinstance(text, str) for text in texts):
            raise FormatError(f"{path}: line {number} holds something that is no text; restore a copy")
        name, question, collection, *doc_ids = texts
        reviews.append(Review(name, question, collection, tuple(doc_ids)))
    return reviews


def _hold(folder: Path) -> int:
    """A lock on the folder that ends with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(
            f"{folder}: can not be used ({error.strerror}); give a folder that can be written"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StorageError(
            f"{folder}: another service keeps its judgements there; stop it, or give another folder"
        ) from error
    return handle
