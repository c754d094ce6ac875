"""Measures computed the slow and obvious way, one query at a time, from the textbook formulas."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from periti.types import Qrels, Run


def ordered(scored: Sequence[tuple[str, float]]) -> list[str]:
    """Documents by score descending, equal scores by id descending."""
    by_id = sorted(scored, key=lambda pair: pair[0], reverse=True)
    return [doc for doc, _ in sorted(by_id, key=lambda pair: pair[1], reverse=True)]


def precision(docs: list[str], grades: dict[str, int], k: int, rel: int = 1) -> float:
    return sum(grades.get(doc, 0) >= rel for doc in docs[:k]) / k


def recall(docs: list[str], grades: dict[str, int], k: int, rel: int = 1) -> float:
    wanted = {doc for doc, grade in grades.items() if grade >= rel}
    return len(wanted & set(docs[:k])) / len(wanted) if wanted else 0.0


def average_precision(docs: list[str], grades: dict[str, int], k: int, rel: int = 1) -> float:
    wanted = {doc for doc, grade in grades.items() if grade >= rel}
    hits = [i for i, doc in enumerate(docs[:k], start=1) if doc in wanted]
    return sum(precision(docs, grades, i, rel) for i in hits) / len(wanted) if wanted else 0.0


def reciprocal_rank(docs: list[str], grades: dict[str, int], k: int, rel: int = 1) -> float:
    return next((1 / i for i, doc in enumerate(docs[:k], start=1) if grades.get(doc, 0) >= rel), 0.0)


def ndcg(docs: list[str], grades: dict[str, int], k: int, *, exponential: bool = False) -> float:
    def dcg(gains: list[int]) -> float:
        return sum((2**g - 1 if exponential else g) / log2(i + 1) for i, g in enumerate(gains[:k], start=1))

    ideal = dcg(sorted((max(grade, 0) for grade in grades.values()), reverse=True))
    return dcg([max(grades.get(doc, 0), 0) for doc in docs]) / ideal if ideal else 0.0


def tables(run: Run, qrels: Qrels) -> dict[str, tuple[list[str], dict[str, int]]]:
    """Each judged query's documents, re-sorted from the scores, and its grades."""
    scored: dict[str, list[tuple[str, float]]] = {}
    for query, doc, score, _ in run.frame.iter_rows():
        scored.setdefault(query, []).append((doc, score))
    grades: dict[str, dict[str, int]] = {}
    for query, doc, grade in qrels.frame.iter_rows():
        grades.setdefault(query, {})[doc] = grade
    return {query: (ordered(scored.get(query, [])), judged) for query, judged in grades.items()}
