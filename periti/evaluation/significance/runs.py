"""Runs and judgements to tables of scores, and what a reader must know of the runs besides their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation.measures import Measure, parse
from periti.evaluation.policy import NoRelevant, Policy
from periti.evaluation.significance.scores import Missing, Scores, from_long
from periti.evaluation.summary import evaluate
from periti.types import Qrels, Run

DEPTH = 10
"""Documents of a ranking that are looked at for judgements and overlap."""


@dataclass(frozen=True)
class Terms:
    """The rules that runs are scored by.

    Args:
        missing: what a query means that some runs answer and some do not.
        no_relevant: what a query without a relevant document means, see `Policy`.
        same_collection: the caller vouches for runs that share no document with the judgements, see `evaluate`.
    """

    missing: Missing = "refuse"
    no_relevant: NoRelevant = "zero"
    same_collection: bool = False


@dataclass(frozen=True)
class Evidence:
    """What the runs show besides scores; empty where only scores are known.

    Args:
        judged: system to the mean share of its first `DEPTH` documents that are judged (judged@10).
        shared: two systems, sorted, to the share of their first `DEPTH` documents that they have in common.
        unanswered: judged queries that no run answers.
        notes: sentences of the evaluation that hold for the table, e.g. queries without a relevant document.
    """

    judged: Mapping[str, float] = field(default_factory=dict)
    shared: Mapping[tuple[str, str], float] = field(default_factory=dict)
    unanswered: int = 0
    notes: tuple[str, ...] = ()

    def grouped(self, seeds: Mapping[str, tuple[str, ...]]) -> Evidence:
        """The same with several runs seen as one system: shares are averaged.

        Args:
            seeds: system to its runs, see `Scores.seeds`.
        """
        system = {run: name for name, runs in seeds.items() for run in runs}
        judged: dict[str, list[float]] = {}
        for run, share in self.judged.items():
            judged.setdefault(system.get(run, run), []).append(share)
        shared: dict[tuple[str, str], list[float]] = {}
        for (one, other), share in self.shared.items():
            first, second = sorted((system.get(one, one), system.get(other, other)))
            if first != second:
                shared.setdefault((first, second), []).append(share)
        return Evidence(
            judged={name: float(np.mean(shares)) for name, shares in judged.items()},
            shared={pair: float(np.mean(shares)) for pair, shares in shared.items()},
            unanswered=self.unanswered,
            notes=self.notes,
        )


def from_runs(
    runs: Sequence[Run],
    qrels: Qrels,
    measures: Sequence[Measure],
    terms: Terms | None = None,
) -> tuple[list[Scores], Evidence]:
    """One table a measure, and the evidence, of runs over the judged queries.

    A query that no run answers counts as 0 for all of them, as in trec_eval -c, unless only common ones count.

    Args:
        runs: two or more, of different names.
        qrels: the judgements.
        measures: from `periti.evaluation.parse`.
        terms: other rules than the default ones.

    Raises:
        CollectionMismatch: a run shares nothing with the judgements.
        InputError: fewer than two runs, a name used twice, unequal queries under "refuse", a measure that is a count.
    """
    names = [run.name for run in runs]
    if len(runs) < 2:
        raise InputError(f"{len(runs)} run is given and there is nothing to compare it with; give two or more")
    if len(set(names)) < len(names):
        raise InputError(f"two runs are named {max(names, key=names.count)!r}; rename one")
    depth = parse([f"judged@{DEPTH}"])
    terms = terms or Terms()
    missing, policy = terms.missing, Policy("zero", terms.no_relevant)
    evaluations = [
        evaluate(run, qrels, [*measures, *depth], policy=policy, same_collection=terms.same_collection) for run in runs
    ]
    answers = pl.concat(
        run.frame.select("query_id").unique().with_columns(pl.lit(run.name).alias("run"), pl.lit(1).alias("here"))
        for run in runs
    )
    values = pl.concat(
        e.per_query.select(pl.lit(e.run).alias("run"), "query_id", "measure", "value") for e in evaluations
    ).join(answers, on=["run", "query_id"], how="left", maintain_order="left")
    anyone = pl.lit(value=True) if missing == "common" else pl.col("query_id").is_in(answers["query_id"].implode())
    lacking = pl.col("here").is_null() & anyone
    known = values.with_columns(pl.when(~lacking).then("value").alias("value")).drop("here")
    wanted = [measure.name for measure in measures]
    rules = {"denominator": _denominator(policy, missing), "ties": policy.ties, "unjudged": policy.unjudged}
    rules |= evaluations[0].grading
    tables = from_long(
        known.filter(pl.col("measure").is_in(wanted)), missing=missing, collection=qrels.name, rules=rules
    )
    answered = set(answers["query_id"]) & set(qrels.query_ids)
    evidence = Evidence(
        judged={e.run: e.values[depth[0].name] or 0.0 for e in evaluations},
        shared=shared_documents(runs, qrels),
        unanswered=len(qrels.query_ids) - len(answered),
        notes=tuple(dict.fromkeys(w for e in evaluations for w in e.warnings if "no relevant document" in w)),
    )
    return tables, evidence


def shared_documents(runs: Sequence[Run], qrels: Qrels) -> dict[tuple[str, str], float]:
    """Two runs, sorted by name, to the documents common to their first `DEPTH` of the judged queries, 0 to 1.

    Divided by the longer list; summed over queries first.
    """
    tops = [
        run.top(DEPTH).frame.join(qrels.frame, on="query_id", how="semi").select("query_id", "doc_id").hash_rows()
        for run in runs
    ]
    sets = {run.name: np.unique(top.to_numpy()) for run, top in zip(runs, tops, strict=True)}
    shared = {}
    for one, other in combinations(sorted(sets), 2):
        longer = max(len(sets[one]), len(sets[other]))
        both = len(np.intersect1d(sets[one], sets[other], assume_unique=True))
        shared[one, other] = both / longer if longer else 0.0
    return shared


def _denominator(policy: Policy, missing: Missing) -> str:
    """Which queries a mean is over."""
    after = policy.denominator.partition("; ")[2].partition("; ")[2]
    first = {
        "refuse": "every judged query; all runs answer the same ones, and one that nobody answers counts as 0",
        "zero": "every judged query; one that a run does not answer counts as 0",
        "common": "the judged queries that every run answers",
    }[missing]
    return f"{first}; {after or policy.denominator}"
