"""Route, retrieve, fuse, rerank, cut: the table of contents of a search, and a trace of every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from periti.config import ExpertConfig, PipelineConfig, read_pipeline_config
from periti.errors import ConfigError, InputError, UnknownName
from periti.indexers.docstore import Docstore
from periti.protocols import Corpus, Fusion, Noting, NotingRanker, Policy, QueryFusion, Ranker, Retriever, Router
from periti.rankers.fitted import Fitted
from periti.registry import FUSIONS, POLICIES, RANKERS, RETRIEVERS, ROUTERS, nearest
from periti.retrievers.adapter_memory import AdapterMemory
from periti.retrievers.executor import Answer, execute
from periti.retrievers.experts import Expert
from periti.retrievers.fingerprints import fingerprint
from periti.retrievers.policies import AllExperts
from periti.retrievers.routers import ConstantRouter
from periti.retrievers.routing.base import Explaining
from periti.types import MAX_K, PLAN, Plan, Queries, Run, Step, Trace

T = TypeVar("T", Run, Plan)


@dataclass(frozen=True)
class Pipeline:
    """A panel of experts behind a router, their answers fused and reranked.

    The list for k is always the beginning of the list for k + 1: every expert is asked for its own depth and the ranker
    sees `depth` documents, whatever k is.
    """

    name: str
    experts: Mapping[str, Expert]
    router: Router
    policy: Policy
    fusion: Fusion
    ranker: Ranker
    corpus: Corpus
    depth: int = 1000
    description: str = ""
    memory: AdapterMemory | None = None
    """Holds the adapters, where the configuration says how much memory they may take; None keeps all."""

    def __post_init__(self) -> None:
        lost = [name for name in self.router.experts if name not in self.experts]
        if lost:
            raise ConfigError(
                f"pipeline {self.name!r}: the router knows the expert {lost[0]!r}, which is not on the panel; "
                f"{nearest(lost[0], self.experts)}"
            )

    def search(self, queries: Queries, k: int = 10) -> Run:
        """The k best documents of every query, named after the pipeline.

        Raises:
            InputError: k is not between 1 and 10,000, or there are no queries.
        """
        return self._answer(queries, k, noted=False)[0]

    def explain(self, queries: Queries, k: int = 10) -> tuple[Run, Trace]:
        """`search`, with what went out of every step, how long it took, and what the experts did not read."""
        return self._answer(queries, k, noted=True)

    def _answer(self, queries: Queries, k: int, *, noted: bool) -> tuple[Run, Trace]:
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; it must be between 1 and {MAX_K:,}")
        if not len(queries):
            raise InputError("no queries were given; give at least one")
        steps: list[Step] = []
        plan = _timed(steps, "route", lambda: self._plan(queries))
        if noted:
            steps[-1] = replace(steps[-1], notes=self._routing_notes(queries))
        runs = {}
        for answer in execute(plan, queries, self.experts):
            runs[answer.expert] = answer.run
            notes = self._notes(answer) if noted else {}
            steps.append(Step(f"retrieve:{answer.expert}", answer.seconds, answer.run, notes))
        fused = _timed(steps, "fuse", lambda: self._fuse(queries, runs, plan))
        reranked = self._rerank(queries, fused.top(self.depth), steps)
        return reranked.top(k).renamed(self.name), Trace(tuple(steps))

    def only(self, *experts: str) -> Pipeline:
        """The same pipeline with some of its experts, all asked; its name tells which.

        Raises:
            UnknownName: no expert has that name.
        """
        for name in experts:
            if name not in self.experts:
                raise UnknownName(f"pipeline {self.name!r} has no expert {name!r}; {nearest(name, self.experts)}")
        kept = {name: replace(self.experts[name], always=False) for name in experts}
        return replace(
            self,
            name="+".join(experts),
            experts=kept,
            router=ConstantRouter(list(kept.values())),
            policy=AllExperts(),
            memory=None,
        )

    def _plan(self, queries: Queries) -> Plan:
        scores = self.router.scores(queries)
        if self.memory:
            self.memory.recall(self.router.experts, scores)
        plan = self._with_always(queries, self.policy.select(queries, self.router.experts, scores))
        for name in plan.experts:
            if name not in self.experts:
                raise UnknownName(f"the policy asks {name!r}, which is not on the panel; {nearest(name, self.experts)}")
        return plan

    def _with_always(self, queries: Queries, plan: Plan) -> Plan:
        """The plan with the experts that answer every query, each with its own weight."""
        always = [expert for expert in self.experts.values() if expert.always]
        if not always:
            return plan
        rows = {
            "query_id": [query_id for query_id in queries.ids for _ in always],
            "expert": [expert.name for expert in always] * len(queries),
            "weight": [expert.weight for expert in always] * len(queries),
        }
        return Plan.of(pl.concat([plan.frame, pl.DataFrame(rows, schema=PLAN)]), queries)

    def why(self, queries: Queries) -> list[Mapping[str, Any]]:
        """What the routing of each query rests on: scores by expert, nearest examples; empty if the router is mute."""
        return list(self.router.explain(queries)) if isinstance(self.router, Explaining) else []

    def _notes(self, answer: Answer) -> Mapping[str, int]:
        """What a reader should know of an expert's answer: queries without one, queries not read to their end."""
        retriever = self.experts[answer.expert].retriever
        silent = len(answer.asked) - answer.run.frame["query_id"].n_unique()
        unanswered = {"unanswered_queries": silent} if silent else {}
        shared = {"experts_in_one_batch": answer.together} if answer.together > 1 else {}
        loaded = {"adapter_loads": answer.loads, **self.memory.notes()} if self.memory else {}
        unread = retriever.notes(answer.asked) if isinstance(retriever, Noting) else {}
        return {**unanswered, **shared, **loaded, **unread}

    def _routing_notes(self, queries: Queries) -> Mapping[str, int]:
        """What a reader should know of the routing: how often the router or the policy fell back."""
        notes = dict(self.router.notes(queries)) if isinstance(self.router, Noting) else {}
        told = getattr(self.policy, "notes", None)
        if told is not None:
            notes |= told(queries, self.router.experts, self.router.scores(queries))
        return notes

    def _rerank(self, queries: Queries, run: Run, steps: list[Step]) -> Run:
        """The ranker's order; what it tells of itself goes into the trace."""
        if not isinstance(self.ranker, NotingRanker):
            return _timed(steps, "rerank", lambda: self.ranker.rerank(queries, run, self.corpus))
        began = time.perf_counter()
        reranked = self.ranker.reranked(queries, run, self.corpus)
        steps.append(Step("rerank", time.perf_counter() - began, reranked.run, reranked.notes))
        return reranked.run

    def _fuse(self, queries: Queries, runs: Mapping[str, Run], plan: Plan) -> Run:
        """A panel of one needs no fusion and keeps its scores.

        A larger panel is always fused, even if one expert answers all of this call's queries: scores would else depend
        on which other queries are in the batch.
        """
        if len(self.experts) == 1:
            return next(iter(runs.values()))
        if isinstance(self.fusion, QueryFusion):
            return self.fusion.fuse_queries(queries, runs, plan)
        return self.fusion.fuse(runs, plan)


