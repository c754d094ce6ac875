"""`periti select dsir`: importance weights by n-grams."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "documents whose words and pairs of words are likelier in the target than in the pool"
EPILOG = """examples:
  periti select dsir --pool pool.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet
  periti select dsir --pool pool.jsonl --target examples.jsonl --budget 1000 --smoothing none --length sum --package \\
      --least-words 100 --seed 1 --out chosen.parquet    the weights of the data-selection package"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the weights depend on."""
    parser.add_argument("--ngrams", type=int, default=2, metavar="N", help="words of the longest n-gram (default: 2)")
    parser.add_argument("--buckets", type=int, default=10_000, metavar="B", help="to hash into (default: 10000)")
    parser.add_argument(
        "--smoothing",
        default="jm:auto",
        metavar="HOW",
        help="of the target: none, laplace:COUNT, jm:SHARE of the pool, or jm:auto for the share that predicts "
        "left-out examples best (default: jm:auto)",
    )
    parser.add_argument(
        "--length",
        choices=("chunk", "sum", "mean"),
        default="chunk",
        help="how weights of n-grams become one of a document: the mean over its chunks, their sum, or per word "
        "(default: chunk)",
    )
    parser.add_argument("--chunk", type=int, default=100, metavar="WORDS", help="most words of a chunk (default: 100)")
    parser.add_argument(
        "--least-words", type=int, default=1, metavar="N", help="shorter documents are never chosen (default: 1)"
    )
    parser.add_argument("--package", action="store_true", help="words and buckets of the data-selection package")


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from periti.datasets.selection.dsir import DsirSelector

    return DsirSelector(
        n=arguments.ngrams,
        buckets=arguments.buckets,
        smoothing=arguments.smoothing,
        length=arguments.length,
        chunk=arguments.chunk,
        min_tokens=arguments.least_words,
        ngrams="package" if arguments.package else "hashed",
    )
