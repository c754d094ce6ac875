"""A long set of queries through a pipeline, some hundreds at a time: bounded memory, and progress that shows."""

from __future__ import annotations

import polars as pl

from periti.pipeline import Pipeline
from periti.progress import Progress, Silent
from periti.types import Queries, Run

BATCH = 256


def search_all(pipeline: Pipeline, queries: Queries, k: int, *, progress: Progress | None = None) -> Run:
    """The k best documents of every query; the same as one call, since no answer depends on its batch."""
    progress = progress or Silent()
    progress.start("searching", len(queries))
    frames = []
    for start in range(0, len(queries), BATCH):
        part = Queries(queries.frame.slice(start, BATCH))
        frames.append(pipeline.search(part, k).frame)
        progress.advance(len(part))
    progress.finish()
    return Run(pipeline.name, pl.concat(frames).sort("query_id", "rank"))
