"""`periti select quad`: influence on the target, looked for by a bandit over clusters."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from periti.cli.selecting.embedding import embed_of

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "documents whose pairs would lower the target's loss, looked for cluster by cluster (Quad)"
EPILOG = """examples:
  periti select quad --pool pairs.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the bandit's options."""
    parser.add_argument("--clusters", type=int, default=0, metavar="N", help="arms (default: one per 100 texts)")
    parser.add_argument(
        "--examined", type=float, default=0.3, metavar="S", help="share of the pool that is looked at (default: 0.3)"
    )
    parser.add_argument("--alpha", type=float, default=0.1, help="of exploring; 0 is greedy (default: 0.1)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="documents of a pull (default: 8)")
    parser.add_argument(
        "--window", type=int, default=50, metavar="N", help="latest pulls that a mean rests on (default: 50)"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.1,
        metavar="I",
        help="influence to exceed; 0 is the pool's median, 1 its 99th percentile (default: 0.1)",
    )
    parser.add_argument(
        "--damping", type=float, metavar="L", help="use the loss's curvature, damped so (default: the identity)"
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its options."""
    from periti.datasets.selection.quad import QuadSelector

    return QuadSelector(
        embed=embed_of(arguments),
        clusters=arguments.clusters,
        examined=arguments.examined,
        alpha=arguments.alpha,
        batch=arguments.batch,
        window=arguments.window,
        threshold=arguments.threshold,
        damping=arguments.damping,
    )
