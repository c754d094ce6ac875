"""Query vectors and what they find, remembered by digest: a study that is run again encodes nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from periti.config import digest
from periti.encoders.adapters import Adapter, read_arrays, write_arrays
from periti.encoders.panel import PanelEncoder
from periti.errors import EncoderError
from periti.evaluation import evaluate, parse
from periti.panels.material import Material, Slice
from periti.protocols import Vectors
from periti.retrievers.runs import run_of_arrays
from periti.types import Queries, Run

DEPTH = 100
"""Documents an expert returns in a study; enough for measures at 10 and for fusing what experts return."""


@dataclass(frozen=True)
class QueryVectors:
    """Vectors by any expert of a panel, kept in a folder.

    Attributes:
        panel: encodes what is not there yet.
        folder: where vectors are kept, one file for texts and expert.
    """

    panel: PanelEncoder
    folder: Path

    def of(self, texts: Sequence[str], adapter: Adapter | None) -> Vectors:
        """Vectors of queries, float32 (n, d); None is the base."""
        key = digest([list(texts), adapter.digest if adapter else "", self.panel.base.identity.weights_sha256])
        path = self.folder / f"{key}.safetensors"
        try:
            return read_arrays(path)[0]["vectors"]
        except (EncoderError, KeyError):
            pass  # not there yet, or half-written by a run that was killed
        if adapter is not None and adapter.matrix is not None:
            return moved(self.of(texts, None), adapter.matrix)
        vectors = self.panel.expert(adapter).encode_queries(texts).vectors
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        write_arrays(fresh, {"vectors": vectors}, {"texts": str(len(texts))})
        fresh.replace(path)
        return vectors


def moved(vectors: Vectors, matrix: Vectors) -> Vectors:
    """What a linear adapter makes of finished base vectors, float32 (n, d): no second forward pass is needed.

    The panel moves vectors before they are rounded to float32, so these differ from its in the seventh digit.
    """
    wide = vectors.astype(np.float64)
    found = wide + wide @ matrix.astype(np.float64).T
    lengths = np.linalg.norm(wide, axis=1) / np.maximum(np.linalg.norm(found, axis=1), 1e-12)
    short: Vectors = (found * lengths[:, None]).astype(np.float32)
    return short


def searched(material: Material, queries: Queries, vectors: Vectors, depth: int = DEPTH, name: str = "dense") -> Run:
    """The run of query vectors over a collection's own index."""
    scores, ordinals = material.index.search(vectors, min(depth, len(material.index)))
    return run_of_arrays(queries, scores, ordinals, material.index.ids, name)


def measured(run: Run, part: Slice, measure: str, min_rel: int) -> pl.DataFrame:
    """The measure of every judged query, sorted by id: query_id, value. A query without an answer has 0."""
    one = parse([measure], min_rel)
    found = evaluate(run, part.qrels, one).per_query.select("query_id", pl.col("value").fill_null(0.0))
    return found.sort("query_id")


def mean_of(material: Material, part: Slice, vectors: Vectors, measure: str) -> float:
    """The mean of the measure over a slice, from query vectors in the slice's order."""
    run = searched(material, part.queries, vectors)
    return float(np.mean(measured(run, part, measure, material.min_rel)["value"].to_numpy()))
