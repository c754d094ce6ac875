"""How lists are fused: rules, scalings and weights, chosen on held-out queries of train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl
from ranker_lists import ADAPTED, BM25, CUT, DENSE, DEPTH, RANKER, Lists, mean_of

from periti.rankers.fusion.settings import made, weighted
from periti.rankers.fusion.tuning import Search, Trial, best, tune
from periti.types import PLAN, Plan, Queries, Run

FUSION, RIVAL, MORE, ALL = "fusion", "fusion, adapter", "cross-encoder + bm25", "fusion with it"
SCALINGS = ("min-max", "z-score")
SEARCHES = (Search("rrf"), *(Search("comb-sum", {"scaling": scaling}) for scaling in SCALINGS))
PLACED = tuple(Search("in-place", {"scaling": scaling, "reader": RANKER}) for scaling in SCALINGS)
"""Where the ranker stands beside lists that found what it has not read."""
PARTS: Mapping[str, tuple[str, ...]] = {
    FUSION: (BM25, DENSE),
    RIVAL: (BM25, DENSE, ADAPTED),
    MORE: (BM25, RANKER),
    ALL: (BM25, DENSE, ADAPTED, RANKER),
}
ELSEWHERE = "elsewhere"
"""Whose settings collections have that were not learnt from."""
Settings = Mapping[str, tuple[str, Trial]]
"""Fusion -> rule and setting."""


def chosen_for_each(dev: Mapping[str, Lists], strange: Mapping[str, Lists]) -> dict[str, Settings]:
    """Settings of each source, best on its own dev, and of collections that were not learnt from.

    Args:
        dev: source -> lists of its held-out queries.
        strange: the same, as a ranker orders them that has not learnt from the source: on lists of its own sources a
            ranker would be trusted more than it deserves elsewhere.
    """
    asked = {name: {name: lists} for name, lists in dev.items()} | {ELSEWHERE: strange}
    if len(dev) == 1 and all(strange[name] is lists for name, lists in dev.items()):
        asked = {ELSEWHERE: strange}  # one source, no parts: its own settings are those of all
    wanted = [
        (fusion, name) for name in asked for fusion in sorted(PARTS, key=lambda one: -len(PARTS[one]))
    ]  # what takes longest first
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # each for minutes on one core
        found = dict(zip(wanted, pool.map(_best, *zip(*((f, asked[n]) for f, n in wanted), strict=True)), strict=True))
    settings = {name: {fusion: found[fusion, name] for fusion in PARTS} for name in asked}
    return {**{name: settings.get(name, settings[ELSEWHERE]) for name in dev}, ELSEWHERE: settings[ELSEWHERE]}


def fused(trial: tuple[str, Trial], runs: Mapping[str, Run], queries: Queries, name: str) -> Run:
    """The runs under a setting."""
    rule, chosen = trial
    kept = {part: runs[part] for part in PARTS[name]}
    plan = weighted(everyone(kept, queries), chosen.weights)
    return made(rule, dict(chosen.options)).fuse(kept, plan).top(DEPTH).renamed(name)


def everyone(runs: Mapping[str, Run], queries: Queries) -> Plan:
    """Every list for every query."""
    return Plan.of(pl.DataFrame([(q, r, 1.0) for q in queries.ids for r in runs], schema=PLAN, orient="row"), queries)


def _searches(name: str) -> Sequence[Search]:
    """What is tried for a fusion."""
    return (*SEARCHES, *PLACED) if RANKER in PARTS[name] and DENSE in PARTS[name] else SEARCHES


def _best(name: str, dev: Mapping[str, Lists]) -> tuple[str, Trial]:
    """The rule and setting of a fusion that are best on dev, the mean over sources."""
    joined = {part: _joined({source: one.runs[part] for source, one in dev.items()}) for part in PARTS[name]}
    queries = Queries.from_pairs([(f"{s} {q}", t) for s, one in dev.items() for q, t in one.part.queries.frame.rows()])

    def objective(run: Run) -> float:
        first = run.top(CUT)  # what the measure looks at: what follows would cost most of the time
        return float(np.mean([mean_of(_of(first, source), one) for source, one in dev.items()]))

    trials = {
        (search.method, *search.options.values()): best(tune(search, joined, everyone(joined, queries), objective))
        for search in _searches(name)
    }
    key = max(trials, key=lambda one: trials[one].value)
    return str(key[0]), trials[key]


def _joined(runs: Mapping[str, Run]) -> Run:
    """Runs of several collections as one, whose queries bear the collection's name."""
    frames = [run.frame.with_columns(query_id=f"{name} " + pl.col("query_id")) for name, run in runs.items()]
    return Run("joined", pl.concat(frames).sort("query_id", "rank"))


def _of(run: Run, source: str) -> Run:
    start = f"{source} "
    own = run.frame.filter(pl.col("query_id").str.starts_with(start))
    return Run(run.name, own.with_columns(pl.col("query_id").str.strip_prefix(start)))
