"""`periti adjudicate simulate`: what would cheap judgements have shown? Tables, curves, a page."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.evaluation import Measure
    from periti.evaluation.adjudication.left_out import LeftOut
    from periti.evaluation.adjudication.pool import Pool
    from periti.evaluation.adjudication.simulate import Design
    from periti.evaluation.adjudication.summary import Summary

TABLES = (".csv", ".parquet")


def add_options(part: argparse.ArgumentParser) -> None:
    """Add what a simulation needs, and the files that it can write."""
    part.add_argument("--dataset", metavar="NAME", help="clef-tar-2017 or trec-covid-round1, from PERITI_DATA")
    part.add_argument("--runs", nargs="+", metavar="RUN", help="run files, two or more")
    part.add_argument("--qrels", metavar="FILE|DATASET", help="the true judgements")
    part.add_argument("--order", choices=("score", "file"), default="score", help="rank runs by score or line")
    part.add_argument("--budget", nargs="+", type=float, default=[0.05, 0.1, 0.25], metavar="B")
    part.add_argument(
        "--mode",
        choices=("per_topic_share", "per_topic_fixed", "global"),
        default="per_topic_share",
        help="budgets are shares of every query's pool, documents a query, or one sum that the method divides",
    )
    part.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all")
    part.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1; default 5")
    part.add_argument("--measure", metavar="MEASURE", help="default: the data set's, else AP")
    part.add_argument("--min-rel", type=int, metavar="N", help="lowest relevant grade where the measure has no rel=")
    part.add_argument("--tests", nargs="+", default=["t+holm", "hsd"], metavar="TEST", help="t+holm, t+bh, hsd")
    part.add_argument("--alpha", type=float, default=0.05)
    part.add_argument("--depth", type=int, default=100, metavar="K", help="documents of each run in the pool")
    part.add_argument(
        "--unjudged",
        choices=("nonrelevant", "leave-out"),
        help="pooled documents without a true judgement; default: nonrelevant, for trec-covid-round1 leave-out",
    )
    part.add_argument("--replicates", type=int, default=200, metavar="N", help="bootstrap draws for intervals; 0: none")
    part.add_argument(
        "--leave-out", action="store_true", help="also the bias against a run outside the pool, every run in turn"
    )
    files = part.add_argument_group("files")
    files.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves that needs no network")
    files.add_argument("--curves", type=Path, metavar="FILE", help="write value by budget and method, .csv or .parquet")
    form = part.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, unrounded")
    form.add_argument("--markdown", action="store_true", help="print Markdown")


def simulate_judging(arguments: argparse.Namespace) -> int:
    """Simulate and print."""
    from periti.evaluation import parse
    from periti.evaluation.adjudication import report
    from periti.evaluation.adjudication.methods import METHODS
    from periti.evaluation.adjudication.orders import Budget
    from periti.evaluation.adjudication.simulate import Design, simulate
    from periti.evaluation.adjudication.summary import summarise

    if arguments.seeds < 1:
        raise InputError(f"--seeds is {arguments.seeds}; give how many, 1 or more")
    _require_names(arguments)
    design = Design(
        methods=tuple(arguments.methods or METHODS),
        budgets=tuple(Budget(amount, arguments.mode) for amount in arguments.budget),
        seeds=tuple(range(arguments.seeds)),
        tests=tuple(arguments.tests),
        alpha=arguments.alpha,
    )
    pool, default, notes = _simulated_pool(arguments)
    measure = parse([arguments.measure or default], arguments.min_rel)[0]
    summary = summarise(simulate(pool, measure, design), replicates=arguments.replicates)
    left = _left_out(pool, measure, design) if arguments.leave_out else ()
    _write_files(summary, left, notes, arguments)
    if arguments.json:
        more = {"left_out": report.left_out_data(left, pool.systems)} if arguments.leave_out else {}
        print(report.as_json(summary, {"notes": list(notes), **more}))
        return 0
    print(report.left_out_text(left, markdown=arguments.markdown), end="")
    print((report.markdown if arguments.markdown else report.text)(summary), end="")
    for note in notes:
        print(f"* {note}" if arguments.markdown else note)
    return 0


def _simulated_pool(arguments: argparse.Namespace) -> tuple[Pool, str, tuple[str, ...]]:
    """The pool, the measure that its study takes, and what is to be said of the runs."""
    from periti.cli.runs import read_runs
    from periti.cli.studies import open_study
    from periti.datasets.references import open_qrels
    from periti.evaluation.adjudication.pool import build_pool

    if arguments.dataset is not None:
        if arguments.runs or arguments.qrels:
            raise InputError("--dataset brings its runs and judgements; leave --runs and --qrels out")
        study = open_study(arguments.dataset)
        pool = build_pool(study.runs, study.qrels, depth=arguments.depth, unjudged=arguments.unjudged or study.unjudged)
        return pool, study.measure, study.notes
    if not arguments.runs or arguments.qrels is None:
        raise InputError("nothing to simulate; give --dataset, or --runs and --qrels")
    runs, qrels = read_runs(arguments.runs, arguments.order), open_qrels(arguments.qrels)
    return build_pool(runs, qrels, depth=arguments.depth, unjudged=arguments.unjudged or "nonrelevant"), "AP", ()


def _require_names(arguments: argparse.Namespace) -> None:
    """Refuse a file that could not be written before minutes of work."""
    if arguments.curves is not None and arguments.curves.suffix not in TABLES:
        raise InputError(f"{arguments.curves}: curves are written as {' or '.join(TABLES)}; name such a file")
    for path in (arguments.html, arguments.curves):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; name a file that can be written")


def _left_out(pool: Pool, measure: Measure, design: Design) -> tuple[LeftOut, ...]:
    """The bias of every method under every budget, with the first seed."""
    from periti.evaluation.adjudication.left_out import leave_out
    from periti.evaluation.adjudication.scoring import Scorer

    scorer = Scorer(pool, measure)
    found = [leave_out(scorer, design.methods, budget=budget, seed=design.seeds[0]) for budget in design.budgets]
    return tuple(one for part in found for one in part)


def _write_files(
    summary: Summary, left: Sequence[LeftOut], notes: Sequence[str], arguments: argparse.Namespace
) -> None:
    """The page and the curves, where they were asked for."""
    from periti.evaluation.adjudication.curves import curves

    try:
        if arguments.curves is not None:
            frame = curves(summary)
            frame.write_parquet(arguments.curves) if arguments.curves.suffix == ".parquet" else frame.write_csv(
                arguments.curves
            )
        if arguments.html is not None:
            from periti.evaluation.reports import Provenance, judging_html

            command = shlex.join(["periti", *sys.argv[1:]])
            provenance = Provenance(command=command, digests=_digests(arguments))
            name = arguments.dataset or "runs"
            page = judging_html(
                summary, heading=f"Cheap judging of {name}", left_out=left, said=notes, provenance=provenance
            )
            arguments.html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; name a file that can be written") from error


def _digests(arguments: argparse.Namespace) -> dict[str, str]:
    """The sha256 of every input that is a file."""
    named = [Path(name) for name in (*(arguments.runs or ()), arguments.qrels or "") if name]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in named if path.is_file()}
