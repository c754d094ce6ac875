"""A run whose first places hold quotas for a metadata field of the documents: source, language, group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from periti.errors import ConfigError, InputError
from periti.protocols import Corpus, Reranked
from periti.rankers.reranking import finished
from periti.rankers.selection.committee import elect
from periti.rankers.selection.profile import Profile
from periti.rankers.selection.settings import QuotaOptions
from periti.types import Document, Queries, Run

WITHOUT = ""
"""The group of documents that lack the field."""


@dataclass(frozen=True)
class QuotaRankerOptions(QuotaOptions):
    """Quotas for the values of a metadata field; documents without it are a group of their own, named ''.

    `depth` is how many documents of a query are candidates for the first `size` places.
    """

    field: str = "source"
    depth: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares == "weights":
            raise ConfigError("ranker quota: shares = 'weights' is for experts; give candidates or none")
        if not self.field:
            raise ConfigError("ranker quota: field is empty; name a metadata field of the documents")
        if self.depth < self.size:
            raise ConfigError(f"ranker quota: depth is {self.depth}, less than size {self.size}; raise it")


class QuotaRanker:
    """The best `size` documents of a run that keep the quotas, in the run's order, and the others below.

    For a single ranking every additive rule of multiwinner voting comes to the same set. Scores are places from the
    end, since a document that a quota moved up has none that would fit.
    """

    Options = QuotaRankerOptions

    def __init__(self, options: QuotaRankerOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: QuotaRankerOptions) -> Self:
        """The ranker."""
        return cls(options)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The options, which with the first stage determine the order."""
        return {"ranker": "quota", **asdict(self.options)}

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """The run with its quotas kept; raises as `reranked`."""
        return self.reranked(queries, run, corpus).run

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run with its quotas kept, and where they could not be.

        Notes: documents_without_field; bounds_lowered, (query, group) pairs with fewer candidates than the lower bound;
        places_left_open, those that upper bounds kept empty.

        Raises:
            UnknownName: a candidate is not in the corpus.
            InputError: a document's field holds neither a text, a number nor a truth value.
        """
        notes: Counter[str] = Counter()
        kept = run.frame.join(queries.frame, on="query_id", how="semi").sort("query_id", "rank")
        parts = []
        for rows in kept.filter(pl.col("rank") <= self.options.depth).partition_by("query_id", maintain_order=True):
            groups = [group_of(document, self.options.field) for document in corpus.get(rows["doc_id"].to_list())]
            order = self._order(groups, notes)
            logits = np.empty(len(groups))
            logits[order] = np.arange(len(groups), 0, -1)
            parts.append(rows.select("query_id", "doc_id").with_columns(logit=pl.Series(logits)))
        if not parts:
            return Reranked(run, {})
        return Reranked(finished(run, pl.concat(parts)), {name: count for name, count in notes.items() if count})

    def _order(self, groups: Sequence[str], notes: Counter[str]) -> list[int]:
        """The candidates of one query in their new order, as numbers into `groups`."""
        asked = self.options.asked(groups)
        possible = asked.within(groups)
        notes["documents_without_field"] += groups.count(WITHOUT)
        notes["bounds_lowered"] += sum(possible.lower[name] < least for name, least in asked.lower.items())
        notes["places_left_open"] += min(asked.size, len(groups)) - possible.size
        profile = Profile.of_orders([range(len(groups))], len(groups))
        chosen = elect(profile, "k-borda", groups, possible)
        rest = set(range(len(groups))).difference(chosen)
        return [*sorted(chosen), *sorted(rest)]


def group_of(document: Document, field: str) -> str:
    """The value of a metadata field as the name of a group, '' where it is absent or null; raises InputError."""
    value = document.metadata.get(field)
    if value is None:
        return WITHOUT
    if not isinstance(value, str | int | float):
        raise InputError(
            f"document {document.doc_id!r} has {type(value).__name__} in the field {field!r}; quotas need one text or "
            "number a document, so choose another field"
        )
    return str(value)
