"""The search of `periti fuse --tune`: a measure over held-out queries, and what is best by it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from periti.rankers.fusion.settings import FusionSettings
    from periti.types import Run


def found(
    arguments: argparse.Namespace, runs: Mapping[str, Run], options: Mapping[str, Any]
) -> tuple[FusionSettings, dict[str, float]]:
    """The best settings of the rule, and the value of every run by itself.

    Raises:
        InputError: the judgements are of a test split, or the measure is not known.
    """
    from periti.cli.held_out import level_of, source_of, split_of
    from periti.datasets.references import open_qrels
    from periti.evaluation import evaluate, parse
    from periti.rankers.fusion.learned import METHODS, LearnedOptions, learn
    from periti.rankers.fusion.offline import everybody
    from periti.rankers.fusion.settings import FusionSettings
    from periti.rankers.fusion.tuning import Search, best, tune

    base, split = split_of(arguments.tune, None)
    qrels = open_qrels(base, split=split or None)
    level = level_of(arguments.tune, arguments.min_rel)
    measure = parse([arguments.measure], level if level > 1 else None)[0]

    def objective(ranking: Run) -> float:
        seen = ranking if measure.cutoff is None else ranking.top(measure.cutoff)
        value = evaluate(seen, qrels, (measure,), same_collection=True).values[measure.name]
        return 0.0 if value is None else float(value)

    source, plan, method = source_of(arguments.tune, None, qrels), everybody(runs), arguments.method or "rrf"
    alone = {name: objective(ranking) for name, ranking in runs.items()}
    for ranking in runs.values():
        evaluate(ranking, qrels, (measure,))  # refuses runs of another collection
    if method in METHODS:
        from periti.config import parse as parse_table

        learned = learn(
            method, runs, qrels, level=level, options=parse_table(LearnedOptions, options, f"fusion {method!r}")
        )
        told = {"measure": measure.name, "value": objective(learned.fuse(runs, plan))}
        return FusionSettings(method, options, dict.fromkeys(runs, 1.0), source, learned.tables, told), alone
    trials = tune(Search(method, options, arguments.steps), runs, plan, objective)
    top = best(trials)
    told = {"measure": measure.name, "value": top.value, "equal": trials[0].value, "trials": len(trials)}
    return FusionSettings(method, top.options, {name: top.weights[name] for name in runs}, source, found=told), alone
