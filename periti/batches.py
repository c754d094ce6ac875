"""A long set of queries through a pipeline, some hundreds at a time: bounded memory, and progress that shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from periti.errors import InputError
from periti.pipeline import Pipeline
from periti.progress import Progress, Silent
from periti.protocols import NotingRanker
from periti.rankers.reranking import run_digest
from periti.types import Queries, Run

BATCH = 256


@dataclass(frozen=True)
class Searched:
    """A run and what a reader should know of how it came about.

    Attributes:
        run: named after the pipeline.
        notes: step or expert -> counts summed over the queries (truncated, unanswered ...).
        ranker: what the ranker's order depends on, with the digest of the first stage it was given; empty for a ranker
            that leaves runs as they are.
    """

    run: Run
    notes: Mapping[str, Mapping[str, int]]
    ranker: Mapping[str, Any] = field(default_factory=dict)


def search_all(pipeline: Pipeline, queries: Queries, k: int, *, progress: Progress | None = None) -> Run:
    """The k best documents of every query; the same as one call, since no answer depends on its batch.

    Raises:
        InputError: k is out of range, or there are no queries.
    """
    return search_all_noted(pipeline, queries, k, progress=progress).run


def search_all_noted(pipeline: Pipeline, queries: Queries, k: int, *, progress: Progress | None = None) -> Searched:
    """`search_all`, and what a reader should know of it."""
    if not len(queries):
        raise InputError("no queries were given; give at least one")
    progress = progress or Silent()
    progress.start("searching", len(queries))
    frames, firsts, notes = [], [], defaultdict[str, Counter[str]](Counter)
    noting = isinstance(pipeline.ranker, NotingRanker)
    for start in range(0, len(queries), BATCH):
        part = Queries(queries.frame.slice(start, BATCH))
        run, trace = pipeline.explain(part, k)
        frames.append(run.frame)
        if noting and isinstance(first := trace.step("fuse").output, Run):
            firsts.append(first.top(pipeline.depth).frame)
        for step in trace.steps:
            if step.notes:
                notes[step.name.removeprefix("retrieve:")].update(step.notes)
        progress.advance(len(part))
    progress.finish()
    whole = Run(pipeline.name, pl.concat(frames).sort("query_id", "rank"))
    if not isinstance(pipeline.ranker, NotingRanker):
        return Searched(whole, notes)
    digest = run_digest(Run("first stage", pl.concat(firsts)))
    return Searched(whole, notes, {**pipeline.ranker.identity, "first_stage_sha256": digest})
