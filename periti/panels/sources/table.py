"""Pairs of a file, merged: one query a text, one judgement a pair, and what is known about each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import polars as pl

from periti.errors import FormatError
from periti.panels.sources.groups import components
from periti.panels.sources.source import Asked
from periti.panels.sources.texts import text_id
from periti.training.pairs import Hints
from periti.types import QRELS, Qrels, Queries


class Pair(NamedTuple):
    """One line: where it stands, what asks, which document answers, and how well."""

    where: str
    query: str
    doc_id: str
    grade: int = 1
    weight: float = 1.0
    order: float | None = None


@dataclass(frozen=True)
class PairTable:
    """Pairs, each (query text, document) once.

    Attributes:
        pairs: in the file's order.
        notes: counts of what was merged.
    """

    pairs: Sequence[Pair]
    notes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, pairs: Sequence[Pair], notes: Mapping[str, int] | None = None) -> Self:
        """Check that pairs agree with each other, and merge those that are repeated.

        A repeated pair has the largest of its weights and the first place of its places in the order.

        Raises:
            FormatError: there is none, a repeated pair has two grades, or only some have a place in the order.
        """
        if not pairs:
            raise FormatError(f"{path}: no pairs in it; give at least one")
        found: dict[tuple[str, str], Pair] = {}
        for pair in pairs:
            if (pair.order is None) != (pairs[0].order is None):
                raise FormatError(f"{pair.where}: order is given for some pairs only; give it for all or for none")
            before = found.setdefault((text_id(pair.query), pair.doc_id), pair)
            if before.grade != pair.grade:
                raise FormatError(
                    f"{pair.where}: the pair has grade {pair.grade}, and {before.grade} at {before.where}; keep one"
                )
            found[text_id(pair.query), pair.doc_id] = before._replace(
                weight=max(before.weight, pair.weight),
                order=None if before.order is None or pair.order is None else min(before.order, pair.order),
            )
        counts = {"pairs": len(pairs), "repeated pairs": len(pairs) - len(found), **(notes or {})}
        return cls(list(found.values()), counts)

    def asked(self, ignored: Mapping[str, Sequence[str]] | None = None) -> Asked:
        """The queries, named by their text; one weighs what its heaviest pair weighs and comes with its easiest.

        Args:
            ignored: query id -> documents that are neither answer nor negative.
        """
        texts: dict[str, str] = {}
        weights: dict[str, float] = {}
        order: dict[str, float] = {}
        rows, edges = [], []
        for pair in self.pairs:
            query_id = text_id(pair.query)
            texts.setdefault(query_id, pair.query)
            weights[query_id] = max(weights.get(query_id, 0.0), pair.weight)
            if pair.order is not None:
                order[query_id] = min(order.get(query_id, pair.order), pair.order)
            rows.append((query_id, pair.doc_id, pair.grade))
            if pair.grade > 0:
                edges.append((query_id, pair.doc_id))
        groups = {query_id: query_id for query_id in texts} | components(edges)
        return Asked(
            Queries.from_pairs(texts.items()),
            Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row")),
            Hints(weights, order, ignored or {}),
            groups,
            {**self.notes, "queries": len(texts), "groups": len(set(groups.values()))},
        )
