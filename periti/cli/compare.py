"""`periti compare`: are these systems different? Corrected tests, intervals, effects and power."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.report_files import add_files, provenance_of, write_files
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.evaluation.significance import Evidence, Scores, Study
    from periti.types import Run

EPILOG = """examples:
  periti compare --qrels scifact bm25.run dense.run hybrid.run
  periti compare --qrels qrels.txt a.run b.run c.run --measure nDCG@10 AP --baseline a.run
  periti compare --qrels qrels.txt *.run --measure nDCG@10 --test randomization --correction maxt --seed 1 --json
  periti compare --qrels qrels.txt *.run --test hsd
  periti compare --qrels qrels.txt bert-s1.run bert-s2.run bm25.run --seeds-of "(.*)-s[0-9]+"
  periti compare --qrels qrels.txt a.run b.run --margin .01
  periti compare --qrels qrels.txt *.run --html report.html --latex table.tex --parquet frames/
  periti compare --scores adhoc8_ap.csv --test hsd
  periti compare --scores web2012.csv web2013.csv --measure nDCG@20

A score table is a CSV with a column a system and a row a topic, or the file of `periti evaluate --per-query`; several
tables are several collections, compared by Friedman and Nemenyi besides. * marks a significant difference, ! a warning,
= an equivalence; --json has every number in full. A higher score is taken for better. Choose test and correction before
you look."""


def add_parser(commands: Any) -> None:
    """Add the command to argparse's sub-parsers."""
    command = commands.add_parser(
        "compare",
        help="test whether runs differ, corrected for multiple comparisons",
        description="Compare runs over the judged queries, or tables of scores: all pairs, or others with a baseline.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_inputs(command)
    _add_design(command)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, unrounded, with every topic's scores")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    add_files(command)
    command.set_defaults(run=compare_runs)


def _add_inputs(command: argparse.ArgumentParser) -> None:
    """What is compared."""
    command.add_argument("runs", nargs="*", metavar="RUN", help="run files, two or more")
    command.add_argument("--qrels", metavar="FILE|DATASET", help="judgements: a file, or a collection")
    command.add_argument("--split", metavar="NAME", help="the collection's split; its official one if absent")
    command.add_argument("--scores", nargs="+", type=Path, metavar="FILE", help="score tables instead of runs")
    command.add_argument(
        "--measure", "--measures", nargs="+", dest="measures", metavar="MEASURE", help="default: nDCG@10"
    )
    command.add_argument(
        "--min-rel", type=int, metavar="N", help="lowest relevant grade of binary measures without rel="
    )
    command.add_argument(
        "--missing",
        choices=("refuse", "zero", "common"),
        default="refuse",
        help="queries that some runs answer and some do not: refuse (default), count 0, or use common ones only",
    )
    command.add_argument(
        "--no-relevant",
        choices=("zero", "exclude"),
        default="zero",
        help="judged queries without a relevant document: count 0 as trec_eval does, or leave out",
    )
    command.add_argument("--same-collection", action="store_true", help="accept runs that share no document with qrels")
    command.add_argument(
        "--seeds-of", metavar="REGEX", help="average runs of one system topic by topic; the group is its name"
    )


def _add_design(command: argparse.ArgumentParser) -> None:
    """How it is compared."""
    command.add_argument("--baseline", metavar="RUN", help="compare the others with this one only; default: all pairs")
    command.add_argument(
        "--test", choices=("t", "randomization", "wilcoxon", "hsd", "randomized-hsd"), default="t", help="default: t"
    )
    command.add_argument(
        "--correction",
        choices=("none", "bonferroni", "holm", "hochberg", "bh", "by", "maxt"),
        help="default: holm; none for hsd and randomized-hsd, which hold for all pairs already",
    )
    command.add_argument(
        "--family",
        choices=("measure", "all"),
        default="measure",
        help="comparisons corrected together; default: measure",
    )
    command.add_argument("--alpha", type=float, default=0.05, metavar="LEVEL", help="default: .05, two-sided")
    command.add_argument("--margin", type=float, metavar="D", help="test equivalence within D as well (TOST)")
    command.add_argument("--permutations", type=int, default=100_000, metavar="N", help="default: 100000")
    command.add_argument("--bootstrap", type=int, default=10_000, metavar="N", help="of BCa intervals; 0: none")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of everything drawn; default: 1")
    command.add_argument("--zeros", choices=("wilcox", "pratt"), default="wilcox", help="Wilcoxon's zero differences")
    command.add_argument(
        "--null",
        choices=("auto", "exact", "table", "normal"),
        default="auto",
        help="Wilcoxon's null distribution: exact given ties, the table that ignores them, normal; default: auto",
    )
    command.add_argument(
        "--ties-within",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="Wilcoxon ranks differences this close, relative to the largest, as tied, e.g. 1e-12; default: 0",
    )
    command.add_argument("--every-test", action="store_true", help="add the other tests' p-values, not corrected")


def compare_runs(arguments: argparse.Namespace) -> int:
    """Compare, warn, and print."""
    from periti.evaluation.significance import text

    study = study_of(arguments)
    write_files(study, arguments)
    if arguments.json:
        print(text.as_json(study, {"provenance": asdict(provenance_of(arguments))}))
    elif arguments.markdown:
        print(text.markdown(study, more=provenance_of(arguments).sentences), end="")
    else:
        print(text.text(study), end="")
    return 0


def study_of(arguments: argparse.Namespace) -> Study:
    """The study that the arguments ask for."""
    from periti.evaluation.significance import Design, Evidence, compare

    design = Design(
        test=arguments.test,
        correction=arguments.correction or "",
        family=arguments.family,
        alpha=arguments.alpha,
        permutations=arguments.permutations,
        bootstrap=arguments.bootstrap,
        seed=arguments.seed,
        margin=arguments.margin,
        zeros=arguments.zeros,
        null=arguments.null,
        ties_within=arguments.ties_within,
        every_test=arguments.every_test,
    )
    names: dict[str, str] = {}
    if arguments.scores is not None:
        tables, evidence = _from_tables(arguments), Evidence()
    else:
        tables, evidence, names = _from_runs(arguments)
    if arguments.seeds_of is not None:
        tables = [table.averaged(arguments.seeds_of) for table in tables]
    if arguments.baseline is not None:
        design = replace(design, baseline=names.get(arguments.baseline, arguments.baseline))
    return compare(tables, design, evidence)


def _from_tables(arguments: argparse.Namespace) -> list[Scores]:
    """The tables of --scores."""
    from periti.evaluation.significance import read_scores

    if arguments.runs or arguments.qrels:
        raise InputError("--scores stands instead of runs and --qrels; give one or the other")
    if arguments.measures and len(arguments.measures) > 1:
        raise InputError(f"--scores holds one measure a table, and {len(arguments.measures)} are named; name one")
    measure = (arguments.measures or ["score"])[0]
    return [
        table for path in arguments.scores for table in read_scores(path, measure=measure, missing=arguments.missing)
    ]


def _from_runs(arguments: argparse.Namespace) -> tuple[list[Scores], Evidence, dict[str, str]]:
    """The tables of the runs, what they show besides, and the runs' names by their paths."""
    from periti.datasets.references import open_qrels
    from periti.evaluation import parse
    from periti.evaluation.significance import Terms, from_runs

    if not arguments.runs or not arguments.qrels:
        raise InputError("compare needs --qrels and two or more runs, or --scores; see periti compare --help")
    for name in arguments.measures or ():
        if Path(name).is_file():
            raise InputError(f"{name!r} after --measure is a file, not a measure; put the runs before --measure")
    measures = parse(arguments.measures or ["nDCG@10"], arguments.min_rel)
    runs = _read(arguments.runs)
    tables, evidence = from_runs(
        runs,
        open_qrels(arguments.qrels, split=arguments.split),
        measures,
        Terms(arguments.missing, arguments.no_relevant, arguments.same_collection),
    )
    return tables, evidence, {path: run.name for path, run in zip(arguments.runs, runs, strict=True)}


def _read(paths: Sequence[str]) -> list[Run]:
    """The runs; those that share a tag are named by their files, by whole paths if the files' names are shared too."""
    from periti.datasets.references import open_run

    if len(set(paths)) < len(paths):
        raise InputError(f"a run is given twice: {' '.join(paths)}; give each once")
    runs = [open_run(path) for path in paths]
    tags = [run.name for run in runs]
    files = [Path(path).name for path in paths]
    labels = files if len(set(files)) == len(files) else paths
    return [run if tags.count(run.name) == 1 else run.renamed(label) for run, label in zip(runs, labels, strict=True)]
