"""`periti train ranker`: a cross-encoder over first-stage lists."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.panels.ranking.config import RankerConfig

CURRICULA = ("none", "recip", "norm", "kde", "anti", "random")
"""As periti.training.ranking.settings has them, which help does not wait for."""

EPILOG = """examples:
  periti train ranker ranker.toml --seed 1
  periti train ranker ranker.toml --seed 1 --curriculum kde     easy documents by the first stage weigh more at first
  periti train ranker ranker.toml --seed 1 --curriculum random  a control: weights of other queries
  periti train ranker ranker.toml --seed 1 --adapter experts/legal/seed-1   from an expert of a panel (head late-join)
  periti train ranker ranker.toml --loss lambda --home other --json
  periti train ranker parts.toml --seed 1       of parts that learn apart and are added up (docs/training-rankers.md)

A training that is killed goes on from its last checkpoint to the same weights. A ranker that is there already is left
as it is; if its data, settings or seed were others, that is an error. A collection uses it by

  [ranker]
  name = "cross-encoder"
  model = "FOLDER"
"""


def add_parser(kinds: Any) -> None:
    """Add the kind `ranker` to the kinds of training."""
    parser = kinds.add_parser(
        "ranker",
        help="a cross-encoder that reranks a first stage's lists",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="the ranker's TOML file")
    parser.add_argument("--curriculum", choices=CURRICULA, help="how samples are weighed (default: the file's)")
    parser.add_argument("--loss", help="bce, ranknet, listnet, lambda or margin-mse (default: the file's)")
    parser.add_argument("--steps", type=int, metavar="N", help="train at most so many steps (default: the file's)")
    parser.add_argument("--seed", type=int, default=1, help="of the head, the draws and dropout (default: 1)")
    parser.add_argument(
        "--adapter", type=Path, help="linear adapter (folder) that head 'late-join' starts from (default: the file's)"
    )
    parser.add_argument("--home", type=Path, help="where rankers are kept (default: the file's)")
    parser.add_argument("--indexes", type=Path, help="where the collections' indexes are (default: the file's)")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")
    parser.set_defaults(run=train_ranker)


def train_ranker(arguments: argparse.Namespace) -> int:
    """Train the ranker if it is missing and print its card."""
    from periti.panels.ranking.courses import ranker_folder, train_ranker_of
    from periti.progress import Terminal

    if arguments.seed < 0:
        raise InputError(f"--seed is {arguments.seed}; it must be 0 or larger")
    config, seed = _config(arguments), arguments.seed
    folder = ranker_folder(config, seed)
    card = {
        **train_ranker_of(config, seed, progress=Terminal(), command=_command(arguments)),
        "folder": str(folder),
    }
    print(json.dumps(card) if arguments.json else "\n".join(_lines(card, config)))
    return 0


def _config(arguments: argparse.Namespace) -> RankerConfig:
    """The file with what the command line changes."""
    from periti.panels.ranking.config import read_ranker_config, starting_from, with_training

    config = read_ranker_config(arguments.config)
    changed = {key: getattr(arguments, key) for key in ("curriculum", "loss", "steps")}
    config = with_training(config, **{key: value for key, value in changed.items() if value is not None})
    if arguments.adapter:
        config = starting_from(config, arguments.adapter)
    return replace(config, home=arguments.home or config.home, indexes=arguments.indexes or config.indexes)


def _command(arguments: argparse.Namespace) -> str:
    """What trains the ranker again; without folders, which are this machine's."""
    given = {key: getattr(arguments, key) for key in ("curriculum", "loss", "steps", "seed")}
    options = "".join(f" --{key} {value}" for key, value in given.items() if value is not None)
    options += " --adapter FOLDER" if arguments.adapter else ""
    return f"periti train ranker {arguments.config.name}{options}"


def _lines(card: dict[str, Any], config: RankerConfig) -> list[str]:
    notes = [
        f"{one['name']}: {one['queries']:,} queries" + "".join(f", {n:,} {what}" for what, n in one["notes"].items())
        for one in card["sources"]
    ]
    parts = [
        f"part {one['name']}: its dev {one['dev_of_start']:.4f} -> {one['dev']:.4f} at step {one['best_step']} of "
        f"{one['steps']}"
        for one in card.get("parts", [])
    ]
    kept = f"{card['share']:g} of what its parts learnt" if parts else f"step {card['best_step']} of {card['steps']}"
    summary = (
        f"{card['name']} (curriculum {config.training.curriculum}, seed {card['seed']}): dev "
        f"{card['dev_of_start']:.4f} -> {card['dev']:.4f} at {kept}; {card['folder']}"
    )
    return [*notes, *parts, *(f"dev of {line}" for line in card["dev_lists"]), summary]
