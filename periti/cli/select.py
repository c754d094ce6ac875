"""`periti select`: which documents or pairs of a pool to learn from."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from periti.cli.selecting import METHODS, stages
from periti.cli.selecting.embedding import add_encoder_option, embed_of
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.datasets.selection.decontamination import Decontamination
    from periti.datasets.selection.job import Job
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.sampler import Sampling
    from periti.datasets.selection.selector import Target

DESCRIPTION = (
    "Choose from a pool of documents or pairs what experts learn from; `periti select METHOD --help` tells more."
)
EPILOG = """A pool is JSONL, CSV, TSV, Parquet or plain text (a document on each line), .gz or not, or a folder of
these. It is read block by block, so it may have any size. What is chosen keeps the pool's order and columns, and gets
`score`, and `target` where several targets were given. A pool with `query` and `document` is one of pairs: the file
that comes out is what `queries = "pairs"` of a panel trains on (docs/panels.md).

Duplicates go first, then what a test asks: each document, or query of a pair, is compared with the test queries of
every collection that periti knows. The budget counts what is left. A selection that was killed goes on where it was
when the same command is given again, to the same bytes. docs/data-selection.md tells more."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "select",
        help="choose from a pool what experts learn from",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(title="methods", metavar="METHOD", required=True)
    for name in METHODS:
        method = import_module(f"periti.cli.selecting.{name}")
        own = kinds.add_parser(
            name.replace("_", "-"),
            help=method.HELP,
            epilog=f"{method.EPILOG}\n\n{EPILOG}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        method.add_options(own)
        _add_files(own)
        _add_drawing(own, getattr(method, "BUDGET", None))
        _add_removal(own)
        own.set_defaults(run=run, method=method)


def _add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument("--pool", type=Path, required=True, help="file or folder to choose from")
    files.add_argument(
        "--target", nargs="+", default=[], metavar="FILE", help="examples of what is wanted; several choose in turn"
    )
    files.add_argument("--out", type=Path, required=True, metavar="FILE", help=".parquet, .jsonl or .jsonl.gz")
    files.add_argument(
        "--text", nargs="+", default=[], metavar="COLUMN", help="what to read (default: the usual names)"
    )
    files.add_argument(
        "--target-text", nargs="+", default=[], metavar="COLUMN", help="the same for targets (default: the usual names)"
    )
    files.add_argument("--id", default="", metavar="COLUMN", help="column of ids (default: a usual name, if any)")
    files.add_argument("--skip-bad", action="store_true", help="pass over what can not be read, and tell")
    files.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_drawing(parser: argparse.ArgumentParser, budget: str | None) -> None:
    drawing = parser.add_argument_group("how much, and how")
    usual = f" (default: {budget})".replace("%", "%%") if budget else ""
    amounts = "500, 5%%, '10000 tokens' or '5%% tokens'"
    drawing.add_argument("--budget", required=budget is None, default=budget, help=amounts + usual)
    drawing.add_argument("--seed", type=int, default=1, help="of everything that is drawn (default: 1)")
    drawing.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="of Gumbel noise on z-scores; 0 takes the best (default)",
    )
    drawing.add_argument(
        "--shares", nargs="+", type=float, metavar="S", help="of the targets in the budget (default: by their sizes)"
    )
    drawing.add_argument("--group", default="", metavar="COLUMN", help="column of groups")
    drawing.add_argument(
        "--quota", default="", help="of groups: equal, pool, or a=2,b=1 (default: none, all groups compete)"
    )
    drawing.add_argument(
        "--once",
        default="",
        metavar="COLUMN",
        help="choose each value of a column once, by its best record: document, query (default: as often as it comes)",
    )
    drawing.add_argument("--write-weight", action="store_true", help="write `weight`, by the score")
    drawing.add_argument("--write-order", choices=("best-first", "best-last"), help="write `order`, by the score")
    drawing.add_argument(
        "--explain", default="", metavar="ID", help="tell why a document was chosen or not; #7 is row 7"
    )
    drawing.add_argument("--no-kl", action="store_true", help="leave the KL reduction out of the report, and its pass")
    drawing.add_argument("--processes", type=int, metavar="N", help="that score (default: one for each core)")


