"""`periti select combined`: several methods at once, their standard scores summed."""

from __future__ import annotations

import argparse
import math
from importlib import import_module
from typing import TYPE_CHECKING

from periti.cli.selecting import dsir, quality, target
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.selector import Selector

PARTS = ("dsir", "target", "quality")
HELP = "documents that several methods want: dsir, target, quality; their scores are standardised and summed"
EPILOG = """examples:
  periti select combined --of dsir target --pool pool.jsonl --target examples.jsonl --budget 5% --out chosen.parquet
  periti select combined --of dsir=2 quality=1 --rater rater --pool pool.jsonl --target examples.jsonl --budget 5% \\
      --out chosen.parquet

Each method has its own options here too. Scores are standardised over a sample of the pool, and summed with the weights
that are given (1 where none is)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the parts and the options of each."""
    parser.add_argument(
        "--of", nargs="+", required=True, metavar="METHOD[=W]", help=f"methods and their weights: {', '.join(PARTS)}"
    )
    dsir.add_options(parser.add_argument_group("dsir"))
    target.add_options(parser.add_argument_group("target"))
    quality.add_options(parser.add_argument_group("quality"), required=False)


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:
    """The parts, each as its own method builds it."""
    from periti.datasets.selection.combined import CombinedSelector

    found = [_part(text) for text in arguments.of]
    names = [name for name, _ in found]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"--of is {' '.join(arguments.of)}; give two methods or more, each once")
    if ("quality" in names) != bool(arguments.rater):
        raise InputError("--of quality and --rater FOLDER go together; give both or none of them")
    built = tuple((name, import_module(f"periti.cli.selecting.{name}").build(arguments, pool)) for name in names)
    return CombinedSelector(built, tuple(weight for _, weight in found))


def _part(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        weight = float(value) if equals else 1.0
    except ValueError:
        weight = math.nan
    if name not in PARTS or not 0 < weight < math.inf:
        raise InputError(f"--of is {text!r}; give one of {', '.join(PARTS)}, perhaps with a weight: dsir=2")
    return name, weight
