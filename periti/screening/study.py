"""Methods on topics, measured: every topic's values, their means with intervals, and what is significant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation import evaluate, parse
from periti.evaluation.significance import Design, Study, compare
from periti.evaluation.significance.intervals import bca_intervals, resamples
from periti.evaluation.significance.scores import Scores, from_long
from periti.progress import Progress, Silent
from periti.screening.methods import Ordered, Orderer
from periti.screening.stopping import RULES, Stop, Target
from periti.screening.topics import Ints, Topic
from periti.types import QRELS, SCORED, Qrels, Run

MEASURES = ("AP", "R_percent@1", "R_percent@5", "R_percent@10", "R_percent@20", "WSS@0.95", "WSS@1", "last_rel")
BASELINES = ("bm25", "dense", "fusion", "criteria")
"""Methods that all others are compared with, where they are measured."""
SAMPLES = 10_000
"""Bootstrap samples of topics."""


@dataclass(frozen=True)
class Mean:
    """A measure over topics, and its BCa bootstrap interval; no interval over one topic."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Measured:
    """Methods on topics.

    Attributes:
        topics: in order.
        methods: in order.
        orders: (topic, method) to the order.
        scores: one table a measure, topics × methods, in the order of `MEASURES`.
        means: (method, measure) to its mean.
        against: baseline to every other method compared with it, Holm-corrected within each measure; empty where
            there are fewer than two topics or methods.
    """

    topics: tuple[Topic, ...]
    methods: tuple[str, ...]
    orders: Mapping[tuple[str, str], Ordered]
    scores: tuple[Scores, ...]
    means: Mapping[tuple[str, str], Mean]
    against: Mapping[str, Study]


def study(
    orderer: Orderer,
    methods: Sequence[str],
    *,
    topics: Sequence[Topic] | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> Measured:
    """Order the topics by each method and measure.

    Args:
        orderer: knows all topics.
        methods: names of `METHODS`, each once.
        topics: those to order; all without it.
        seed: of bootstrap samples.
        progress: told of each topic and method.

    Raises:
        InputError: no method, or one given twice; as `Orderer.order`.
    """
    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"the methods are {', '.join(methods) or 'none'}; name one or more, each once")
    chosen = tuple(orderer.topics if topics is None else topics)
    progress = progress or Silent()
    orders = {}
    progress.start("screening", len(chosen) * len(methods))
    for topic in chosen:
        for method in methods:
            orders[topic.name, method] = orderer.order(topic, method)
            progress.advance(1)
    progress.finish()
    runs = [_run(method, {topic: orders[topic.name, method].order for topic in chosen}) for method in methods]
    scores = _scores(runs, _qrels(chosen), orderer.rel)
    return Measured(chosen, tuple(methods), orders, scores, _means(scores, seed), _against(scores, BASELINES, seed))


def against(measured: Measured, baselines: Sequence[str], seed: int = 1) -> Measured:
    """The same with every method compared with these baselines instead, where they are measured."""
    return replace(measured, against=_against(measured.scores, baselines, seed))


def _run(method: str, orders: Mapping[Topic, Ints]) -> Run:
    """The orders as a run; scores only say the order."""
    frames = [
        pl.DataFrame(
            {
                "query_id": [topic.name] * len(topic),
                "doc_id": [topic.documents[place].doc_id for place in order.tolist()],
                "score": np.arange(len(topic), 0, -1, dtype=np.float32),
            },
            schema=SCORED,
        )
        for topic, order in orders.items()
    ]
    return Run.of(pl.concat(frames), method)


def _qrels(topics: Sequence[Topic]) -> Qrels:
    rows = [
        (topic.name, document.doc_id, grade)
        for topic in topics
        for document, grade in zip(topic.documents, topic.grades.tolist(), strict=True)
    ]
    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"), "screening")


def _scores(runs: Sequence[Run], qrels: Qrels, rel: int) -> tuple[Scores, ...]:
    measures = parse(MEASURES, None if rel == 1 else rel)
    values = pl.concat(
        evaluate(run, qrels, measures).per_query.select(pl.lit(run.name).alias("run"), "query_id", "measure", "value")
        for run in runs
    )
    return tuple(from_long(values, collection="screening"))


def _means(scores: Sequence[Scores], seed: int) -> dict[tuple[str, str], Mean]:
    means: dict[tuple[str, str], Mean] = {}
    for table in scores:
        topics, value = len(table.query_ids), table.values.mean(axis=0)
        if topics < 2:
            means |= {
                (name, table.measure): Mean(float(one), None, None)
                for name, one in zip(table.systems, value, strict=True)
            }
            continue
        low, high = bca_intervals(table.values, resamples(topics, SAMPLES, seed), 0.95)
        for name, *numbers in zip(table.systems, value.tolist(), low.tolist(), high.tolist(), strict=True):
            means[name, table.measure] = Mean(*numbers)
    return means


def _against(scores: Sequence[Scores], baselines: Sequence[str], seed: int) -> dict[str, Study]:
    """Exact sign flips of the topics, Holm's correction over the methods of a measure."""
    systems = scores[0].systems
    if len(systems) < 2 or len(scores[0].query_ids) < 2:
        return {}
    return {
        baseline: compare(scores, Design(test="randomization", baseline=baseline, seed=seed))
        for baseline in baselines
        if baseline in systems
    }


@dataclass(frozen=True)
class Stopped:
    """A stopping rule over topics and seeds.

    Attributes:
        rule: name of `RULES`.
        target: what was wanted.
        stops: topic to one stop a seed.
        sizes: topic to its candidates.
    """

    rule: str
    target: Target
    stops: Mapping[str, tuple[Stop, ...]]
    sizes: Mapping[str, int]

    @property
    def reached(self) -> float:
        """Share of topics and seeds whose recall at the stop is the target or above."""
        return float(np.mean([[one.recall >= self.target.recall for one in own] for own in self.stops.values()]))

    @property
    def recall(self) -> float:
        """Mean recall at the stop."""
        return float(np.mean([[one.recall for one in own] for own in self.stops.values()]))

    @property
    def least(self) -> float:
        """The lowest recall at a stop."""
        return min(one.recall for own in self.stops.values() for one in own)

    @property
    def read(self) -> float:
        """Mean share of the candidates that were read."""
        return float(np.mean([[one.read / self.sizes[name] for one in own] for name, own in self.stops.items()]))


def stop(
    measured: Measured, method: str, *, rel: int = 1, target: Target | None = None, seeds: int = 100
) -> list[Stopped]:
    """Every stopping rule on the screenings of a method with feedback.

    Args:
        measured: has its orders.
        method: one with feedback.
        rel: lowest relevant grade.
        target: recall and error; .95 and .05 by default.
        seeds: draws of each topic, for the rules that draw.

    Raises:
        InputError: the method was not measured or reads no judgements.
    """
    target = target or Target()
    found = []
    for rule, ends in RULES.items():
        stops = {}
        for topic in measured.topics:
            screening = (
                measured.orders[topic.name, method].screening if (topic.name, method) in measured.orders else None
            )
            if screening is None:
                raise InputError(f"{method!r} was not measured or has no feedback to stop by; name an active method")
            own = topic.relevant(rel)
            stops[topic.name] = tuple(
                ends(screening, own, target, np.random.default_rng(seed)) for seed in range(seeds)
            )
        found.append(Stopped(rule, target, stops, {topic.name: len(topic) for topic in measured.topics}))
    return found
