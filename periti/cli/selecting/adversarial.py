"""`periti select adversarial`: what is left when labels can not be guessed from what should not tell them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from periti.cli.selecting.embedding import embed_of

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector
    from periti.datasets.selection.stages import Stage

HELP = "all records but those whose label a linear model guesses from the text (AFLite), down to chance"
BUDGET = "100%"
EPILOG = """examples:
  periti select adversarial --pool judged.jsonl --label grade --hide-from document --out hard.parquet
  periti select adversarial --pool judged.jsonl --label grade --stratum source --out hard.parquet"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add columns and the filter's options."""
    parser.add_argument("--label", required=True, metavar="COLUMN", help="what must not be guessed")
    parser.add_argument(
        "--hide-from",
        default="",
        metavar="COLUMN",
        help="the text that must not tell the label, e.g. document of judged pairs (default: the whole text)",
    )
    parser.add_argument("--stratum", default="", metavar="COLUMN", help="count removals by it (default: by label)")
    parser.add_argument("--partitions", type=int, default=64, metavar="N", help="random parts a round (default: 64)")
    parser.add_argument(
        "--predictable", type=float, default=0.75, metavar="P", help="guessed right so often to go (default: 0.75)"
    )
    parser.add_argument(
        "--slice", type=float, default=0.02, metavar="S", help="share of the records that go in a round (default: 0.02)"
    )
    parser.add_argument("--smallest", type=int, default=0, metavar="N", help="records that stay in any case")


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """By chance, should the budget be less than what is left."""
    from periti.datasets.selection.baselines import RandomSelector

    return RandomSelector()


def stages(arguments: argparse.Namespace) -> Sequence[Stage]:
    """The filter."""
    from periti.datasets.selection.aflite import AdversarialFilter
    from periti.datasets.selection.guessable import GuessableStage
    from periti.datasets.selection.pool import Columns, open_pool

    columns = Columns(tuple(arguments.text), arguments.id, arguments.group)
    pool = open_pool(arguments.pool, columns, skip_bad=arguments.skip_bad)
    options = AdversarialFilter(
        partitions=arguments.partitions,
        threshold=arguments.predictable,
        slice=arguments.slice,
        smallest=arguments.smallest,
    )
    embed = embed_of(arguments)
    return (GuessableStage(embed, pool, arguments.label, arguments.hide_from, arguments.stratum, options),)
