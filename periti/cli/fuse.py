"""`periti fuse`: several run files to one, and weights for that from held-out queries."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.rankers.fusion.offline import QuerySets
    from periti.rankers.fusion.settings import FusionSettings
    from periti.types import Run

EPILOG = """examples:
  periti fuse bm25.run dense.run --out hybrid.run                                   reciprocal rank, k = 60
  periti fuse bm25.run dense.run --method comb-sum --scaling min-max --weights 0.3 0.7 --out sum.run
  periti fuse a.run b.run c.run --method comb-mnz --missing list_min --out mnz.run
  periti fuse a.run b.run --method rbc --option p=0.9 --out rbc.run
  periti fuse bm25.run dense.run reranked.run --method in-place --option reader=cross-encoder --out placed.run
  periti fuse dev-a.run dev-b.run --names bm25 dense --method comb-sum --tune scifact:train --save weights.json
  periti fuse test-a.run test-b.run --names bm25 dense --settings weights.json --out fused.run

rules by rank: rrf, isr, log-isr, rbc, borda, condorcet; by score: comb-sum (with weights: linear), comb-mnz, comb-gmnz,
comb-anz, comb-max, comb-min, comb-med, wmnz, mixed, sum, in-place; learned with --tune: posfuse, slidefuse, segfuse,
probfuse, bayesfuse, mapfuse. Lists of a language model that ranks lists have no comparable scores: fuse them by rrf or
isr. With in-place what the run called reader holds exchanges places in the comb-sum of the others, the rest stays.

scalings: min-max, max, sum, z-score, rank, borda, none. A constant list gives 1 to what it holds and 0 to the rest. A
document that a list lacks gets 0 there, or with --missing list_min what the smallest score of the list gets. Runs may
answer different queries: all are fused, and the report says which run lacks which. Equal scores are ordered by the best
rank in any run, then by document id. --tune refuses test splits; weights are tried on a grid that sums to 1."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "fuse",
        help="fuse run files, or tune a fusion on held-out queries",
        description="Fuse run files by rank or by score, or tune weights for that on held-out queries.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help="run files, two or more: TREC, CSV or Parquet")
    command.add_argument("--names", nargs="+", metavar="NAME", help="what to call the runs (default: their tags)")
    command.add_argument("--method", metavar="RULE", help="the fusion rule (default: rrf)")
    command.add_argument(
        "--scaling", help="how lists are made comparable, for rules by score (default: min-max; of in-place z-score)"
    )
    command.add_argument("--missing", help="zero or list_min, for rules by score (default: zero)")
    command.add_argument(
        "--option", nargs="+", default=[], metavar="KEY=VALUE", help="other options: k, p, gamma, sigma, reader"
    )
    command.add_argument("--weights", nargs="+", type=float, metavar="W", help="a weight for each run, in their order")
    command.add_argument("--settings", type=Path, metavar="FILE", help="a rule as --tune saved it")
    command.add_argument("--out", type=Path, metavar="FILE", help="the fused run; .gz is compressed")
    command.add_argument("--tag", help="its name in the file (default: the rule)")
    command.add_argument("-k", type=int, metavar="N", help="documents a query (default: all)")
    tuning = command.add_argument_group("tuning")
    tuning.add_argument("--tune", metavar="QRELS", help="judgements of held-out queries: a file, or NAME:SPLIT")
    tuning.add_argument("--measure", default="nDCG@10", help="what to make large (default: nDCG@10)")
    tuning.add_argument(
        "--min-rel", type=int, metavar="N", help="lowest relevant grade; default: the collection's, or 1"
    )
    tuning.add_argument("--steps", type=int, default=10, help="weights are multiples of 1/STEPS (default: 10)")
    tuning.add_argument("--save", type=Path, metavar="FILE", help="where to keep what was found")
    command.add_argument("--json", action="store_true", help="print a summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fuse and write, or tune and save."""
    from periti.rankers.fusion.offline import QuerySets

    if (arguments.out is None) == (arguments.tune is None):
        raise InputError("fuse needs one of --out FILE, to fuse, and --tune QRELS, to find weights")
    runs = _named(arguments.runs, arguments.names)
    sets = QuerySets.of(runs)
    if arguments.tune is not None:
        return _tune(arguments, runs, sets)
    return _fuse(arguments, runs, sets)


def _named(paths: Sequence[str], names: Sequence[str] | None) -> Mapping[str, Run]:
    """The runs by name, in the order given."""
    from periti.cli.runs import read_runs

    if len(paths) < 2:
        raise InputError(f"fuse got {len(paths)} run; give at least two")
    runs = read_runs(paths)
    if names is not None:
        if len(names) != len(runs) or len(set(names)) != len(names):
            raise InputError(f"--names gives {len(set(names))} different names for {len(runs)} runs; give one each")
        runs = [ranking.renamed(name) for ranking, name in zip(runs, names, strict=True)]
    return {ranking.name: ranking for ranking in runs}


def _fuse(arguments: argparse.Namespace, runs: Mapping[str, Run], sets: QuerySets) -> int:
    from periti.datasets.trec import write_run
    from periti.datasets.writing import check_writable
    from periti.rankers.fusion.offline import everybody
    from periti.rankers.fusion.settings import FusionSettings, check_weights, made, weighted

    check_writable(arguments.out)
    plan = everybody(runs)
    if arguments.settings is not None:
        if arguments.method or arguments.weights or _options(arguments):
            raise InputError("--settings brings rule, options and weights along; leave the others out")
        settings = FusionSettings.read(arguments.settings)
        lost = [name for name in settings.weights if name not in runs]
        if lost:
            raise InputError(
                f"{arguments.settings} was tuned on the runs {', '.join(settings.weights)}, and {lost[0]!r} is not "
                f"given here ({', '.join(runs)}); name the runs in their order with --names"
            )
        fused = settings.fuse(runs, plan)
    else:
        rule = made(arguments.method or "rrf", _options(arguments))
        fused = rule.fuse(runs, weighted(plan, _weights(arguments, runs, check_weights)))
    if arguments.k is not None:
        if arguments.k < 1:
            raise InputError(f"k is {arguments.k}; it must be at least 1")
        fused = fused.top(arguments.k)
    tag = arguments.tag or "".join(fused.name.split())
    write_run(fused.renamed(tag), arguments.out)
    facts = {"run": str(arguments.out), "tag": tag, "documents": fused.frame.height, **_sets(sets)}
    if arguments.json:
        print(json.dumps(facts))
        return 0
    print(f"{arguments.out}: {tag}, {len(fused.query_ids):,} queries, {fused.frame.height:,} documents")
    _print_sets(sets)
    return 0


def _weights(arguments: argparse.Namespace, runs: Mapping[str, Run], check: Any) -> dict[str, float]:
    given = arguments.weights or [1.0] * len(runs)
    if len(given) != len(runs):
        raise InputError(f"--weights gives {len(given)} weights for {len(runs)} runs; give one each")
    weights = dict(zip(runs, given, strict=True))
    check(weights)
    return weights


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The rule's options of the command line, numbers as numbers."""
    options: dict[str, Any] = {}
    for pair in arguments.option:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"--option {pair!r} is not KEY=VALUE; write for example k=60")
        options[key] = _number(value)
    for key in ("scaling", "missing"):
        if getattr(arguments, key) is not None:
            options[key] = getattr(arguments, key)
    return options


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _tune(arguments: argparse.Namespace, runs: Mapping[str, Run], sets: QuerySets) -> int:
    from periti.cli.tuning import found

    if arguments.settings is not None or arguments.weights is not None:
        raise InputError("--tune looks for weights; leave --weights and --settings out")
    settings, table = found(arguments, runs, _options(arguments))
    if arguments.save is not None:
        settings.write(arguments.save)
    if arguments.json:
        facts = {"method": settings.method, "options": settings.options, "weights": settings.weights}
        print(json.dumps({**facts, "found": settings.found, "alone": table, **_sets(sets)}))
        return 0
    _print_tuned(settings, table)
    _print_sets(sets)
    if arguments.save is not None:
        print(f"{arguments.save}: saved; use it with  periti fuse ... --settings {arguments.save} --out FILE")
    return 0


