"""The core types: what crosses a border in periti, and what each one promises.

A constructor checks its promises once; whoever takes the type trusts them. Frames are never modified.
The one rule that orders documents lives here (`ranked`): score descending as float32, then `doc_id` descending by
bytes, which is trec_eval's order. Nobody else sorts a run, and evaluation reads `rank`, never `score`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import polars as pl

from periti.errors import SchemaError

QUERIES = pl.Schema({"query_id": pl.String, "text": pl.String})
SCORED = pl.Schema({"query_id": pl.String, "doc_id": pl.String, "score": pl.Float32})
RUN = pl.Schema({"query_id": pl.String, "doc_id": pl.String, "score": pl.Float32, "rank": pl.Int32})
QRELS = pl.Schema({"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int32})
PLAN = pl.Schema({"query_id": pl.String, "expert": pl.String, "weight": pl.Float32})
MAX_K = 10_000
"""Documents that one query may ask for."""


class Document(NamedTuple):
    """One document: an id that is unique in its corpus, its text, and optionally a title and metadata."""

    doc_id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = {}  # never mutated

    def default_text(self) -> str:
        """Title and text joined by a blank, the input of encoders (as BEIR and MTEB do)."""
        return f"{self.title} {self.text}".strip()


def ranked(scored: pl.DataFrame) -> pl.DataFrame:
    """Rows in the one order (query, score ↓ as float32, doc_id ↓ by bytes) with ranks 1..n, of schema RUN."""
    ordered = scored.with_columns(pl.col("score").cast(pl.Float32)).sort(
        "query_id", "score", "doc_id", descending=[False, True, True]
    )
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query_id").alias("rank")
    return ordered.with_columns(rank).select(RUN.names())


@dataclass(frozen=True)
class Queries:
    """Queries with unique ids and texts that are not empty, in the order given.

    `frame` has the columns query_id, text (String).
    """

    frame: pl.DataFrame

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """Check the promises of a frame of query_id and text.

        Raises:
            SchemaError: columns missing, ids repeated or empty, or a text empty or blank.
        """
        frame = _columns(frame, QUERIES, "queries")
        _unique(frame, ["query_id"], "queries", "query")
        blank = frame.filter(pl.col("text").str.strip_chars() == "")
        if blank.height:
            raise SchemaError(
                f"queries: {blank.height} of {frame.height} texts are empty, the first is query "
                f"{blank['query_id'][0]!r}; remove the query or give it a text"
            )
        return cls(frame)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Check and hold (query_id, text) pairs; raises SchemaError as `of`."""
        try:
            return cls.of(pl.DataFrame(list(pairs), schema=QUERIES, orient="row"))
        except UnicodeEncodeError as error:
            raise SchemaError(
                "queries: a text is not valid Unicode (bytes that are no UTF-8); give it as UTF-8"
            ) from error

    @property
    def ids(self) -> list[str]:
        """The query ids, in order."""
        return self.frame["query_id"].to_list()

    @property
    def texts(self) -> list[str]:
        """The query texts, in order."""
        return self.frame["text"].to_list()

    def __len__(self) -> int:
        return self.frame.height


@dataclass(frozen=True)
class Run:
    """Ranked documents per query, in the one order, with ranks 1..n without gaps.

    `frame` has the columns query_id, doc_id (String), score (Float32), rank (Int32); pairs are unique and scores
    finite. Queries without any document are simply absent: whoever evaluates knows which queries were asked.
    """

    name: str
    frame: pl.DataFrame

    @classmethod
    def of(cls, scored: pl.DataFrame, name: str) -> Self:
        """Order and number scored documents.

        Args:
            scored: columns query_id, doc_id, score in any order of rows.
            name: the run's name, its tag in a TREC file.

        Raises:
            SchemaError: columns missing, a pair repeated, or a score that is not finite.
        """
        scored = _columns(scored, SCORED, f"run {name!r}")
        bad = scored.filter(~pl.col("score").is_finite())
        if bad.height:
            raise SchemaError(
                f"run {name!r}: {bad.height} scores are not finite, the first is {bad['score'][0]} for query "
                f"{bad['query_id'][0]!r}, document {bad['doc_id'][0]!r}; mend the system that wrote it"
            )
        _unique(scored, ["query_id", "doc_id"], f"run {name!r}", "(query, document) pair")
        return cls(name, ranked(scored))

    @classmethod
    def empty(cls, name: str) -> Self:
        """A run without documents."""
        return cls(name, RUN.to_frame())

    def top(self, k: int) -> Self:
        """The first k documents of every query."""
        return type(self)(self.name, self.frame.filter(pl.col("rank") <= k))

    def renamed(self, name: str) -> Self:
        """The same ranking under another name."""
        return type(self)(name, self.frame)

    @property
    def query_ids(self) -> list[str]:
        """Ids of the queries with at least one document, sorted."""
        return self.frame["query_id"].unique().sort().to_list()

    def doc_ids(self, query_id: str) -> list[str]:
        """The ranked documents of one query, best first."""
        return self.frame.filter(pl.col("query_id") == query_id)["doc_id"].to_list()


