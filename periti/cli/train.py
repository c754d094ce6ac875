"""`periti train`: the experts of a panel."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from periti.cli.panel_files import add_panel_arguments, read_panel

EPILOG = """examples:
  periti train expert panel.toml --seed 1                       every expert of the panel
  periti train expert panel.toml --seed 1 --expert legal        one of them
  periti train expert panel.toml --seeds 1 2 3 --json

A training that is killed goes on from its last checkpoint to the same weights. An expert that is there already is left
as it is; if its data, settings or seed were others, that is an error."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("train", help="train the experts of a panel")
    kinds = parser.add_subparsers(title="what to train", metavar="WHAT", required=True)
    expert = kinds.add_parser(
        "expert",
        help="query-side adapters over one frozen document encoder",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_panel_arguments(expert)
    expert.add_argument("--expert", nargs="+", metavar="NAME", help="only these experts (default: all, controls too)")
    expert.set_defaults(run=train)


def train(arguments: argparse.Namespace) -> int:
    """Train what is missing and print the card of each expert."""
    from periti.panels.courses import expert_folder, train_expert
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    config = read_panel(arguments)
    names = arguments.expert or list(config.experts)
    wanted = {source for name in names if name in config.experts for source in config.experts[name].sources}
    panel = open_panel(config, Terminal(), [name for name in config.collections if name in wanted])
    for material in panel.materials.values():
        if material.notes and not arguments.json:
            counts = ", ".join(f"{count:,} {what}" for what, count in material.notes.items())
            print(f"{material.name}: {counts}", flush=True)
    cards = []
    for seed in config.seeds:
        for name in names:
            # Without folders, which are this machine's: the configuration's name says which file.
            command = f"periti train expert {arguments.config.name} --seed {seed} --expert {name}"
            adapter = train_expert(panel, name, seed, progress=Terminal(), command=command)
            card = dict(adapter.card)
            cards.append({**card, "folder": str(expert_folder(config, name, seed)), "sha256": adapter.digest})
            if not arguments.json:
                print(_line(card, expert_folder(config, name, seed)), flush=True)
    if arguments.json:
        print(json.dumps(cards))
    return 0


def _line(card: dict[str, Any], folder: Path) -> str:
    return (
        f"{card['name']} (seed {card['seed']}): dev {card['dev_of_base']:.4f} -> {card['dev']:.4f} at step "
        f"{card['best_step']} of {card['steps']}; {folder}"
    )
