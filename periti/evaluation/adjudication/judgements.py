"""What the rows of a judging log amount to: the judgements that stand, how far assessors agree, and qrels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import polars as pl

from periti.errors import InputError
from periti.evaluation.adjudication.log import Event
from periti.types import QRELS, Qrels

Pair = tuple[str, str]
"""Query and document."""
Settle = Literal["first", "highest", "majority"]
"""How several assessors' grades of a document become one: the first given, the highest, or the most frequent (of
equally frequent ones the lower)."""


def standing(events: Iterable[Event]) -> dict[Pair, dict[str, Event]]:
    """The judgement of each assessor that stands, by query and document, in the order in which they were first judged.

    Undone judgements are gone; of several by one assessor the last stands.
    """
    events = list(events)
    undone = {event.undoes for event in events if event.kind == "undo"}
    found: dict[Pair, dict[str, Event]] = {}
    for event in events:
        if event.kind == "judge" and event.number not in undone:
            found.setdefault((event.query_id, event.doc_id), {})[event.assessor] = event
    return found


def settled(judgements: Mapping[str, Event], rule: Settle = "first") -> int:
    """One grade of a document for those of all assessors.

    Raises:
        InputError: another rule.
    """
    grades = [event.grade for event in judgements.values()]
    if rule == "first":
        return grades[0]
    if rule == "highest":
        return max(grades)
    if rule == "majority":
        counted = Counter(grades)
        return min(counted, key=lambda grade: (-counted[grade], grade))
    raise InputError(f"no rule named {rule!r} for several assessors; known: first, highest, majority")


def to_qrels(events: Iterable[Event], rule: Settle = "first", name: str = "judged") -> Qrels:
    """The judgements that stand, one grade a document.

    Raises:
        InputError: another rule.
        SchemaError: nothing is judged.
    """
    rows = [(query, doc, settled(judged, rule)) for (query, doc), judged in standing(events).items()]
    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"), name)


@dataclass(frozen=True)
class Kappa:
    """Agreement of two assessors on the documents that both judged.

    Args:
        first, second: the assessors, by name.
        documents: how many both judged.
        grades: Cohen's kappa of the grades as they are; NaN if both gave one and the same grade to all.
        binary: of relevant or not.
        agreed: share of documents with the same grade.
    """

    first: str
    second: str
    documents: int
    grades: float
    binary: float
    agreed: float


def kappas(judged: Mapping[Pair, Mapping[str, Event]], level: int = 1) -> tuple[Kappa, ...]:
    """Agreement of every two assessors who share a document, by name.

    Args:
        judged: from `standing`.
        level: the lowest grade that is relevant.
    """
    shared: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for judgements in judged.values():
        for first, second in combinations(sorted(judgements), 2):
            shared.setdefault((first, second), []).append((judgements[first].grade, judgements[second].grade))
    return tuple(
        Kappa(
            *names,
            documents=len(grades),
            grades=cohen_kappa(grades),
            binary=cohen_kappa([(a >= level, b >= level) for a, b in grades]),
            agreed=sum(a == b for a, b in grades) / len(grades),
        )
        for names, grades in sorted(shared.items())
    )


def cohen_kappa(grades: Sequence[tuple[int, int]]) -> float:
    """(observed - expected agreement) / (1 - expected), unweighted; NaN if chance alone would always agree.

    Source: Cohen, 1960.

    Raises:
        InputError: no grades.
    """
    if not grades:
        raise InputError("kappa of no document; have some judged by two assessors")
    count = len(grades)
    first, second = Counter(a for a, _ in grades), Counter(b for _, b in grades)
    expected = sum(first[grade] * second[grade] for grade in first) / count**2
    observed = sum(a == b for a, b in grades) / count
    return (observed - expected) / (1.0 - expected) if expected < 1.0 else float("nan")
