"""How good an expert is on dev whose documents move with it: over documents that are encoded anew each time.

Measuring over the whole collection would cost more than training, so a pool stands for it: every judged document of dev
and the nearest documents of every dev query by the base, as pooling stands for judging all (Sparck Jones and van
Rijsbergen 1975). The base has the same value over the pool as over its whole index while the pool is as deep as the
measure; an expert that would bring up other documents has a value at least as high as over an index of its own. Small
collections are encoded whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError
from periti.panels.material import DEV, Material
from periti.panels.panel import Panel
from periti.panels.vectors import DEPTH, measured, searched
from periti.training.trainer import BothScore, Encode
from periti.types import Run

WHOLE = 1000
"""Collections of so many documents are encoded whole; likewise where the pool would be half of one."""


@dataclass(frozen=True)
class DevPool:
    """The documents that dev queries of one collection are measured over.

    Attributes:
        material: the collection.
        ids: of the documents, p.
        depth: of the pool by the base; 0 where the whole collection is taken.
    """

    material: Material
    ids: tuple[str, ...]
    depth: int

    @classmethod
    def of(cls, panel: Panel, material: Material, depth: int) -> DevPool:
        """The pool of a collection that has dev queries."""
        if len(material.rows) <= WHOLE:
            return cls(material, tuple(material.rows), 0)
        part = material.slices[DEV]
        near = searched(material, part.queries, panel.vectors.of(part.queries.texts, None), depth)
        wanted = set(near.frame["doc_id"]) | set(part.qrels.frame["doc_id"])
        ids = tuple(doc_id for doc_id in material.rows if doc_id in wanted)
        if 2 * len(ids) >= len(material.rows):
            return cls(material, tuple(material.rows), 0)
        return cls(material, ids, depth)

    @property
    def sentence(self) -> str:
        """What the card says of it."""
        total = len(self.material.rows)
        if not self.depth:
            return f"{self.material.name}: all {total:,} documents, encoded anew at every evaluation"
        return (
            f"{self.material.name}: {len(self.ids):,} of {total:,} documents, those judged for dev queries and the "
            f"{self.depth} nearest of each by the base, encoded anew at every evaluation; over a whole index "
            "the values would be as high or lower"
        )

    def score(self, queries: Encode, documents: Encode, measure: str) -> float:
        """The mean of the measure over the dev queries."""
        part = self.material.slices[DEV]
        vectors = documents(self.material.texts(self.ids))
        run = _run(part.queries.ids, queries(part.queries.texts) @ vectors.T, self.ids)
        return float(np.mean(measured(run, part, measure, self.material.min_rel)["value"].to_numpy()))


def pooled(panel: Panel, sources: Sequence[Material], depth: int) -> list[DevPool]:
    """The pools of those sources that have dev queries.

    Raises:
        InputError: none has.
    """
    judged = [source for source in sources if DEV in source.slices]
    if not judged:
        names = ", ".join(repr(source.name) for source in sources)
        raise InputError(f"none of the sources {names} has dev queries to stop by; give one a share of dev")
    return [DevPool.of(panel, source, depth) for source in judged]


def pool_score(pools: Sequence[DevPool], measure: str) -> BothScore:
    """Mean over the pools of the measure on their dev queries."""

    def score(queries: Encode, documents: Encode) -> float:
        return float(np.mean([pool.score(queries, documents, measure) for pool in pools]))

    return score


def _run(query_ids: Sequence[str], scores: NDArray[np.float32], doc_ids: Sequence[str]) -> Run:
    """The run of scores float32 (n, p), as deep as that of an index."""
    k = min(DEPTH, len(doc_ids))
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    frame = pl.DataFrame(
        {
            "query_id": np.repeat(np.array(query_ids, object), k),
            "doc_id": np.array(doc_ids, object)[best.ravel()],
            "score": np.take_along_axis(scores, best, axis=1).ravel(),
        },
        schema={"query_id": pl.String, "doc_id": pl.String, "score": pl.Float32},
    )
    return Run.of(frame, "dev")
