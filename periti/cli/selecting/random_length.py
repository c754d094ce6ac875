"""`periti select random-length`: chance with the target's lengths."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "any documents with the target's histogram of lengths: the fairer baseline"
EPILOG = """examples:
  periti select random-length --pool pool.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the width of a bin."""
    parser.add_argument(
        "--ratio",
        type=float,
        default=1.25,
        help="longest over shortest length of a bin of the histogram (default: 1.25)",
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from periti.datasets.selection.baselines import RandomLengthSelector

    return RandomLengthSelector(ratio=arguments.ratio)
