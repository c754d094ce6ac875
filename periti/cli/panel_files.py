"""What every command about a panel takes: its configuration, and what the command line changes of it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.panels.config import PanelConfig


def add_panel_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration, seeds and folders."""
    parser.add_argument("config", type=Path, help="the panel's TOML file")
    parser.add_argument(
        "--seed", "--seeds", dest="seeds", type=int, nargs="+", help="training seeds (default: the file's)"
    )
    parser.add_argument("--home", type=Path, help="where experts, tables and vectors are kept (default: the file's)")
    parser.add_argument("--indexes", type=Path, help="where the collections' indexes are kept (default: the file's)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def read_panel(arguments: argparse.Namespace) -> PanelConfig:
    """The configuration with what the command line changes.

    Raises:
        InputError: a seed is negative or given twice.
    """
    from periti.panels.config import read_panel_config

    config = read_panel_config(arguments.config)
    seeds = tuple(arguments.seeds or config.seeds)
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds are {', '.join(map(str, seeds))}; give different ones, 0 or larger")
    return replace(config, seeds=seeds, home=arguments.home or config.home, indexes=arguments.indexes or config.indexes)
