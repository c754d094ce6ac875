"""Training sets to an expert: an adapter over the base's own documents, or a whole model that moves them too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from periti.encoders.adapters import Adapter, read_adapter, write_adapter
from periti.encoders.models import ModelExpert, read_model, write_model
from periti.encoders.sentence import SentenceEncoder
from periti.errors import EncoderError, InputError
from periti.indexers.storage import building
from periti.progress import Progress, Silent
from periti.protocols import Vectors
from periti.training.both_sides import BothSides
from periti.training.course import Checkpoint, Course, card_of, hard_negatives, learn, require_course
from periti.training.query_side import QuerySide

Encode = Callable[[Sequence[str]], Vectors]
"""Texts to vectors float32 (n, d) by the expert as it is now."""
Score = Callable[[Encode], float]
"""How good a query-side expert is on dev: mean nDCG over the real document vectors, say."""
BothScore = Callable[[Encode, Encode], float]
"""How good an expert is on dev whose documents move too, given how it encodes queries and documents."""


def train(
    base: SentenceEncoder, course: Course, score: Score, folder: Path, *, progress: Progress | None = None
) -> Adapter:
    """The query-side expert of a course, written to `folder`; one that is there already is read and returned.

    Killed at any moment, the same call goes on from its last checkpoint to the same weights.

    Args:
        base: the frozen encoder.
        course: sources, settings, seed.
        score: how good the expert is on dev; the best state seen is kept.
        folder: where the expert shall be; a checkpoint lies beside it until it is whole.
        progress: told of every step.

    Raises:
        InputError: there is nothing to learn from, or the folder holds the expert of another course.
        EncoderError: the loss is not finite, or the course starts from an expert of another kind.
    """
    course.require()
    if course.options.both_sides:
        raise InputError(f"expert {course.name!r} learns on both sides; it becomes a model, not an adapter")
    fingerprint = course.fingerprint(base)
    if folder.exists():
        adapter = read_adapter(folder)
        require_course(adapter.card, fingerprint, folder)
        return adapter
    student = QuerySide(base, course.options, course.seed)
    if isinstance(course.start, ModelExpert):
        raise EncoderError(_other_sides(course, course.start))
    if course.start:
        student.begin(course.start)
    checkpoint = Checkpoint.beside(folder, fingerprint)
    began = time.monotonic()
    hard = hard_negatives(base, course)
    at = learn(student, course, hard, lambda: score(student.encode), checkpoint, progress=progress or Silent())
    card = {**card_of(course, at, student), "course": fingerprint, "seconds": round(time.monotonic() - began, 1)}
    adapter = student.adapter(at.best, card)
    with building(folder) as scratch:
        write_adapter(adapter, scratch)
    checkpoint.path.unlink(missing_ok=True)
    return adapter


def train_model(
    base: SentenceEncoder, course: Course, score: BothScore, folder: Path, *, progress: Progress | None = None
) -> ModelExpert:
    """The expert of a course whose documents learn too, written to `folder` as a model of sentence-transformers.

    As `train`, with the same promises; hard negatives are mined by the base over its own vectors of the documents. A
    course may start from another model: LoRA is then trained over the merged weights of that one.

    Args:
        base: the encoder that the panel shares.
        course: sources that can read their documents, settings, seed.
        score: how good the expert is on dev, documents encoded anew.
        folder: where the model shall be; a checkpoint lies beside it until it is whole.
        progress: told of every step.

    Raises:
        InputError, EncoderError: as `train`; also where a source has no texts of its documents.
    """
    course.require()
    if not course.options.both_sides:
        raise InputError(f"expert {course.name!r} learns on the query's side; it becomes an adapter, not a model")
    fingerprint = course.fingerprint(base)
    if folder.exists():
        found = read_model(folder)
        require_course(found.card, fingerprint, folder)
        return found
    if isinstance(course.start, Adapter):
        raise EncoderError(_other_sides(course, course.start))
    student = BothSides(course.start.encoder() if course.start else base, course.options, course.seed)
    checkpoint = Checkpoint.beside(folder, fingerprint)
    began = time.monotonic()
    hard = hard_negatives(base, course)
    at = learn(
        student,
        course,
        hard,
        lambda: score(student.encode, student.encode_documents),
        checkpoint,
        progress=progress or Silent(),
    )
    identity = base.identity
    card = {
        **card_of(course, at, student),
        **_cut(course, student),
        "trained": "all weights" if course.options.method == "full" else f"LoRA of rank {course.options.rank}, merged",
        "base": identity.weights_sha256,
        "base_name": identity.name,
        "prompts": list(identity.prompts),
        "max_length": identity.max_length,
        "course": fingerprint,
        "seconds": round(time.monotonic() - began, 1),
    }
    with building(folder) as scratch:
        write_model(student.model(at.best), card, scratch)
    checkpoint.path.unlink(missing_ok=True)
    return read_model(folder)


def _cut(course: Course, student: BothSides) -> dict[str, int]:
    """How many relevant documents there are in training, and how many of them it reads the beginning of only."""
    wanted = [(one.read, np.unique(np.concatenate(one.positives))) for one in course.sets if one.read]
    tokens = [token for read, rows in wanted for token in student.tokens(read(rows), side=1)]
    return {"relevant_documents": len(tokens), "truncated_relevant_documents": sum(1 for t in tokens if t.cut)}


def _other_sides(course: Course, start: Adapter | ModelExpert) -> str:
    kinds = ["learns on the query's side", "learns on both sides"]
    own, other = kinds if isinstance(start, ModelExpert) else reversed(kinds)
    return (
        f"expert {course.name!r} {own}, and {start.card.get('name', '?')!r}, which it starts from, {other}; start from "
        "an expert of the same sides, or from the base"
    )


__all__ = ["BothScore", "Course", "Encode", "Score", "train", "train_model"]
