"""`periti evaluate`: measures of TREC runs against judgements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.evaluation import Evaluation, Policy
    from periti.evaluation.against import Comparison
    from periti.evaluation.policy import Order

EPILOG = """examples:
  periti evaluate --qrels scifact scifact.run
  periti evaluate --qrels qrels.txt bm25.run dense.run hybrid.run --measures nDCG@10 R@100
  periti evaluate --qrels msmarco-dl19-dl20-pool:dl19 dl19.run --min-rel 2
  periti evaluate --qrels qrels.txt my.run --measures "AP(rel=2)@1000" "nDCG(dcg='exp-log2')@10" "RBP(p=0.8,rel=1)"
  periti evaluate --qrels qrels.txt my.run --per-query values.parquet --json
  periti evaluate --qrels qrels.txt my.run --ties expected --measures nDCG@10 AP RR
  periti evaluate --qrels qrel_abs_test.txt tar.run --order file --no-relevant exclude --missing skip \\
      --measures AP last_rel WSS@0.95 WSS@1 norm_area
  periti evaluate --qrels nfcorpus-traindev:dev my.run --measures nDCG@10 --against published \\
      --benchmark "BEIR nfcorpus" --declare split=test corpus_size=3633 first_stage=none
  periti evaluate --list-measures

Measures are spelled as ir-measures spells them (https://ir-measur.es), those that it lacks as --list-measures says.
Counts, denominators and rules are printed under every table; --json does not round."""


def add_parser(commands: Any) -> None:
    """Add the command to argparse's sub-parsers."""
    command = commands.add_parser(
        "evaluate",
        help="measure TREC runs against judgements",
        description="Measure TREC runs against judgements: one row per run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", nargs="*", metavar="RUN", help="TREC run file, plain or .gz")
    command.add_argument("--qrels", metavar="FILE|DATASET", help="judgements: a file, or a collection")
    command.add_argument("--split", metavar="NAME", help="the collection's split, e.g. dev; its official one if absent")
    command.add_argument(
        "--measures", nargs="+", metavar="MEASURE", help="default: nDCG@10 AP@1000 R@1000 RR@10 P@5 judged@10"
    )
    command.add_argument(
        "--min-rel",
        type=int,
        metavar="N",
        help="lowest relevant grade of binary measures without rel=; default: the collection's own, or 1",
    )
    _add_rules(command)
    _add_published(command)
    command.add_argument(
        "--per-query", type=Path, metavar="FILE", help="write every query's values: .parquet, .csv, .json, .jsonl"
    )
    command.add_argument("--list-measures", action="store_true", help="print what every measure is, and stop")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, unrounded")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    command.set_defaults(run=evaluate_runs)


def _add_rules(command: argparse.ArgumentParser) -> None:
    """Options that change what numbers are computed over."""
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
        "--order",
        choices=("score", "file"),
        default="score",
        help="rank by score, or by the order of the lines as CLEF TAR does",
    )
    command.add_argument(
        "--ties",
        choices=("docid", "expected"),
        default="docid",
        help="equal scores: by document id, or the expected value over random orders, with bounds",
    )
    command.add_argument(
        "--sampled",
        nargs="?",
        const="",
        metavar="STRATA",
        help="the judgements are a random sample of the pool; STRATA: lines `query document stratum`",
    )


def _add_published(command: argparse.ArgumentParser) -> None:
    """Options that set the numbers against published ones."""
    command.add_argument("--against", choices=("published",), help="compare with published numbers, or say why not")
    command.add_argument("--benchmark", metavar="NAME", help="the benchmark these runs are of; default: --qrels' name")
    command.add_argument(
        "--declare",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="what files do not tell: revision, split, corpus_size, first_stage (none: whole corpus), depth",
    )


