"""`periti agree`: do other judgements, measures or topics rank the systems alike?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.evaluation.significance import Scores

EPILOG = """examples:
  periti agree --qrels official.qrels cheap.qrels --runs *.run --measures nDCG@10
  periti agree --qrels qrels.txt --runs *.run --measures nDCG@10 AP RR
  periti agree --scores adhoc8_ap.csv adhoc8_p10.csv --test hsd
  periti agree --qrels qrels.txt --runs *.run --json

The first judgements with the first measure, or the first score table, are gold; everything else is set against them.
One alone is resampled by topic: would other topics rank these systems alike?"""


def add_parser(commands: Any) -> None:
    """Add the command to argparse's sub-parsers."""
    command = commands.add_parser(
        "agree",
        help="do other judgements, measures or topics rank the systems alike?",
        description="Correlations of rankings of the same systems, swaps of significant pairs, and stability by topic.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--runs", nargs="+", metavar="RUN", help="run files, two or more")
    command.add_argument("--qrels", nargs="+", metavar="FILE|DATASET", help="judgements; the first are gold")
    command.add_argument("--measures", nargs="+", metavar="MEASURE", help="default: nDCG@10; the first is gold")
    command.add_argument("--scores", nargs="+", type=Path, metavar="FILE", help="score tables instead of runs")
    command.add_argument("--min-rel", type=int, metavar="N", help="lowest relevant grade where a measure has no rel=")
    command.add_argument(
        "--missing",
        choices=("refuse", "zero", "common"),
        default="refuse",
        help="queries that some runs answer and some do not: refuse (default), count 0, or use common ones only",
    )
    command.add_argument("--same-collection", action="store_true", help="accept runs that share no document with qrels")
    command.add_argument("--test", choices=("t+holm", "t+bh", "hsd"), default="t+holm", help="default: t+holm")
    command.add_argument("--alpha", type=float, default=0.05, metavar="LEVEL", help="default: .05, two-sided")
    command.add_argument("--draws", type=int, default=1000, metavar="N", help="splits and bootstrap samples of topics")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of both; default: 1")
    command.add_argument("--json", action="store_true", help="print JSON, unrounded")
    command.set_defaults(run=agree_rankings)


def agree_rankings(arguments: argparse.Namespace) -> int:
    """Set the rankings side by side and print."""
    from periti.evaluation import agreement

    terms = agreement.Terms(arguments.test, arguments.alpha, arguments.draws, arguments.seed)
    found = agreement.agree(_tables(arguments), terms)
    print(agreement.as_json(found) if arguments.json else agreement.as_text(found), end="\n" if arguments.json else "")
    return 0


def _tables(arguments: argparse.Namespace) -> list[Scores]:
    """The tables to set side by side, gold first."""
    from periti.evaluation.significance import read_scores

    if arguments.scores is not None:
        if arguments.runs or arguments.qrels:
            raise InputError("--scores stands instead of --runs and --qrels; give one or the other")
        measure = (arguments.measures or ["score"])[0]
        paths = arguments.scores
        return [table for path in paths for table in read_scores(path, measure=measure, missing=arguments.missing)]
    if not arguments.runs or not arguments.qrels:
        raise InputError("agree needs --qrels and --runs, or --scores; see periti agree --help")
    return _of_runs(arguments)


def _of_runs(arguments: argparse.Namespace) -> list[Scores]:
    """One table for every set of judgements and measure."""
    from periti.cli.runs import read_runs
    from periti.datasets.references import open_qrels
    from periti.evaluation import parse
    from periti.evaluation.significance import Terms, from_runs

    measures = parse(arguments.measures or ["nDCG@10"], arguments.min_rel)
    runs = read_runs(arguments.runs)
    terms = Terms(arguments.missing, same_collection=arguments.same_collection)
    tables = []
    for name in arguments.qrels:
        tables += from_runs(runs, open_qrels(name), measures, terms)[0]
    return tables
