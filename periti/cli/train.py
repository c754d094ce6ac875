"""`periti train`: the experts of a panel; `train_ranker` has rankers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli import train_aggregation, train_gate, train_quantise, train_ranker, train_rater
from periti.cli.panel_files import add_panel_arguments, read_panel

if TYPE_CHECKING:
    from periti.panels.config import PanelConfig

EPILOG = """examples:
  periti train expert panel.toml --seed 1                       every expert of the panel
  periti train expert panel.toml --seed 1 --expert legal        one of them
  periti train expert panel.toml --seeds 1 2 3 --json

A training that is killed goes on from its last checkpoint to the same weights. An expert that is there already is left
as it is; if its data, settings or seed were others, that is an error. An expert that learns on both sides
(training = { method = "full" }, or method "lora" with sides = "both") becomes a model of sentence-transformers; the
command that builds its own index is printed."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("train", help="train the experts of a panel, or a ranker")
    kinds = parser.add_subparsers(title="what to train", metavar="WHAT", required=True)
    expert = kinds.add_parser(
        "expert",
        help="adapters over one frozen document encoder, or models that move documents too",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_panel_arguments(expert)
    expert.add_argument("--expert", nargs="+", metavar="NAME", help="only these experts (default: all, controls too)")
    expert.set_defaults(run=train)
    train_ranker.add_parser(kinds)
    train_gate.add_gate_parser(kinds)
    train_rater.add_parser(kinds)
    train_quantise.add_quantise_parser(kinds)
    train_aggregation.add_aggregation_parser(kinds)


def train(arguments: argparse.Namespace) -> int:
    """Train what is missing and print the card of each expert."""
    from periti.encoders.models import ModelExpert
    from periti.panels.courses import expert_folder, index_commands, train_expert
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    config = read_panel(arguments)
    names = arguments.expert or list(config.experts)
    wanted = {source for name in _with_starts(config, names) for source in config.experts[name].sources}
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
            expert, folder = (
                train_expert(panel, name, seed, progress=Terminal(), command=command),
                expert_folder(config, name, seed),
            )
            card = {**expert.card, "folder": str(folder), "sha256": expert.digest}
            if isinstance(expert, ModelExpert):
                card["index_commands"] = index_commands(panel, name, seed)
            cards.append(card)
            if not arguments.json:
                print("\n".join(_lines(card, folder)), flush=True)
    if arguments.json:
        print(json.dumps(cards))
    return 0


def _with_starts(config: PanelConfig, names: list[str]) -> list[str]:
    """The experts of these names, and those that they start from."""
    found: list[str] = []
    for name in names:
        while name in config.experts and name not in found:
            found.append(name)
            name = config.experts[name].start  # noqa: PLW2901  (walks up to the base)
    return found


def _lines(card: dict[str, Any], folder: Path) -> list[str]:
    commands = card.get("index_commands", [])
    summary = (
        f"{card['name']} (seed {card['seed']}): dev {card['dev_of_base']:.4f} -> {card['dev']:.4f} at step "
        f"{card['best_step']} of {card['steps']}; {folder}"
    )
    if not commands:
        return [summary]
    note = "  it moves documents too, so it needs an index of its own; build it by"
    return [summary, note, *(f"  {command}" for command in commands)]