def open_pipeline(config: PipelineConfig | Path | str) -> Pipeline:
    """The pipeline of a configuration, of a TOML file, or of a directory that holds `periti.toml`.

    Raises:
        ConfigError: the configuration is not acceptable.
        IndexUnusable: an index is missing, damaged, or does not fit.
        UnknownName: a component is not registered.
    """
    if not isinstance(config, PipelineConfig):
        config = read_pipeline_config(Path(config))
    docstore = Docstore.open(config.docstore)
    memory = AdapterMemory(config.adapter_memory_mb, config.workload) if config.adapter_memory_mb else None
    experts = {
        name: Expert(
            name=name,
            retriever=_retriever(expert, docstore, memory),
            depth=expert.depth,
            weight=expert.weight,
            description=expert.description,
            always=expert.always,
        )
        for name, expert in config.experts.items()
    }
    router, policy, ranker = config.router, config.policy, config.ranker
    fusion = FUSIONS.load(config.fusion.name).open(config.fusion.options)
    if isinstance(fusion, Fitted):
        fusion.require({name: fingerprint(expert) for name, expert in experts.items()})
    opened = ROUTERS.load(router.name).open([e for e in experts.values() if not e.always], router.options)
    if memory:
        memory.expect(experts, opened.experts)
    return Pipeline(
        name=config.name,
        description=config.description,
        experts=experts,
        router=opened,
        policy=POLICIES.load(policy.name).open(policy.options),
        fusion=fusion,
        ranker=RANKERS.load(ranker.name).open(ranker.options),
        corpus=docstore,
        depth=config.depth,
        memory=memory,
    )


def _retriever(expert: ExpertConfig, docstore: Docstore, memory: AdapterMemory | None) -> Retriever:
    """The retriever of an expert, its adapter in a memory that the collection limits, or resident for good."""
    kind = RETRIEVERS.load(expert.retriever)
    opened = memory.open(kind, expert.index, docstore, expert.options) if memory else None
    found: Retriever = opened or kind.open(expert.index, docstore, expert.options)
    return found


def _timed(steps: list[Step], name: str, work: Callable[[], T]) -> T:
    """Run one step and keep its output and its time."""
    began = time.perf_counter()
    output = work()
    steps.append(Step(name, time.perf_counter() - began, output))
    return output
