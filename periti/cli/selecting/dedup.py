"""`periti select dedup`: what is left when texts that say the same are one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from periti.cli.selecting.stages import near_duplicates

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector
    from periti.datasets.selection.stages import Stage

HELP = "all documents but duplicates: exact, near (MinHash) and, if asked for, semantic"
BUDGET = "100%"
EPILOG = """examples:
  periti select dedup --pool pool.jsonl --out distinct.parquet
  periti select dedup --pool pool.jsonl --near-duplicates 0.7 --keep-best quality --out distinct.parquet
  periti select dedup --pool pool.jsonl --semantic-duplicates 0.95 --out distinct.parquet"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add which of a cluster stays."""
    parser.add_argument(
        "--keep-best",
        default="",
        metavar="COLUMN",
        help="of near-duplicates keep the one with the largest number in the column (default: the first)",
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """By chance, should the budget be less than what is left."""
    from periti.datasets.selection.baselines import RandomSelector

    return RandomSelector()


def stages(arguments: argparse.Namespace) -> Sequence[Stage]:
    """Near-duplicates, unless --near-duplicates asks for them and any will do."""
    from periti.datasets.selection.near_duplicates import NearDuplicateStage
    from periti.datasets.selection.pool import Columns, open_pool
    from periti.datasets.selection.values import ColumnValues

    asked = arguments.near_duplicates
    if not arguments.keep_best:
        return () if asked is not None else (NearDuplicateStage(near_duplicates(arguments, 0.8)),)
    # The best of copies need not be the first, which the removal of exact duplicates would keep: here they go as near
    # ones, in one stage that knows the column.
    arguments.near_duplicates, arguments.keep_duplicates = None, True
    columns = Columns(tuple(arguments.text), arguments.id, arguments.group)
    pool = open_pool(arguments.pool, columns, skip_bad=arguments.skip_bad)
    options = near_duplicates(arguments, 0.8 if asked is None else asked)
    return (NearDuplicateStage(options, scores=ColumnValues(pool, arguments.keep_best)),)