@dataclass(frozen=True)
class Qrels:
    """Relevance judgements: unique pairs and at least one judged query.

    `frame` has the columns query_id, doc_id (String), relevance (Int32). As in trec_eval, a negative relevance
    means "pooled but not judged".
    """

    frame: pl.DataFrame
    name: str = "qrels"

    @classmethod
    def of(cls, frame: pl.DataFrame, name: str = "qrels") -> Self:
        """Check the promises of a frame of query_id, doc_id and relevance.

        Raises:
            SchemaError: columns missing, a pair judged twice, or nothing judged at all.
        """
        frame = _columns(frame, QRELS, name)
        if not frame.height:
            raise SchemaError(f"{name}: no query is judged; give judgements with at least one line")
        _unique(frame, ["query_id", "doc_id"], name, "(query, document) judgement")
        return cls(frame.sort("query_id", "doc_id"), name)

    @property
    def query_ids(self) -> list[str]:
        """Ids of the judged queries, sorted."""
        return self.frame["query_id"].unique().sort().to_list()


@dataclass(frozen=True)
class Plan:
    """Who answers which query, with what weight: every query has a row, weights are positive.

    `frame` has the columns query_id, expert (String), weight (Float32).
    """

    frame: pl.DataFrame

    @classmethod
    def of(cls, frame: pl.DataFrame, queries: Queries) -> Self:
        """Check a plan against the queries it is made for.

        Raises:
            SchemaError: columns missing, a pair repeated, a weight not positive, or a query without an expert.
        """
        frame = _columns(frame, PLAN, "plan")
        _unique(frame, ["query_id", "expert"], "plan", "(query, expert) pair")
        # Polars holds NaN for greater than every number, hence the second half.
        if frame.filter((pl.col("weight") <= 0) | ~pl.col("weight").is_finite()).height:
            raise SchemaError("plan: a weight is not positive and finite; leave the expert out instead")
        lost = queries.frame.join(frame, on="query_id", how="anti")
        if lost.height:
            raise SchemaError(f"plan: {lost.height} queries have no expert, the first is {lost['query_id'][0]!r}")
        return cls(frame)

    @property
    def experts(self) -> list[str]:
        """Names of the experts that answer at least one query, sorted."""
        return self.frame["expert"].unique().sort().to_list()

    def queries_for(self, expert: str, queries: Queries) -> Queries:
        """The queries that `expert` answers, in the order of `queries`."""
        asked = self.frame.filter(pl.col("expert") == expert)
        return Queries(queries.frame.join(asked, on="query_id", how="semi", maintain_order="left"))


@dataclass(frozen=True)
class Coverage:
    """What an encoder had to cut: counts that are reported, never hidden."""

    texts: int = 0
    tokens: int = 0
    truncated_texts: int = 0
    truncated_tokens: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.texts + other.texts,
            self.tokens + other.tokens,
            self.truncated_texts + other.truncated_texts,
            self.truncated_tokens + other.truncated_tokens,
        )


@dataclass(frozen=True)
class Step:
    """One step of a pipeline, as a Trace keeps it."""

    name: str
    seconds: float
    output: Run | Plan | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """Every step of one call of a pipeline, in order: what went out of it and how long it took."""

    steps: tuple[Step, ...] = ()

    def step(self, name: str) -> Step:
        """The step of that name.

        Raises:
            KeyError: no step has the name.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def _columns(frame: pl.DataFrame, schema: pl.Schema, what: str) -> pl.DataFrame:
    """The frame cut and cast to the schema; a value that does not fit is an error, never a null."""
    missing = [name for name in schema if name not in frame.columns]
    if missing:
        raise SchemaError(f"{what}: columns {missing} are missing, found {frame.columns}; rename or add them")
    try:
        cut = frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in schema.items())
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"{what}: a column can not be read as {dict(schema)}: {str(error).splitlines()[0]}"
        ) from error
    for name, dtype in schema.items():
        if dtype.is_integer() and frame[name].dtype.is_float() and (frame[name] != frame[name].floor()).any():
            raise SchemaError(f"{what}: column {name!r} holds fractions; give whole numbers")
        if cut[name].null_count():
            raise SchemaError(f"{what}: column {name!r} has {cut[name].null_count()} empty cells; fill or remove them")
    for name in ("query_id", "doc_id"):
        if name in schema and cut.filter(pl.col(name) == "").height:
            raise SchemaError(f"{what}: a {name} is empty; every row needs one")
    return cut


def _unique(frame: pl.DataFrame, key: list[str], what: str, thing: str) -> None:
    """Refuse a frame that repeats its key, naming the first repetition."""
    repeated = frame.select(key).is_duplicated()
    if repeated.any():
        first = frame.filter(repeated).select(key).row(0)
        shown = first[0] if len(first) == 1 else first
        raise SchemaError(f"{what}: the {thing} {shown!r} occurs more than once; keep one")
