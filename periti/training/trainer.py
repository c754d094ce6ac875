"""Training sets to an expert: steps, early stop on dev, checkpoints that survive a kill, and the card."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from periti.config import digest
from periti.encoders.adapters import Adapter, read_adapter, read_arrays, write_adapter, write_arrays
from periti.encoders.sentence import SentenceEncoder
from periti.errors import EncoderError, InputError
from periti.indexers.storage import building
from periti.progress import Progress, Silent
from periti.protocols import Vectors
from periti.training.pairs import TrainingSet, draw, mined
from periti.training.settings import TrainingOptions
from periti.training.steps import State, Student

Encode = Callable[[Sequence[str]], Vectors]
"""Queries to vectors float32 (n, d) by the expert as it is now."""
Score = Callable[[Encode], float]
"""How good the expert is on dev: mean nDCG over the real document vectors, say."""


@dataclass(frozen=True)
class Course:
    """Everything that determines an expert's weights."""

    name: str
    sets: Sequence[TrainingSet]
    options: TrainingOptions
    seed: int
    card: Mapping[str, Any] = field(default_factory=dict)
    """What else the card shall say: domain, description, licence, command."""
    start: Adapter | None = None
    """The expert whose weights training starts from; None starts from the base, which every new adapter equals."""

    def fingerprint(self, base: SentenceEncoder) -> str:
        """Digest of the course and its base: a checkpoint of another course is not resumed."""
        sources = [[one.name, one.digest] for one in self.sets]
        start = [self.start.digest] if self.start else []
        return digest([self.name, sources, self.options.facts(), self.seed, base.identity.weights_sha256, *start])


@dataclass
class Standing:
    """Where a training stands."""

    step: int
    curve: list[list[float]]
    """[step, dev score, mean loss since the last one]"""
    best: State
    waited: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """One file beside the target that holds everything a training needs to go on, replaced as a whole."""

    path: Path
    course: str

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


def train(
    base: SentenceEncoder, course: Course, score: Score, folder: Path, *, progress: Progress | None = None
) -> Adapter:
    """The expert of a course, written to `folder`; one that is there already is read and returned.

    Killed at any moment, the same call goes on from its last checkpoint to the same weights.

    Args:
        base: the frozen encoder.
        course: sources, settings, seed.
        score: how good the expert is on dev; the best state seen is kept.
        folder: where the expert shall be; a checkpoint lies beside it until it is whole.
        progress: told of every step.

    Raises:
        InputError: there is nothing to learn from, or the folder holds the expert of another course.
        EncoderError: the loss is not finite.
    """
    if not course.sets:
        raise InputError(f"expert {course.name!r} has no training queries; give it a source")
    fingerprint = course.fingerprint(base)
    if folder.exists():
        return _finished(folder, fingerprint)
    student = Student(base, course.options, course.seed)
    if course.start:
        student.begin(course.start)
    checkpoint = Checkpoint(folder.with_name(f".{folder.name}.checkpoint.safetensors"), fingerprint)
    at = checkpoint.resume(student)
    if at is None:
        at = Standing(0, [[0, score(student.encode), 0.0]], student.state())
    began = time.monotonic()
    _run(student, course, score, at, checkpoint, progress=progress or Silent())
    card = {**_card(course, at, student), "course": fingerprint, "seconds": round(time.monotonic() - began, 1)}
    adapter = student.adapter(at.best, card)
    with building(folder) as scratch:
        write_adapter(adapter, scratch)
    checkpoint.path.unlink(missing_ok=True)
    return adapter


def _run(  # noqa: PLR0913  (the five parts of a training; a class of them would be used once)
    student: Student, course: Course, score: Score, at: Standing, checkpoint: Checkpoint, *, progress: Progress
) -> None:
    """Steps until the last or until dev stops improving."""
    options = course.options
    hard = [mined(one, _base_vectors(student, one, options), options) for one in course.sets]
    progress.start(f"training {course.name}", options.steps)
    progress.advance(at.step)
    losses: list[float] = []
    while at.step < options.steps and (options.keep == "last" or at.waited < options.patience):
        at.step += 1
        losses.append(student.step(draw(course.sets, hard, options, course.seed, at.step), at.step))
        progress.advance(1)
        if at.step % options.evaluate_every == 0 or at.step == options.steps:
            value = score(student.encode)
            better = value > max(entry[1] for entry in at.curve)
            at.curve.append([at.step, value, float(np.mean(losses))])
            at.waited, losses = (0 if better else at.waited + 1), []
            if better or options.keep == "last":
                at.best = student.state()
            checkpoint.save(student, at)
    progress.finish()


def _base_vectors(student: Student, source: TrainingSet, options: TrainingOptions) -> Vectors:
    """Vectors of the training queries before training, for mining; none where nothing is mined."""
    return student.encode(source.texts) if options.hard_negatives else np.empty((0, 0), np.float32)


def _card(course: Course, at: Standing, student: Student) -> dict[str, Any]:
    best = at.curve[-1] if course.options.keep == "last" else max(at.curve, key=lambda entry: entry[1])
    cut = sum(1 for one in course.sets for token in student.tokens(one.texts) if token.cut)
    return {
        "name": course.name,
        **course.card,
        "sources": [{"name": s.name, "queries": len(s), "without_positives": s.left_out} for s in course.sets],
        "options": asdict(course.options),
        "seed": course.seed,
        **({"start": course.start.card.get("name", ""), "start_digest": course.start.digest} if course.start else {}),
        "steps": at.step,
        "best_step": int(best[0]),
        "dev": best[1],
        "dev_of_base": at.curve[0][1],
        "dev_curve": at.curve,
        "truncated_training_queries": cut,
    }


def _finished(folder: Path, fingerprint: str) -> Adapter:
    adapter = read_adapter(folder)
    if adapter.card.get("course") != fingerprint:
        raise InputError(
            f"{folder} holds an expert trained from other data, settings or seed; remove it or choose another place"
        )
    return adapter
