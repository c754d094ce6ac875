"""Lists to a ranker: a folder with a cross-encoder and its cards, after a training that survives being killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from periti.config import digest
from periti.encoders.cross import CrossEncoder, weights_digest
from periti.errors import InputError
from periti.indexers.storage import building
from periti.progress import Progress, Silent
from periti.training.course import require_course
from periti.training.loop import Checkpoint, Loop, Standing
from periti.training.ranking.card import read_card, write_ranker
from periti.training.ranking.drawing import Lists, draw
from periti.training.ranking.lists import RankingSet
from periti.training.ranking.settings import RankingOptions
from periti.training.ranking.student import RankerStudent

Score = Callable[[CrossEncoder], float]
"""How good a cross-encoder is on dev: the mean nDCG@10 of reranked lists, say."""


@dataclass(frozen=True)
class RankerCourse:
    """Everything that determines a ranker's weights.

    Attributes:
        name: of the ranker.
        sets: what it learns from.
        options: the settings.
        seed: of the draws and of dropout.
        card: what else the card shall say: description, licence, command.
        sources: of each set, what the card shall say beside its size: the first stage and its digest.
    """

    name: str
    sets: Sequence[RankingSet]
    options: RankingOptions
    seed: int
    card: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()
    dev: str = ""
    """Digest of the dev queries and their lists, which decide what is kept."""

    def batch(self, step: int, stream: int = 0) -> Lists:
        """The lists of a step; another stream has others of the same distribution."""
        return draw(self.sets, self.options, self.seed, step, stream)

    def fingerprint(self, start: CrossEncoder) -> str:
        """Digest of the course and of where it starts: a checkpoint of another course is not resumed."""
        sets = [[one.name, one.digest] for one in self.sets]
        read = [start.max_length, start.query_budget]
        return digest([self.name, sets, self.options.told(), self.seed, weights_digest(start.model), *read, self.dev])


def train_ranker(
    start: CrossEncoder, course: RankerCourse, score: Score, folder: Path, *, progress: Progress | None = None
) -> dict[str, Any]:
    """The ranker of a course, written to `folder`; the card of one that is there already is read and returned.

    Killed at any moment, the same call goes on from its last checkpoint to the same weights.

    Args:
        start: where it starts; it is copied, never changed. Its lengths are those that training reads.
        course: sources, settings, seed.
        score: how good the ranker is on dev.
        folder: where it shall be; a checkpoint lies beside it until it is whole.
        progress: told of every step.

    Returns:
        The card.

    Raises:
        InputError: there is nothing to learn from, or the folder holds the ranker of another course.
        EncoderError: the loss is not finite, or the ranker in the folder is damaged.
    """
    if not course.sets:
        raise InputError(f"ranker {course.name!r} has no training queries; give it a source")
    fingerprint = course.fingerprint(start)
    if folder.exists():
        card = read_card(folder)
        require_course(card, fingerprint, folder)
        return card
    student = RankerStudent(start, course.options, course.seed)
    checkpoint = Checkpoint.beside(folder, fingerprint)
    began = time.monotonic()

    def step(number: int) -> float:
        lists = course.batch(number)
        return student.step(lists, course.batch(number, 1) if course.options.curriculum == "random" else lists, number)

    loop = Loop(course.name, course.options, checkpoint, progress or Silent())
    at = loop.run(student, step, lambda: score(student.answering()))
    student.load(at.best)
    card = {
        **_card(course, at, start),
        "course": fingerprint,
        "seconds": round(time.monotonic() - began, 1),
    }
    with building(folder) as scratch:
        card = write_ranker(student.answering(), card, scratch)
    checkpoint.path.unlink(missing_ok=True)
    return card


def _card(course: RankerCourse, at: Standing, start: CrossEncoder) -> dict[str, Any]:
    best = at.kept(course.options.keep)
    told = course.sources or [{} for _ in course.sets]
    return {
        "name": course.name,
        **course.card,
        "sources": [
            {"name": one.name, "queries": len(one), **more, "notes": dict(one.notes)}
            for one, more in zip(course.sets, told, strict=True)
        ],
        "options": course.options.told(),
        "seed": course.seed,
        "start_name": start.name,
        "start_sha256": weights_digest(start.model),
        "max_length": start.max_length,
        "query_budget": start.query_budget,
        "steps": at.step,
        "best_step": int(best[0]),
        "dev": best[1],
        "dev_of_start": at.curve[0][1],
        "dev_curve": at.curve,
    }
