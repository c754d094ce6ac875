"""A request to an answer: the pipeline is asked once for all questions, texts are fetched once for each document."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from periti.api.schemas import Explanation, Found, Hit, Result, SearchAnswer, SearchRequest, Share, Step
from periti.pipeline import Pipeline
from periti.types import Document, Plan, Queries, Run, Trace

_RETRIEVE = "retrieve:"


def answer(collection: str, pipeline: Pipeline, request: SearchRequest) -> SearchAnswer:
    """One result for each question, in the order asked; fields that only `explain` fills are left unset without it.

    Raises:
        InputError: the pipeline refuses a question.
    """
    began = time.perf_counter()
    # Ids of equal length sort as the questions are ordered, and equal questions stay apart.
    queries = Queries.from_pairs((f"{place:04d}", text) for place, text in enumerate(request.texts))
    run, trace = pipeline.explain(queries, request.k)
    ids = run.frame["doc_id"].unique(maintain_order=True).to_list()
    documents = dict(zip(ids, pipeline.corpus.get(ids), strict=True))
    found = _found_by(run, trace) if request.explain else None
    hits = _hits(run, documents, found)
    results: list[dict[str, Any]] = [
        {"query": text, "hits": hits.get(query_id, [])} for query_id, text in queries.frame.iter_rows()
    ]
    extra: dict[str, Any] = {}
    if request.explain:
        for result, explanation in zip(results, _explanations(queries, run, trace, pipeline.why(queries)), strict=True):
            result["explanation"] = explanation
        extra["steps"] = [
            Step(step=step.name, ms=round(step.seconds * 1000, 3), notes=dict(step.notes)) for step in trace.steps
        ]
    return SearchAnswer(
        collection=collection,
        k=request.k,
        ms=round((time.perf_counter() - began) * 1000, 3),
        results=[Result(**result) for result in results],
        **extra,
    )


def _hits(
    run: Run, documents: Mapping[str, Document], found: Mapping[tuple[str, str], dict[str, Found]] | None
) -> dict[str, list[Hit]]:
    """Hits by question."""
    hits: dict[str, list[Hit]] = defaultdict(list)
    for query_id, doc_id, score, rank in run.frame.select("query_id", "doc_id", "score", "rank").iter_rows():
        document = documents[doc_id]
        extra = {} if found is None else {"experts": found[query_id, doc_id]}
        hit = Hit(
            rank=rank,
            score=score,
            doc_id=doc_id,
            title=document.title,
            text=document.text,
            metadata=dict(document.metadata),
            **extra,
        )
        hits[query_id].append(hit)
    return hits


def _found_by(run: Run, trace: Trace) -> dict[tuple[str, str], dict[str, Found]]:
    """Which expert found each document of a run, at which rank and with which score."""
    found: dict[tuple[str, str], dict[str, Found]] = defaultdict(dict)
    for step in trace.steps:
        if not step.name.startswith(_RETRIEVE) or not isinstance(step.output, Run):
            continue
        kept = step.output.frame.join(run.frame, on=["query_id", "doc_id"], how="semi")
        for query_id, doc_id, score, rank in kept.select("query_id", "doc_id", "score", "rank").iter_rows():
            found[query_id, doc_id][step.name.removeprefix(_RETRIEVE)] = Found(rank=rank, score=score)
    return found


def _explanations(queries: Queries, run: Run, trace: Trace, why: Sequence[Mapping[str, Any]]) -> list[Explanation]:
    """The plan of each question, and how many documents left each step."""
    shares: dict[str, list[Share]] = defaultdict(list)
    counts: dict[str, dict[str, int]] = {query_id: {} for query_id in queries.ids}
    for name, output in [*((step.name, step.output) for step in trace.steps), ("returned", run)]:
        if isinstance(output, Plan):
            for query_id, expert, weight in output.frame.select("query_id", "expert", "weight").iter_rows():
                shares[query_id].append(Share(expert=expert, weight=weight))
        if isinstance(output, Run):
            left = dict(output.frame.group_by("query_id").len().iter_rows())
            for query_id, own in counts.items():
                own[name] = left.get(query_id, 0)
    return [
        Explanation(plan=shares[query_id], counts=counts[query_id], routing=dict(why[place]) if why else None)
        for place, query_id in enumerate(queries.ids)
    ]
