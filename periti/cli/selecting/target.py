"""`periti select target`: near some example of the target, by a distilled classifier."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "documents whose meaning is near some example of the target, by a classifier learned from embeddings of a sample"
EPILOG = """examples:
  periti select target --pool pool.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet
  periti select target --pool pool.jsonl --target law.jsonl tax.jsonl --shares 0.7 0.3 --embed-sample 5000 \\
      --budget '10% tokens' --seed 1 --out chosen.parquet"""


def add_options(parser: Any) -> None:
    """Add the sample, and how examples vote."""
    parser.add_argument(
        "--embed-sample",
        type=int,
        default=10_000,
        metavar="N",
        help="documents of the pool that are embedded, drawn by chance (default: 10000)",
    )
    parser.add_argument(
        "--per-target",
        type=int,
        metavar="N",
        help="examples used of each target, drawn by chance (default: all)",
    )
    parser.add_argument(
        "--aggregate",
        choices=("max", "mean"),
        default="max",
        help="over examples: max finds what is near any one of them, mean what is near their middle (default: max)",
    )
    parser.add_argument(
        "--value",
        choices=("rank", "cosine"),
        default="rank",
        help="of a document to one example (default: rank)",
    )
    parser.add_argument(
        "--positive",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the sample that the classifier must find (default: 0.1)",
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from periti.cli.selecting.embedding import embed_of
    from periti.datasets.selection.target import TargetRanker

    return TargetRanker(
        embed=embed_of(arguments),
        sample=arguments.embed_sample,
        per_target=arguments.per_target,
        aggregate=arguments.aggregate,
        value=arguments.value,
        positive=arguments.positive,
    )
