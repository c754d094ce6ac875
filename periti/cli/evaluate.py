"""`periti evaluate`: measures of TREC runs against judgements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.types import Run

EPILOG = """examples:
  periti evaluate --qrels scifact scifact.run
  periti evaluate --qrels qrels.txt bm25.run dense.run hybrid.run --measures nDCG@10 R@100
  periti evaluate --qrels msmarco-dl19-dl20-pool:dl19 dl19.run --min-rel 2
  periti evaluate --qrels qrels.txt my.run --measures "AP(rel=2)@1000" "nDCG(dcg='exp-log2')@10" "RBP(p=0.8,rel=1)"
  periti evaluate --qrels qrels.txt my.run --per-query values.parquet --json

Measures are spelled as ir-measures spells them (https://ir-measur.es); judged@k is the share of the first k documents
that have a judgement. Counts, denominators and rules are printed under every table; --json does not round."""


def add_parser(commands: Any) -> None:
    """Add the command to argparse's sub-parsers."""
    command = commands.add_parser(
        "evaluate",
        help="measure TREC runs against judgements",
        description="Measure TREC runs against judgements: one row per run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help="TREC run file, plain or .gz")
    command.add_argument("--qrels", required=True, metavar="FILE|DATASET", help="judgements: a file, or a collection")
    command.add_argument("--split", metavar="NAME", help="the collection's split, e.g. dev; its official one if absent")
    command.add_argument(
        "--measures", nargs="+", metavar="MEASURE", help="default: nDCG@10 AP@1000 R@1000 RR@10 P@5 judged@10"
    )
    command.add_argument(
        "--min-rel", type=int, metavar="N", help="lowest relevant grade of binary measures without rel=; default 1"
    )
    command.add_argument(
        "--missing",
        choices=("zero", "skip"),
        default="zero",
        help="judged queries without results: count 0, or leave out",
    )
    command.add_argument(
        "--no-relevant",
        choices=("zero", "exclude"),
        default="zero",
        help="judged queries without a relevant document: count 0 as trec_eval does, or leave out",
    )
    command.add_argument(
        "--same-collection",
        action="store_true",
        help="accept a run that shares no query or document with the judgements",
    )
    command.add_argument(
        "--per-query", type=Path, metavar="FILE", help="write every query's values: .parquet, .csv, .json, .jsonl"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, unrounded")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    command.set_defaults(run=evaluate_runs)


def evaluate_runs(arguments: argparse.Namespace) -> int:
    """Evaluate, print, and write what was asked for."""
    from periti.datasets.references import open_qrels
    from periti.evaluation import DEFAULTS, Policy, evaluate, parse, report
    from periti.evaluation.export import require_writable_suffix, write_per_query

    if arguments.per_query is not None:
        require_writable_suffix(arguments.per_query)
    _require_runs_before_measures(arguments.measures)
    measures = parse(arguments.measures or DEFAULTS, arguments.min_rel)
    policy = Policy(arguments.missing, arguments.no_relevant)
    qrels = open_qrels(arguments.qrels, split=arguments.split)
    evaluations = [
        evaluate(ranking, qrels, measures, policy=policy, same_collection=arguments.same_collection)
        for ranking in _read(arguments.runs)
    ]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            print(f"periti: warning: {warning}", file=sys.stderr)
    if arguments.per_query is not None:
        write_per_query(evaluations, arguments.per_query)
    if arguments.json:
        print(report.as_json(evaluations))
    else:
        print((report.markdown if arguments.markdown else report.text)(evaluations), end="")
    return 0


def _read(paths: Sequence[str]) -> list[Run]:
    """The runs; those that share a tag are named by their files, by whole paths if the files' names are shared too."""
    from periti.datasets.trec import read_run

    if len(set(paths)) < len(paths):
        raise InputError(f"a run is given twice: {' '.join(paths)}; give each once")
    runs = [read_run(path) for path in paths]
    tags = [ranking.name for ranking in runs]
    files = [Path(path).name for path in paths]
    labels = files if len(set(files)) == len(files) else paths
    return [
        ranking if tags.count(ranking.name) == 1 else ranking.renamed(label)
        for ranking, label in zip(runs, labels, strict=True)
    ]


def _require_runs_before_measures(measures: Sequence[str] | None) -> None:
    """Catch a run file that `--measures` swallowed."""
    for name in measures or ():
        if Path(name).is_file():
            raise InputError(f"{name!r} after --measures is a file, not a measure; put the runs before --measures")