def _add_removal(parser: argparse.ArgumentParser) -> None:
    removal = parser.add_argument_group("what is taken out before")
    removal.add_argument("--keep-duplicates", action="store_true", help="keep texts that are the same")
    removal.add_argument("--no-decontaminate", action="store_true", help="do not compare with test queries")
    removal.add_argument(
        "--against",
        nargs="+",
        metavar="QUERIES",
        help="test queries to compare with instead of all: files or NAME:SPLIT",
    )
    removal.add_argument("--run-words", type=int, default=13, metavar="N", help="words in a row that are too many (13)")
    removal.add_argument(
        "--cosine", type=float, metavar="C", help="also take out what is so close to a test query (default: off)"
    )
    add_encoder_option(removal)
    stages.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Select, write, print the report."""
    from periti.datasets.selection.executors import processes
    from periti.datasets.selection.job import select
    from periti.datasets.selection.report import lines_of
    from periti.progress import Terminal

    count = arguments.processes or len(os.sched_getaffinity(0))
    if count < 1:
        raise InputError(f"--processes is {count}; it must be at least 1")
    report = select(_job(arguments), arguments.out, blocks=processes(count), progress=Terminal())
    print(json.dumps(asdict(report), ensure_ascii=False) if arguments.json else "\n".join(lines_of(report)))
    return 0


def _job(arguments: argparse.Namespace) -> Job:
    from periti.datasets.selection.gathering import Written
    from periti.datasets.selection.job import Job
    from periti.datasets.selection.pool import Columns, open_pool

    method: ModuleType = arguments.method
    columns = Columns(tuple(arguments.text), arguments.id, arguments.group)
    pool = open_pool(arguments.pool, columns, skip_bad=arguments.skip_bad)
    own = method.stages(arguments) if hasattr(method, "stages") else ()
    decontamination, absent = _decontamination(arguments)
    return Job(
        pool=pool,
        selector=method.build(arguments, pool),
        sampling=_sampling(arguments),
        targets=_targets(arguments),
        filters=tuple(stages.filters(arguments)),
        stages=(*stages.stages(arguments), *own),
        decontamination=decontamination,
        duplicates=not arguments.keep_duplicates,
        once=arguments.once,
        absent=absent,
        written=Written(arguments.write_weight, arguments.write_order or ""),
        explain=arguments.explain,
        kl=not arguments.no_kl,
    )


def _sampling(arguments: argparse.Namespace) -> Sampling:
    from periti.datasets.selection.budget import Budget
    from periti.datasets.selection.quotas import Quota
    from periti.datasets.selection.sampler import Sampling

    if arguments.quota and not arguments.group:
        raise InputError("--quota needs --group COLUMN; name the column of groups")
    if arguments.seed < 0:
        raise InputError(f"--seed is {arguments.seed}; it must be 0 or larger")
    quota = Quota.parse(arguments.quota) if arguments.quota else Quota()
    return Sampling(Budget.parse(arguments.budget), arguments.temperature, arguments.seed, quota=quota)


def _targets(arguments: argparse.Namespace) -> tuple[Target, ...]:
    """The targets, named by their files."""
    from periti.datasets.selection.pool import Columns, open_pool
    from periti.datasets.selection.selector import Target

    shares: Sequence[float | None] = arguments.shares or [None] * len(arguments.target)
    if len(shares) != len(arguments.target):
        raise InputError(f"--shares gives {len(shares)} shares for {len(arguments.target)} targets; give one each")
    found = []
    for path, share in zip(arguments.target, shares, strict=True):
        examples: Pool = open_pool(path, Columns(tuple(arguments.target_text)), skip_bad=arguments.skip_bad)
        texts = tuple(text for block in examples.texts() for text in block if text.strip())
        found.append(Target(Path(path).name.split(".")[0], texts, share))
    return tuple(found)


def _decontamination(arguments: argparse.Namespace) -> tuple[Decontamination | None, tuple[str, ...]]:
    """What tests ask, and collections that are not there to compare with."""
    from periti.datasets.selection.decontamination import Decontamination, evaluation_queries, queries_of

    if arguments.no_decontaminate:
        if arguments.against or arguments.cosine is not None:
            raise InputError("--no-decontaminate compares with nothing; leave --against and --cosine out")
        return None, ()
    tests, absent = (queries_of(arguments.against), []) if arguments.against else evaluation_queries()
    embed = None if arguments.cosine is None else embed_of(arguments)
    threshold = 1.0 if arguments.cosine is None else arguments.cosine
    return Decontamination.of(tests, n=arguments.run_words, embed=embed, threshold=threshold), tuple(absent)
