"""What a ranker learns from: queries, relevant documents, and the first stage's list behind a false-negative guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import digest
from periti.errors import InputError
from periti.training.pairs import Hints, Rows
from periti.training.ranking.difficulty import Values, ease_of, normalised
from periti.training.ranking.settings import ALL_POSITIVES, RankingOptions
from periti.types import Qrels, Queries, Run


@dataclass(frozen=True)
class Candidates:
    """Documents of one query that a list may hold.

    Attributes:
        rows: in their corpus, int64 (n,).
        ease: D of each by the curriculum's heuristic, float64 (n,); zeros without a curriculum.
        teacher: score of each by the teacher, float64 (n,); zeros without one.
        prior: score of each by the first stage, its list's normalised to 0..1, float64 (n,); 0 outside the list.
    """

    rows: Rows
    ease: Values
    teacher: Values
    prior: Values

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Candidates:
        """Some of them."""
        return Candidates(self.rows[keep], self.ease[keep], self.teacher[keep], self.prior[keep])


@dataclass(frozen=True)
class Entry:
    """One query.

    Attributes:
        text: of the query.
        positives: its relevant documents, or those of them that the first stage found.
        gains: their grades, float64, positive.
        negatives: documents of the first stage's list that are not known or suspected to be relevant, best first.
        barred: sorted rows that are never drawn from outside the list: what is in it, relevant, or to be ignored.
        floor: D of documents that are not in the list, the list's least.
        weight: how often the query is drawn, relative to others.
    """

    text: str
    positives: Candidates
    gains: Values
    negatives: Candidates
    barred: Rows
    floor: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class RankingSet:
    """Queries of one corpus with a relevant document and a negative each.

    Attributes:
        name: the source, e.g. "scifact:fit".
        entries: the queries.
        documents: how many the corpus has.
        read: rows of documents to their texts.
        corpus: digest of the corpus.
        notes: counts of what was left out.
    """

    name: str
    entries: tuple[Entry, ...]
    documents: int
    read: Callable[[Rows], list[str]]
    corpus: str = ""
    notes: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def digest(self) -> str:
        """Digest of everything that is learnt from."""
        facts = [
            [e.text, e.gains.tolist(), e.barred.tolist(), e.floor, e.weight]
            + [[values.tolist() for values in (c.rows, c.ease, c.teacher, c.prior)] for c in (e.positives, e.negatives)]
            for e in self.entries
        ]
        return digest([self.corpus, self.documents, facts])

    @classmethod
    def of(cls, name: str, known: Known, run: Run, corpus: Corpus, options: RankingOptions) -> Self:
        """Training lists from a first stage's run.

        Args:
            name: the source.
            known: the queries to learn from, and what is known about them.
            run: of the first stage; its first `depth` documents are the list.
            corpus: ids and texts of the documents.
            options: depth, margin, heuristic.

        Raises:
            InputError: no query has a relevant document and a negative; or a teacher is needed and absent.
        """
        if options.teacher and known.teacher is None:
            raise InputError(f"{name}: loss {options.loss!r} needs a teacher's scores; name the file of its run")
        found = _Joined(known, run.top(options.depth), corpus, options)
        pairs = known.queries.frame.select("query_id", "text").iter_rows()
        entries = [entry for query_id, text in pairs if (entry := found.entry(query_id, text))]
        if not entries:
            raise InputError(
                f"{name}: none of its {len(known.queries)} training queries has a relevant document and one that is "
                "not; check that the first stage searches the same collection, and whom the teacher scored"
            )
        notes = {what: count for what, count in found.notes.items() if count}
        return cls(name, tuple(entries), len(corpus.rows), corpus.read, corpus.digest, notes)


@dataclass(frozen=True)
class Known:
    """Queries to learn from.

    Attributes:
        queries: all of them.
        qrels: their judgements; grades above zero are positives.
        hints: weights of queries, documents to ignore.
        teacher: scores of a stronger ranker; documents that it did not score are left out where a loss asks for it.
    """

    queries: Queries
    qrels: Qrels
    hints: Hints = field(default_factory=Hints)
    teacher: Run | None = None


@dataclass(frozen=True)
class Corpus:
    """The documents of a collection, by row.

    Attributes:
        rows: id -> row.
        read: rows to texts.
        digest: of the corpus.
    """

    rows: Mapping[str, int]
    read: Callable[[Rows], list[str]]
    digest: str = ""


class _Joined:
    """Judgements, lists and a teacher's scores by query."""

    def __init__(self, known: Known, run: Run, corpus: Corpus, options: RankingOptions) -> None:
        asked = known.queries.frame.select("query_id")
        self._judged = _by_query(known.qrels.frame.join(asked, on="query_id"), "relevance")
        self._lists = _by_query(run.frame.join(asked, on="query_id").sort("query_id", "rank"), "score")
        taught = known.teacher.frame.join(asked, on="query_id") if known.teacher and options.teacher else None
        self._taught = None if taught is None else _by_query(taught, "score")
        self._rows, self._options, self._hints = corpus.rows, options, known.hints
        self.notes: Counter[str] = Counter()

    def entry(self, query_id: str, text: str) -> Entry | None:
        """The entry of a query; None, counted, where there is nothing to learn."""
        ids, scores = self._lists.get(query_id, ([], np.empty(0)))
        ease = ease_of(self._options.difficulty, scores)
        heights = normalised(scores) if len(scores) else scores
        at = dict(zip(ids, zip(ease.tolist(), heights.tolist(), strict=True), strict=True))
        floor = float(ease.min()) if len(ease) else 0.0
        grades = dict(zip(*self._judged.get(query_id, ([], np.empty(0))), strict=True))
        relevant = [doc_id for doc_id, grade in grades.items() if grade > 0 and doc_id in self._rows]
        self.notes["relevant documents outside the corpus"] += sum(
            1 for doc_id, grade in grades.items() if grade > 0 and doc_id not in self._rows
        )
        ignored = [doc_id for doc_id in self._hints.ignored.get(query_id, ()) if doc_id in self._rows]
        others = [d for d in self._unsuspected(ids, scores, grades) if d not in {*relevant, *ignored}]
        relevant, others = self._scored(query_id, relevant), self._scored(query_id, others)
        taught = self._taught_from(relevant, at)
        barred = np.unique(np.array([self._rows[d] for d in {*ids, *relevant, *ignored}], np.int64))
        if not taught:
            self.notes[f"queries without a relevant document{' in their list' if relevant else ''}"] += 1
            return None
        if not others and (self._options.teacher or len(barred) == len(self._rows)):
            self.notes["queries without a negative"] += 1
            return None
        self.notes["relevant documents outside the lists"] += sum(1 for doc_id in relevant if doc_id not in at)
        return Entry(
            text,
            self._candidates(query_id, taught, at, floor),
            np.array([grades[doc_id] for doc_id in taught], np.float64),
            self._candidates(query_id, others, at, floor),
            barred,
            floor,
            float(self._hints.weights.get(query_id, 1.0)),
        )

    def _taught_from(self, relevant: Sequence[str], listed: Container[str]) -> list[str]:
        """The relevant documents that lists may hold."""
        return [d for d in relevant if self._options.positives_from == ALL_POSITIVES or d in listed]

    def _unsuspected(self, ids: Sequence[str], scores: Values, grades: Mapping[str, float]) -> list[str]:
        """The list without unjudged documents that the first stage scores suspiciously high."""
        known = [place for place, doc_id in enumerate(ids) if grades.get(doc_id, 0) > 0]
        if not known:
            return list(ids)
        height = normalised(scores)
        bound = height[known].max() - self._options.margin
        kept = [d for d, h in zip(ids, height, strict=True) if h <= bound or d in grades]
        self.notes["suspected of being relevant"] += len(ids) - len(kept)
        return kept

    def _scored(self, query_id: str, doc_ids: Sequence[str]) -> list[str]:
        """Those that the teacher scored, where there is one; in the order given."""
        if self._taught is None:
            return list(doc_ids)
        known = set(self._taught.get(query_id, ([], np.empty(0)))[0])
        kept = [doc_id for doc_id in doc_ids if doc_id in known]
        self.notes["documents without a teacher's score"] += len(doc_ids) - len(kept)
        return kept

    def _candidates(
        self, query_id: str, doc_ids: Sequence[str], listed: Mapping[str, tuple[float, float]], floor: float
    ) -> Candidates:
        """Documents with their D and height in the list, `listed`; what is not in it has the floor and 0."""
        taught = dict(zip(*self._taught[query_id], strict=True)) if self._taught and doc_ids else {}
        places = [listed.get(doc_id, (floor, 0.0)) for doc_id in doc_ids]
        return Candidates(
            np.array([self._rows[doc_id] for doc_id in doc_ids], np.int64),
            np.array([ease for ease, _ in places], np.float64),
            np.array([taught.get(doc_id, 0.0) for doc_id in doc_ids], np.float64),
            np.array([height for _, height in places], np.float64),
        )


def _by_query(frame: pl.DataFrame, value: str) -> dict[str, tuple[list[str], Values]]:
    """Query id -> its documents and their values, in the frame's order."""
    grouped = frame.group_by("query_id", maintain_order=True).agg(pl.col("doc_id"), pl.col(value).cast(pl.Float64))
    return {query_id: (ids, np.array(values)) for query_id, ids, values in grouped.iter_rows()}
