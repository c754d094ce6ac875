"""`periti select quality`: texts that a trained rater rates high."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.selecting.embedding import embed_of
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

HELP = "texts that raters, learned from judged pairs, rate high"
EPILOG = """examples:
  periti train rater --pairs judged.jsonl --out rater
  periti select quality --rater rater --pool pool.jsonl --budget 5% --seed 1 --out chosen.parquet
  periti select quality --rater rater --temperature 2 --pool pool.jsonl --budget '5% tokens' --out chosen.parquet
  periti select quality --rater rater --weight answerability=2 expertise=1 --pool pool.jsonl --budget 5% \\
      --out chosen.parquet

The criteria of all raters are standardised over the pool and summed, each with its weight if there are weights."""


def add_options(parser: Any, *, required: bool = True) -> None:
    """Add the raters and the weights of their criteria."""
    parser.add_argument(
        "--rater",
        nargs="+",
        type=Path,
        required=required,
        default=[],
        metavar="FOLDER",
        help="raters, from `periti train rater`",
    )
    parser.add_argument(
        "--weight", nargs="+", default=[], metavar="NAME=W", help="of every criterion (default: all the same)"
    )


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:  # noqa: ARG001
    """The selector with its raters."""
    from periti.datasets.selection.quality.rater_files import read_rater
    from periti.datasets.selection.quality.selector import QualitySelector

    raters = tuple(read_rater(folder) for folder in arguments.rater)
    for folder, rater in zip(arguments.rater, raters, strict=True):
        trained = rater.card.get("encoder")
        if rater.needs_model and trained and trained != arguments.encoder:
            raise InputError(
                f"{folder}: the rater was trained with the encoder {trained!r}, not {arguments.encoder!r}; give "
                f"--encoder {trained}"
            )
    embed = embed_of(arguments) if any(rater.needs_model for rater in raters) else None
    return QualitySelector(raters, embed, tuple(_weight(text) for text in arguments.weight))


def _weight(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        weight = float(value)
    except ValueError:
        weight = float("nan")
    if not (equals and name and abs(weight) < float("inf")):
        raise InputError(f"--weight is {text!r}; give NAME=NUMBER, such as answerability=2")
    return name, weight