def evaluate_runs(arguments: argparse.Namespace) -> int:
    """Evaluate, print, and write what was asked for."""
    from periti.cli.runs import read_runs, read_strata
    from periti.datasets.references import open_qrels
    from periti.evaluation import DEFAULTS, evaluate, parse
    from periti.evaluation.export import require_writable_suffix, write_per_query

    if arguments.list_measures:
        return _list_measures(arguments)
    if arguments.per_query is not None:
        require_writable_suffix(arguments.per_query)
    _require_runs_before_measures(arguments.measures)
    if not arguments.runs or arguments.qrels is None:
        raise InputError("nothing to evaluate; give --qrels and at least one run, or --list-measures")
    policy = _policy(arguments)
    level, notes = _level(arguments)
    measures = parse(arguments.measures or DEFAULTS, level)
    qrels = open_qrels(arguments.qrels, split=arguments.split)
    strata = read_strata(arguments.sampled, qrels) if arguments.sampled else None
    evaluations = [
        evaluate(ranking, qrels, measures, policy=policy, same_collection=arguments.same_collection, strata=strata)
        for ranking in read_runs(arguments.runs, arguments.order)
    ]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            print(f"periti: warning: {warning}", file=sys.stderr)
    compared = _against(arguments, evaluations)
    if arguments.per_query is not None:
        write_per_query(evaluations, arguments.per_query)
    _print(arguments, evaluations, notes, compared)
    return 0


def _print(
    arguments: argparse.Namespace,
    evaluations: list[Evaluation],
    notes: list[tuple[str, str]],
    compared: tuple[Comparison, ...] | None,
) -> None:
    """The report, in the form asked for."""
    from periti.evaluation import against, report

    if arguments.json:
        more: dict[str, Any] = {"notes": dict(notes)} if notes else {}
        if compared is not None:
            more["published"] = against.as_data(compared)
        print(report.as_json(evaluations, more))
        return
    print((report.markdown if arguments.markdown else report.text)(evaluations, notes=notes), end="")
    if compared is not None:
        told = against.as_text(compared)
        print(f"\n```\n{told}```" if arguments.markdown else f"\n{told}", end="\n" if arguments.markdown else "")


def _list_measures(arguments: argparse.Namespace) -> int:
    """Print the fact sheets."""
    from periti.evaluation import sheets

    if arguments.json:
        print(sheets.as_json(sheets.sheets()))
    else:
        print((sheets.as_markdown if arguments.markdown else sheets.as_text)(sheets.sheets()), end="")
    return 0


def _policy(arguments: argparse.Namespace) -> Policy:
    """The rules asked for."""
    from periti.evaluation import Policy

    if arguments.order == "file" and arguments.ties == "expected":
        raise InputError("--order file has no ties; leave --ties expected out")
    order: Order = "expected" if arguments.ties == "expected" else arguments.order
    return Policy(arguments.missing, arguments.no_relevant, order, arguments.sampled is not None)


def _level(arguments: argparse.Namespace) -> tuple[int | None, list[tuple[str, str]]]:
    """The lowest relevant grade, and the note that says where it comes from if it was not given."""
    from periti.datasets.catalog import catalog

    name = arguments.qrels.partition(":")[0]
    if arguments.min_rel is not None or Path(name).exists() or name not in catalog():
        return arguments.min_rel, []
    level = catalog()[name].min_rel
    note = f"{level} in binary measures without rel=, from the catalog's entry of {name}"
    return (level if level > 1 else None), [("lowest relevant grade", note)]


def _against(arguments: argparse.Namespace, evaluations: list[Evaluation]) -> tuple[Comparison, ...] | None:
    """Comparisons with published numbers, if they were asked for."""
    if arguments.against is None:
        if arguments.declare or arguments.benchmark:
            raise InputError("--declare and --benchmark say what to compare with; add --against published")
        return None
    from periti.evaluation.against import against
    from periti.evaluation.published import declared

    told = declared(arguments.declare)
    benchmark = arguments.benchmark or told.pop("benchmark", None) or arguments.qrels.partition(":")[0]
    return against(evaluations, benchmark, told)


def _require_runs_before_measures(measures: Sequence[str] | None) -> None:
    """Catch a run file that `--measures` swallowed."""
    for name in measures or ():
        if Path(name).is_file():
            raise InputError(f"{name!r} after --measures is a file, not a measure; put the runs before --measures")
