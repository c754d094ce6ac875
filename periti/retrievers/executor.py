"""A plan to runs: every expert asked for its queries, experts of one base and index together in one batch.

A plan names (query, expert) pairs. Experts that share a base encoder and an index (adapters over one model) are encoded
in one mixed batch and searched at once, whatever the mixture; all others are asked one by one. Vectors do not depend
on their batch and an index's answer does not depend on the company of a query, so the runs are the same either way
(batch by expert: Symbolic-MoE, Chen et al. 2025; mixed adapters: S-LoRA, Sheng et al. 2024).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from periti.encoders.panel import ExpertEncoder, PanelEncoder
from periti.indexers.dense import DenseIndex
from periti.retrievers.dense import DenseRetriever
from periti.retrievers.experts import Expert
from periti.retrievers.runs import run_of_arrays
from periti.types import Plan, Queries, Run


@dataclass(frozen=True)
class Answer:
    """What one expert returned for the queries it was asked, and its share of the time."""

    expert: str
    asked: Queries
    run: Run
    seconds: float
    together: int = 1
    """Experts encoded and searched in the same batch."""
    loads: int = 0
    """Times its adapter had to be loaded, which a working set did not hold."""


def execute(plan: Plan, queries: Queries, experts: Mapping[str, Expert]) -> Iterator[Answer]:
    """The answer of every expert of the plan, in the order of the plan's names."""
    asked = {name: plan.queries_for(name, queries) for name in plan.experts}
    shared = _shared(asked, experts)
    ready: dict[str, Answer] = {}
    for name in plan.experts:
        if name in ready:
            yield ready[name]
            continue
        mates = next((group for group in shared if name in group), [name])
        if len(mates) == 1:
            yield _alone(experts[name], asked[name])
        else:
            ready |= _together({mate: asked[mate] for mate in mates}, experts)
            yield ready[name]


def _alone(expert: Expert, asked: Queries) -> Answer:
    began, loaded = time.perf_counter(), _loads(expert)
    run = expert.retriever.retrieve(asked, expert.depth)
    return Answer(expert.name, asked, run, time.perf_counter() - began, loads=_loads(expert) - loaded)


def _shared(asked: Mapping[str, Queries], experts: Mapping[str, Expert]) -> list[list[str]]:
    """Names of the experts that can be asked in one batch, grouped."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name in asked:
        parts = _parts(experts[name])
        if parts is not None:
            groups.setdefault((id(parts[0]), id(parts[1])), []).append(name)
    return list(groups.values())


def _parts(expert: Expert) -> tuple[PanelEncoder, DenseIndex] | None:
    retriever = expert.retriever
    if isinstance(retriever, DenseRetriever) and isinstance(retriever.encoder, ExpertEncoder) and retriever.index.exact:
        return retriever.encoder.panel, retriever.index
    return None


def _together(asked: Mapping[str, Queries], experts: Mapping[str, Expert]) -> dict[str, Answer]:
    """One mixed batch for several experts."""
    began = time.perf_counter()
    names = list(asked)
    panel, index = _members(experts[names[0]])
    adapters = [a for name in names for a in [_adapter(experts[name])] * len(asked[name])]
    texts = [text for name in names for text in asked[name].texts]
    loaded = {name: _loads(experts[name]) for name in names}
    vectors = panel.encode(texts, adapters).vectors
    depth = max(experts[name].depth for name in names)
    scores, ordinals = index.search(vectors, depth)
    runs, start = {}, 0
    for name in names:
        rows = slice(start, start := start + len(asked[name]))
        own = experts[name].depth
        runs[name] = run_of_arrays(asked[name], scores[rows, :own], ordinals[rows, :own], index.ids, "dense")
    seconds = (time.perf_counter() - began) / max(1, len(texts))
    return {
        n: Answer(n, asked[n], runs[n], seconds * len(asked[n]), len(names), _loads(experts[n]) - loaded[n])
        for n in names
    }


def _members(expert: Expert) -> tuple[PanelEncoder, DenseIndex]:
    parts = _parts(expert)
    if parts is None:
        raise TypeError(f"expert {expert.name!r} shares nothing")
    return parts


def _adapter(expert: Expert) -> str | None:
    encoder = getattr(expert.retriever, "encoder", None)
    return encoder.adapter if isinstance(encoder, ExpertEncoder) else None


def _loads(expert: Expert) -> int:
    encoder = getattr(expert.retriever, "encoder", None)
    return encoder.panel.loads(encoder.adapter) if isinstance(encoder, ExpertEncoder) else 0
