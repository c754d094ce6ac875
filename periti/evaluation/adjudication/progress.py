"""How far the judging of a pool is: counts, agreement of assessors, and the outlook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from periti.evaluation.adjudication.agreement import none_for_nan
from periti.evaluation.adjudication.judgements import Kappa, Pair, kappas
from periti.evaluation.adjudication.log import Event
from periti.evaluation.adjudication.outlook import Outlook, View, look_ahead, too_early
from periti.evaluation.adjudication.pool import Pool
from periti.evaluation.ranking import Ints


@dataclass(frozen=True)
class QueryProgress:
    """Documents of one query: in its pool, judged by anyone, relevant among those."""

    query_id: str
    pool: int
    judged: int
    relevant: int


@dataclass(frozen=True)
class AssessorProgress:
    """One assessor: documents with a judgement that stands, and the time of the last (UTC)."""

    assessor: str
    judged: int
    last: str


@dataclass(frozen=True)
class Status:
    """Everything there is to say about a session.

    Args:
        queries: by query id.
        assessors: by name.
        kappas: agreement of every two assessors who share documents.
        twice: documents that two or more assessors judged.
        disputed: those of them with different grades.
        outlook: which pairs are separable and what the rest needs; None if it was not asked for or it is too early.
        sentences: the same in words.
    """

    queries: tuple[QueryProgress, ...]
    assessors: tuple[AssessorProgress, ...]
    kappas: tuple[Kappa, ...]
    twice: int
    disputed: int
    outlook: Outlook | None
    sentences: tuple[str, ...]

    @property
    def pool(self) -> int:
        """Documents of all pools."""
        return sum(query.pool for query in self.queries)

    @property
    def judged(self) -> int:
        """Documents judged by anyone."""
        return sum(query.judged for query in self.queries)

    @property
    def relevant(self) -> int:
        """Relevant ones among them."""
        return sum(query.relevant for query in self.queries)

    def as_data(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {
            "pool": self.pool,
            "judged": self.judged,
            "relevant": self.relevant,
            "twice": self.twice,
            "disputed": self.disputed,
            "queries": [asdict(query) for query in self.queries],
            "assessors": [asdict(assessor) for assessor in self.assessors],
            "kappas": [
                {**asdict(kappa), "grades": none_for_nan(kappa.grades), "binary": none_for_nan(kappa.binary)}
                for kappa in self.kappas
            ],
            "outlook": None if self.outlook is None else outlook_data(self.outlook),
            "sentences": list(self.sentences),
        }


def outlook_data(outlook: Outlook) -> dict[str, Any]:
    """An outlook as JSON can hold it."""
    return {
        **asdict(outlook),
        "pairs": [{**asdict(pair), "state": pair.state} for pair in outlook.pairs],
        "states": {state: len(outlook.of(state)) for state in ("separable", "open", "inseparable")},
    }


def status_of(pool: Pool, judged: Mapping[Pair, Mapping[str, Event]], grades: Ints, terms: tuple[View, bool]) -> Status:
    """The status of a pool.

    Args:
        pool: what is judged.
        judged: judgements that stand, from `judgements.standing`.
        grades: int64 (N,), one grade a document, negative where nobody judged.
        terms: how runs are compared, and whether to look ahead at all.
    """
    view, ahead = terms
    queries = tuple(
        QueryProgress(
            topic.query_id,
            len(topic),
            int((grades[begin : begin + len(topic)] >= 0).sum()),
            int((grades[begin : begin + len(topic)] >= view.level).sum()),
        )
        for topic, begin in zip(pool.topics, pool.offsets.tolist(), strict=False)
    )
    twice = [judgements for judgements in judged.values() if len(judgements) > 1]
    disputed = sum(len({event.grade for event in judgements.values()}) > 1 for judgements in twice)
    reason = too_early(pool, grades, view.level) if ahead else None
    outlook = look_ahead(pool, grades, view) if ahead and reason is None else None
    agreement = kappas(judged, view.level)
    said = _sentences(queries, agreement, (len(twice), disputed))
    said += outlook.sentences if outlook is not None else (reason,) if reason is not None else ()
    return Status(queries, _assessors(judged), agreement, len(twice), disputed, outlook, said)


def _assessors(judged: Mapping[Pair, Mapping[str, Event]]) -> tuple[AssessorProgress, ...]:
    """Counts by assessor."""
    times: dict[str, list[str]] = {}
    for judgements in judged.values():
        for assessor, event in judgements.items():
            times.setdefault(assessor, []).append(event.at)
    return tuple(AssessorProgress(name, len(at), max(at)) for name, at in sorted(times.items()))


def _sentences(
    queries: tuple[QueryProgress, ...], agreement: tuple[Kappa, ...], twice: tuple[int, int]
) -> tuple[str, ...]:
    """Counts and agreement in words."""
    pool, judged = sum(query.pool for query in queries), sum(query.judged for query in queries)
    relevant = sum(query.relevant for query in queries)
    said = [f"{judged} of {pool} pooled documents of {len(queries)} queries are judged, {relevant} of them relevant."]
    if twice[0]:
        told = "; ".join(
            f"{kappa.first} and {kappa.second} {_shown(kappa.binary)} on {kappa.documents}" for kappa in agreement
        )
        said.append(
            f"{twice[0]} were judged twice or more, {twice[1]} of them differently; kappa of relevance: {told}."
        )
    return tuple(said)


def _shown(kappa: float) -> str:
    """Two digits, or why there are none."""
    return "undefined" if kappa != kappa else f"{kappa:.2f}"  # noqa: PLR0124  # NaN differs from itself
