"""Runs to one run by a rule: in parts of some queries each, which fit the processor's cache and take all its cores."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.rankers.fusion.ballots import Ballots, Values
from periti.types import Plan, Run

_ROWS = 1 << 18
"""Rows of all runs together that one part has, about."""

Rule = Callable[[Ballots], Values]
"""Ballots to the scores of their candidates, float64 (candidates,), each query for itself."""


def fused(runs: Mapping[str, Run], plan: Plan, rule: Rule, name: str) -> Run:
    """Every document that an expert of the plan returned, once.

    Args:
        runs: expert -> run.
        plan: whose answer counts how much for which query; lists of other pairs are left out.
        rule: the scores.
        name: the name of the fused run.

    Raises:
        InputError: no runs.
        SchemaError: a score is not finite.
    """
    if not runs:
        raise InputError("fusion got no runs; ask at least one expert")
    weights = _weights(plan)

    def one(part: Mapping[str, Run]) -> Run:
        ballots = Ballots.of(part, weights)
        return ballots.settled(rule(ballots), name)

    parts = split(runs)
    if len(parts) == 1:
        return one(runs)
    with ThreadPoolExecutor(min(len(parts), pl.thread_pool_size())) as pool:
        return Run(name, pl.concat([run.frame for run in pool.map(one, parts)], rechunk=True))


def split(runs: Mapping[str, Run]) -> list[Mapping[str, Run]]:
    """The runs in parts of as many queries each, in the order of queries."""
    rows = sum(run.frame.height for run in runs.values())
    if rows <= _ROWS:
        return [runs]
    starts = {name: np.flatnonzero(run.frame["rank"].to_numpy() == 1) for name, run in runs.items()}
    asked = {name: run.frame["query_id"][starts[name]].to_list() for name, run in runs.items()}
    queries = sorted(set().union(*asked.values()))
    number = min(len(queries), -(-rows // _ROWS))
    firsts = [queries[i * len(queries) // number] for i in range(1, number)]
    cuts = {}
    for name, run in runs.items():
        lists = (0, *(bisect_left(asked[name], first) for first in firsts), len(asked[name]))
        row = [*starts[name].tolist(), run.frame.height]
        cuts[name] = [row[i] for i in lists]
    return [
        {name: Run(name, run.frame[cuts[name][i] : cuts[name][i + 1]]) for name, run in runs.items()}
        for i in range(number)
    ]


def _weights(plan: Plan) -> Mapping[tuple[str, str], float]:
    """(query, expert) -> weight."""
    pairs = zip(plan.frame["query_id"].to_list(), plan.frame["expert"].to_list(), strict=True)
    return dict(zip(pairs, plan.frame["weight"].to_list(), strict=True))
