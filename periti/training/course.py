"""What determines an expert's weights, and how it learns: the same for every kind of student."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from periti.config import digest
from periti.encoders.adapters import Adapter
from periti.encoders.models import ModelExpert
from periti.encoders.sentence import SentenceEncoder
from periti.errors import InputError
from periti.progress import Progress
from periti.training.loop import Checkpoint, Loop, Standing
from periti.training.pairs import Rows, TrainingSet, draw, mined
from periti.training.settings import TrainingOptions
from periti.training.steps import Student


@dataclass(frozen=True)
class Course:
    """Everything that determines an expert's weights."""

    name: str
    sets: Sequence[TrainingSet]
    options: TrainingOptions
    seed: int
    card: Mapping[str, Any] = field(default_factory=dict)
    """What else the card shall say: domain, description, licence, command."""
    start: Adapter | ModelExpert | None = None
    """The expert whose weights training starts from; None starts from the base, which every new expert equals."""

    def fingerprint(self, base: SentenceEncoder) -> str:
        """Digest of the course and its base: a checkpoint of another course is not resumed."""
        sources = [[one.name, one.digest] for one in self.sets]
        start = [self.start.digest] if self.start else []
        return digest([self.name, sources, self.options.facts(), self.seed, base.identity.weights_sha256, *start])

    def require(self) -> None:
        """Refuse a course with nothing to learn from; raises InputError."""
        if not self.sets:
            raise InputError(f"expert {self.name!r} has no training queries; give it a source")


def hard_negatives(base: SentenceEncoder, course: Course) -> list[list[Rows]]:
    """For each source, mined rows of every query: by the base, wherever a training starts and is resumed."""
    if not course.options.hard_negatives:
        return [[] for _ in course.sets]
    return [mined(one, base.encode_queries(one.texts).vectors, course.options) for one in course.sets]


def learn(  # noqa: PLR0913  (the parts of a training; a class of them would be used once)
    student: Student,
    course: Course,
    hard: Sequence[Sequence[Rows]],
    score: Callable[[], float],
    checkpoint: Checkpoint,
    *,
    progress: Progress,
) -> Standing:
    """Steps from the last checkpoint, or from the start, until the last one or until dev stops improving.

    Args:
        student: what learns.
        course: sources, settings, seed.
        hard: for each source and query, rows of mined hard negatives.
        score: how good the student is on dev.
        checkpoint: where the training is kept.
        progress: told of every step.
    """
    return Loop(course.name, course.options, checkpoint, progress).run(
        student, lambda n: student.step(draw(course.sets, hard, course.options, course.seed, n), n), score
    )


def card_of(course: Course, at: Standing, student: Student) -> dict[str, Any]:
    """The card of a finished training."""
    best = at.kept(course.options.keep)
    cut = sum(1 for one in course.sets for token in student.tokens(one.texts) if token.cut)
    return {
        "name": course.name,
        **course.card,
        "sources": [{"name": s.name, "queries": len(s), "without_positives": s.left_out} for s in course.sets],
        "options": course.options.told(),
        "seed": course.seed,
        **({"start": course.start.card.get("name", ""), "start_digest": course.start.digest} if course.start else {}),
        "steps": at.step,
        "best_step": int(best[0]),
        "dev": best[1],
        "dev_of_base": at.curve[0][1],
        "dev_curve": at.curve,
        "truncated_training_queries": cut,
    }


def require_course(card: Mapping[str, Any], fingerprint: str, folder: Path) -> None:
    """Refuse a finished expert of another course; raises InputError."""
    if card.get("course") != fingerprint:
        raise InputError(
            f"{folder} holds what was trained from other data, settings or seed; remove it or choose another place"
        )


__all__ = ["Checkpoint", "Course", "Standing", "card_of", "hard_negatives", "learn", "require_course"]
