"""Review topics made by hand: some words say what a document is about, others whether it is a trial."""

from __future__ import annotations

import numpy as np

from periti.screening.topics import Topic
from periti.types import Document

SUBJECTS = ("heart", "asthma", "cough", "liver", "skin")


def made(subject: str, size: int = 40, *, seed: int = 0, prefix: str = "") -> Topic:
    """A topic whose included documents (a quarter) are trials; vectors and BM25 only know the subject.

    Every tenth document has no text. Documents are numbered in an order that says nothing of their grade.
    """
    rng = np.random.default_rng(seed + sum(map(ord, subject)))
    included = rng.permutation(np.arange(size) < size // 4)
    fillers = [f"filler{n}" for n in range(30)]
    documents = []
    for place, trial in enumerate(included.tolist()):
        words = [subject, "patients", *rng.choice(fillers, 6).tolist()]
        words += ["randomised", "placebo"] if trial else ["animals", "editorial"]
        textless = place % 10 == 9
        title = "" if textless else f"{subject} {prefix}{place} study"
        text = "" if textless else " ".join(rng.permutation(words).tolist())
        documents.append(Document(f"{subject}/{place:03}", text, title, {"pubmed_id": f"{subject}{place}"}))
    vectors = rng.standard_normal((size, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[9::10] = 0.0
    scores = np.where(np.arange(size) % 10 == 9, 0.0, rng.random(size))
    return Topic(subject, subject, tuple(documents), included.astype(np.int64), scores, vectors[:, 0].copy(), vectors)
