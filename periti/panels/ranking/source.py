"""One collection that a ranker learns from: its queries divided, its first stage's lists, its documents by row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from periti.batches import search_all
from periti.config import digest
from periti.datasets.splits import queries_among
from periti.datasets.trec import read_run
from periti.errors import InputError
from periti.indexers.docstore import Docstore
from periti.panels.material import divisions
from periti.panels.ranking.config import RankerConfig
from periti.panels.ranking.first_stage import first_stage
from periti.panels.slices import DEV, FIT, Slice, sliced
from periti.panels.sources import open_source
from periti.pipeline import Pipeline, open_pipeline
from periti.progress import Progress
from periti.rankers.reranking import run_digest
from periti.training.pairs import Hints, Rows
from periti.training.ranking.lists import Corpus, Known, RankingSet
from periti.types import Queries, Run


@dataclass(frozen=True)
class RankingSource:
    """A collection, ready to train a ranker on.

    Attributes:
        name: as the configuration calls it.
        domain: of the dataset's facts, or as the file says.
        licence: likewise.
        min_rel: the least grade that counts as relevant in binary measures.
        docstore: its documents.
        pipeline: name of the first stage.
        slices: purpose -> queries and judgements; "fit" is what is learnt from, whichever slice that was, and
            dev is cut to the settings' dev_queries.
        runs: purpose -> the first stage's lists.
        hints: what its source knows about training queries beside judgements.
        notes: counts of what was read, merged and left out.
        teacher: a stronger ranker's scores; None where there are none.
    """

    name: str
    domain: str
    licence: str
    min_rel: int
    docstore: Docstore
    pipeline: str
    slices: Mapping[str, Slice]
    runs: Mapping[str, Run]
    hints: Hints
    notes: Mapping[str, int]
    teacher: Run | None = None

    def training_set(self, config: RankerConfig) -> RankingSet:
        """Lists of the queries to fit; raises InputError if there is nothing to learn."""
        part = self.slices[FIT]
        ids = self.docstore.ids.ids.to_list()
        known = Known(part.queries, part.qrels, self.hints, self.teacher)
        corpus = Corpus({doc_id: row for row, doc_id in enumerate(ids)}, self._read, self.docstore.corpus_digest)
        return RankingSet.of(f"{self.name}:{config.learns_from}", known, self.runs[FIT], corpus, config.training)

    @property
    def told(self) -> dict[str, Any]:
        """What the card says of it."""
        return {
            "first_stage": self.pipeline,
            "first_stage_sha256": run_digest(self.runs[FIT]),
            "licence": self.licence,
            "read": dict(self.notes),
        }

    @property
    def dev_digest(self) -> str:
        """Digest of dev: queries, judgements, lists."""
        part = self.slices.get(DEV)
        if part is None:
            return ""
        return digest([part.queries.frame.rows(), part.qrels.frame.rows(), run_digest(self.runs[DEV])])

    def _read(self, rows: Rows) -> list[str]:
        return [self.docstore.at(int(row)).default_text() for row in np.asarray(rows)]


def open_ranking_source(name: str, config: RankerConfig, progress: Progress) -> RankingSource:
    """A collection of a ranker's file; what its first stage needs is built where it is absent.

    Raises:
        InputError: no query falls into the slice to fit, or the first stage finds nothing.
        UnknownName, DatasetError, FormatError, IndexUnusable: as datasets, files and indexes raise them.
    """
    source = open_source(name, config.collections[name])
    stage = first_stage(name, config, source, progress)
    docstore, pipeline = Docstore.open(stage.docstore), open_pipeline(stage)
    slices, hints, notes = divisions(name, config.collections, source, docstore)
    if config.learns_from not in slices:
        raise InputError(
            f"collection {name!r}: no query falls into the slice to learn from ({config.learns_from}); "
            "give it a larger share"
        )
    slices[FIT] = slices[config.learns_from]
    if DEV in slices:
        slices |= first_by_hash(slices[DEV], config.training.dev_queries)
    parts = {part: slices[part] for part in (FIT, DEV) if part in slices}
    runs = {part: _run(pipeline, one.queries, config.training.depth, progress) for part, one in parts.items()}
    return RankingSource(
        name=name,
        domain=source.domain,
        licence=source.licence,
        min_rel=source.min_rel,
        docstore=docstore,
        pipeline=pipeline.name,
        slices=slices,
        runs=runs,
        hints=hints,
        notes=notes,
        teacher=_teacher(config.teachers.get(name)) if config.training.teacher else None,
    )


def first_by_hash(part: Slice, wanted: int) -> dict[str, Slice]:
    """Dev cut to so many queries: the same ones whatever their order and whatever others there are."""
    order = sorted(part.queries.ids, key=lambda query_id: hashlib.sha256(query_id.encode()).digest())
    kept = queries_among(part.queries, pl.Series(order[:wanted], dtype=pl.String))
    return sliced(DEV, kept, part.qrels, part.qrels.name)


def _run(pipeline: Pipeline, queries: Queries, depth: int, progress: Progress) -> Run:
    return search_all(pipeline, queries, depth, progress=progress)


def _teacher(path: Path | None) -> Run | None:
    return read_run(path) if path else None
