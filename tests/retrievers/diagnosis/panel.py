"""A healthy panel that really searches: four domain experts and a generalist over random documents."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from periti.retrievers.diagnosis.arrays import Floats
from periti.retrievers.diagnosis.health import Evidence
from periti.types import Run

EXPERTS = ("law", "medicine", "science", "finance", "base")
DATASETS = ("law_qa", "med_qa", "sci_qa", "fin_qa")
OWN = dict(zip(DATASETS, EXPERTS[:4], strict=True))


@dataclass(frozen=True)
class World:
    documents: Floats
    embeddings: dict[str, Floats]


def world(seed: int, dimension: int = 32) -> World:
    """Each expert sees 120 common queries through its own distortion."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((120, dimension))
    embeddings = {name: queries + 0.5 * rng.standard_normal(queries.shape) for name in EXPERTS}
    return World(rng.standard_normal((400, dimension)), embeddings)


def evidence(seed: int, embeddings: dict[str, Floats] | None = None) -> Evidence:
    """Everything there is to know of the panel, from these embeddings."""
    made = world(seed)
    vectors = embeddings or made.embeddings
    found = {name: search(name, rows, made.documents) for name, rows in vectors.items()}
    rng = np.random.default_rng(seed + 1)
    utilities = rng.uniform(0, 0.6, (200, len(EXPERTS)))
    of_row = np.repeat(np.arange(4), 50)
    utilities[np.arange(200), of_row] += 0.4
    counts = np.full((4, 5), 5.0)
    counts[np.arange(4), np.arange(4)] = 65
    counts[:, 4] = 20
    return Evidence(
        experts=EXPERTS,
        datasets=DATASETS,
        counts=counts,
        own=OWN,
        shared=("base",),
        utilities=utilities,
        utility_datasets=[DATASETS[row] for row in of_row],
        embeddings=vectors,
        scores={name: run.frame["score"].to_numpy() for name, run in found.items()},
        results=found,
    )


def search(name: str, vectors: Floats, documents: Floats) -> Run:
    """The ten documents with the largest inner product."""
    scores = vectors @ documents.T
    best = np.argsort(-scores, axis=1)[:, :10]
    frame = pl.DataFrame(
        {
            "query_id": np.repeat([f"q{i:03}" for i in range(len(vectors))], 10),
            "doc_id": [f"d{j:03}" for j in best.ravel()],
            "score": np.take_along_axis(scores, best, 1).ravel(),
        }
    )
    return Run.of(frame, name)


def starved(healthy: Evidence) -> Evidence:
    """Nearly all finance queries go to the generalist although the finance expert is better at them."""
    counts = np.array(healthy.counts, dtype=float)
    counts[3] = [4, 4, 4, 4, 84]
    return replace(healthy, counts=counts)
