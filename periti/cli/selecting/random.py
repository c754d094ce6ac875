"""`periti select random`: the baseline of every comparison."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "any documents, by chance: the baseline"
EPILOG = """examples:
  periti select random --pool pool.jsonl --budget 5% --seed 1 --out chosen.parquet"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from periti.datasets.selection.baselines import RandomSelector

    return RandomSelector()