def _print_tuned(settings: FusionSettings, alone: Mapping[str, float]) -> None:
    source, found = settings.source, settings.found
    whence = f"{source.dataset}:{source.split}" if source.split else source.dataset
    print(f"{found['measure']} on {source.queries:,} held-out queries of {whence}")
    for name, value in alone.items():
        weight = "" if settings.tables else f"  weight {settings.weights[name]:g}"
        print(f"  {name:<24} {value:.4f}{weight}")
    options = ", ".join(f"{key}={value}" for key, value in settings.options.items())
    print(f"  {settings.method + (f' ({options})' if options else ''):<24} {found['value']:.4f}", end="")
    print(f"  equal weights {found['equal']:.4f}, {found['trials']} settings tried" if not settings.tables else "")
    print("the value is of the queries it was tuned on; judge it on others with `periti compare`")


def _sets(sets: QuerySets) -> dict[str, Any]:
    missing = {name: list(ids) for name, ids in sets.missing.items() if ids}
    return {"queries": sets.queries, "queries_in_all_runs": sets.common, "missing_queries": missing}


def _print_sets(sets: QuerySets) -> None:
    """Which runs lack which queries; nothing where all have the same."""
    if sets.common == sets.queries:
        return
    print(f"{sets.common:,} of {sets.queries:,} queries are in all runs; the others are fused of those that have them")
    for name, ids in sets.missing.items():
        if ids:
            more = f" and {len(ids) - 5:,} more (--json lists all)" if len(ids) > 5 else ""
            print(f"  {name} lacks {len(ids):,}: {', '.join(ids[:5])}{more}")
