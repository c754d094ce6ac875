"""What determines an expert's weights, where its training stands, and the loop: the same for every kind of student."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from periti.config import digest
from periti.encoders.adapters import Adapter, read_arrays, write_arrays
from periti.encoders.models import ModelExpert
from periti.encoders.sentence import SentenceEncoder
from periti.errors import EncoderError, InputError
from periti.progress import Progress
from periti.training.pairs import Rows, TrainingSet, draw, mined
from periti.training.settings import TrainingOptions
from periti.training.steps import State, Student


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


@dataclass
class Standing:
    """Where a training stands."""

    step: int
    curve: list[list[float]]
    """[step, dev score, mean loss since the last one]"""
    best: State
    """The weights that are kept."""
    waited: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One file beside the target that holds everything a training needs to go on, replaced as a whole."""

    path: Path
    course: str

    @classmethod
    def beside(cls, folder: Path, course: str) -> Checkpoint:
        """The checkpoint of an expert that shall be in `folder`, of the course with this fingerprint."""
        return cls(folder.with_name(f".{folder.name}.checkpoint.safetensors"), course)

    def save(self, student: Student, at: Standing) -> None:
        """Keep weights, moments, the best weights so far and the curve."""
        arrays = {f"now/{k}": v for k, v in student.state().items()} | {f"best/{k}": v for k, v in at.best.items()}
        facts = {"course": self.course, "step": at.step, "curve": at.curve, "waited": at.waited}
        fresh = self.path.with_name(f"{self.path.name}.new")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(fresh, arrays, {"facts": json.dumps(facts)})
        fresh.replace(self.path)

    def resume(self, student: Student) -> Standing | None:
        """The standing of a checkpoint of the same course, loaded into the student; None where there is none."""
        try:
            arrays, about = read_arrays(self.path)
            facts = json.loads(about["facts"])
        except (EncoderError, KeyError, ValueError):
            return None  # no checkpoint, or a damaged one: train from the start
        if facts.get("course") != self.course:
            return None
        student.load({k.removeprefix("now/"): v for k, v in arrays.items() if k.startswith("now/")})
        best = {k.removeprefix("best/"): v for k, v in arrays.items() if k.startswith("best/")}
        return Standing(facts["step"], facts["curve"], best, facts["waited"])


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
    options = course.options
    at = checkpoint.resume(student) or Standing(0, [[0, score(), 0.0]], student.weights())
    # Counted from where it goes on, so that steps of an earlier run do not make the time left look short.
    resumed = f" from step {at.step}" if at.step else ""
    progress.start(f"training {course.name}{resumed}", options.steps - at.step)
    losses: list[float] = []
    while at.step < options.steps and (options.keep == "last" or at.waited < options.patience):
        at.step += 1
        losses.append(student.step(draw(course.sets, hard, options, course.seed, at.step), at.step))
        progress.advance(1)
        if at.step % options.evaluate_every == 0 or at.step == options.steps:
            value = score()
            better = value > max(entry[1] for entry in at.curve)
            at.curve.append([at.step, value, float(np.mean(losses))])
            at.waited, losses = (0 if better else at.waited + 1), []
            if better or options.keep == "last":
                at.best = student.weights()
            checkpoint.save(student, at)
    progress.finish()
    return at


def card_of(course: Course, at: Standing, student: Student) -> dict[str, Any]:
    """The card of a finished training."""
    best = at.curve[-1] if course.options.keep == "last" else max(at.curve, key=lambda entry: entry[1])
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
            f"{folder} holds an expert trained from other data, settings or seed; remove it or choose another place"
        )
