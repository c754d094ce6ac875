"""A long set of queries through a pipeline, some hundreds at a time: bounded memory, and progress that shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import polars as pl

from periti.errors import InputError
from periti.pipeline import Pipeline
from periti.progress import Progress, Silent
from periti.types import Queries, Run

BATCH = 256


def search_all(pipeline: Pipeline, queries: Queries, k: int, *, progress: Progress | None = None) -> Run:
    """The k best documents of every query; the same as one call, since no answer depends on its batch.

    Raises:
        InputError: k is out of range, or there are no queries.
    """
    return search_all_noted(pipeline, queries, k, progress=progress)[0]


def search_all_noted(
    pipeline: Pipeline, queries: Queries, k: int, *, progress: Progress | None = None
) -> tuple[Run, Mapping[str, Mapping[str, int]]]:
    """`search_all`, and the notes of each expert summed over the queries (truncated, unanswered ...)."""
    if not len(queries):
        raise InputError("no queries were given; give at least one")
    progress = progress or Silent()
    progress.start("searching", len(queries))
    frames, notes = [], defaultdict[str, Counter[str]](Counter)
    for start in range(0, len(queries), BATCH):
        part = Queries(queries.frame.slice(start, BATCH))
        run, trace = pipeline.explain(part, k)
        frames.append(run.frame)
        for step in trace.steps:
            if step.notes:
                notes[step.name.removeprefix("retrieve:")].update(step.notes)
        progress.advance(len(part))
    progress.finish()
    return Run(pipeline.name, pl.concat(frames).sort("query_id", "rank")), notes
