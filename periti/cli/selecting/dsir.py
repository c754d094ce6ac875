"""`periti select dsir`: importance weights by n-grams."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "documents whose words and pairs of words are likelier in the target than in the pool"
EPILOG = """examples:
  periti select dsir --pool pool.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet
  periti select dsir --pool pool.jsonl --target examples.jsonl --budget 1000 --package --seed 1 --out chosen.parquet"""


def add_options(parser: Any) -> None:
    """Add what the weights depend on."""
    parser.add_argument("--ngrams", type=int, default=2, metavar="N", help="words of the longest n-gram (default: 2)")
    parser.add_argument("--buckets", type=int, default=10_000, metavar="B", help="to hash into (default: 10000)")
    parser.add_argument(
        "--smoothing",
        metavar="HOW",
        help="of the target: none, laplace:COUNT, jm:SHARE of the pool, or jm:auto for the share that predicts "
        "left-out examples best (default: jm:auto)",
    )
    parser.add_argument(
        "--length",
        choices=("chunk", "sum", "mean"),
        help="how weights of n-grams become one of a document: the mean over its chunks, their sum, or per word "
        "(default: chunk)",
    )
    parser.add_argument("--chunk", type=int, default=100, metavar="WORDS", help="most words of a chunk (default: 100)")
    parser.add_argument(
        "--package",
        action="store_true",
        help="the weights of the data-selection package: its words and buckets, --smoothing none and --length sum "
        "where not said otherwise, nothing below 100 words",
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from dataclasses import replace

    from periti.datasets.selection.dsir import PACKAGE, DsirSelector

    base = PACKAGE if arguments.package else DsirSelector()
    return replace(
        base,
        n=arguments.ngrams,
        buckets=arguments.buckets,
        smoothing=arguments.smoothing or base.smoothing,
        length=arguments.length or base.length,
        chunk=arguments.chunk,
    )
