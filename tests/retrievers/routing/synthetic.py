"""The synthetic settings S1 to S7 of the routing reference: linear query adapters as experts over one index.

T domain means N(0, sep²) in 32 dimensions; documents unit(mean + N(0, 1)). A query for document x is
unit(.25 x + .75 (.2 x R0 + .8 x R_lang) + N(0, (.3 noise)² / d) + .25 unit(mean_lang)), with one shared and T private
random rotations R; lang is the query's own domain or, with the probability `leak`, the next one. An expert is a ridge
map (strength 1, shrunk to the identity) from train queries to their documents. Utility is nDCG@10 with one relevant
document in the pool of all documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.retrievers.routing.table import UtilityTable

Floats = NDArray[np.float64]
D = 32
DOCUMENTS, TRAIN, VALIDATION, TEST = 300, 200, 100, 100
"""For each domain; the documents behind train, validation and test queries are disjoint, hence a pool for each."""


@dataclass(frozen=True)
class Setting:
    """One row of the reference's table; `separation` is found by hand, since the reference leaves it out."""

    domains: int = 4
    noise: float = 1.0
    leak: float = 0.1
    separation: float = 0.4


SETTINGS = {
    "S1": Setting(),
    "S2": Setting(noise=1.5),
    "S3": Setting(noise=1.5, leak=0.3),
    "S4": Setting(domains=8, noise=1.5),
    "S6": Setting(leak=0.5),
    "S7": Setting(separation=0.2),
}


@dataclass(frozen=True)
class World:
    """Utilities float64 (n, T) of every expert, and what other systems reach, on one seed of a setting."""

    table: UtilityTable
    """Of the validation queries."""
    test: UtilityTable
    base: Floats
    multi_task: Floats
    clones: Floats
    """Utilities (n, T) of T copies of the first expert, each trained on another draw of its queries."""


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def ridge_map(queries: Floats, documents: Floats) -> Floats:
    """The map W with |QW - D|² + |W - I|² least."""
    gram = queries.T @ queries + np.eye(D)
    return np.asarray(np.linalg.solve(gram, queries.T @ documents + np.eye(D)))


def ndcg(queries: Floats, relevant: NDArray[np.int64], pool: Floats) -> Floats:
    """nDCG@10 with one relevant document each, float64 (n,)."""
    scores = queries @ pool.T
    rank = (scores > scores[np.arange(len(relevant)), relevant][:, None]).sum(axis=1)
    return np.where(rank < 10, 1 / np.log2(rank + 2), 0.0)


def world(setting: Setting, seed: int) -> World:
    rng = np.random.default_rng(seed)
    t = setting.domains
    means = rng.normal(0, setting.separation, (t, D))
    documents = unit(means[:, None] + rng.normal(size=(t, DOCUMENTS, D)))
    shared, *private = (np.linalg.qr(rng.normal(size=(D, D)))[0] for _ in range(t + 1))

    def ask(domain: int, rows: NDArray[np.int64]) -> Floats:
        x = documents[domain, rows]
        foreign = rng.random(len(rows)) < setting.leak
        spoken = np.where(foreign, (domain + 1) % t, domain)
        rotated = np.einsum("nd,ndf->nf", x, np.stack(private)[spoken])
        noise = rng.normal(0, 0.3 * setting.noise / np.sqrt(D), x.shape)
        return unit(0.25 * x + 0.75 * (0.2 * x @ shared + 0.8 * rotated) + noise + 0.25 * unit(means)[spoken])

    order = [rng.permutation(DOCUMENTS) for _ in range(t)]
    third = DOCUMENTS // 3
    parts = [[rows[i * third : (i + 1) * third] for rows in order] for i in range(3)]
    drawn = [rng.choice(parts[0][i], TRAIN) for i in range(t)]
    train = [(ask(i, rows), documents[i, rows]) for i, rows in enumerate(drawn)]
    maps = [ridge_map(*pair) for pair in train]
    every = ridge_map(np.concatenate([q for q, _ in train]), np.concatenate([x for _, x in train]))
    copies = []
    for _ in range(t):
        rows = rng.choice(parts[0][0], TRAIN)
        copies.append(ridge_map(ask(0, rows), documents[0, rows]))
    pool = documents.reshape(-1, D)

    def measured(rows: list[NDArray[np.int64]], name: str) -> tuple[UtilityTable, Floats, NDArray[np.int64]]:
        asked = np.concatenate([ask(i, own) for i, own in enumerate(rows)])
        relevant = np.concatenate([own + i * DOCUMENTS for i, own in enumerate(rows)])
        columns = np.stack([ndcg(asked @ m, relevant, pool) for m in maps], axis=1)
        datasets = tuple(f"D{i}" for i, own in enumerate(rows) for _ in own)
        experts = tuple(f"E{i}" for i in range(t))
        ids = tuple(f"{name}-{i}" for i in range(len(asked)))
        homes = {f"D{i}": f"E{i}" for i in range(t)}
        made = UtilityTable(ids, ids, asked.astype(np.float32), datasets, experts, columns, homes=homes)
        return made, asked, relevant

    table, _, _ = measured([own[:VALIDATION] for own in parts[1]], "v")
    test, asked, relevant = measured([own[:TEST] for own in parts[2]], "t")
    clones = np.stack([ndcg(asked @ m, relevant, pool) for m in copies], axis=1)
    return World(table, test, ndcg(asked, relevant, pool), ndcg(asked @ every, relevant, pool), clones)
