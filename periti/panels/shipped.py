"""The panel that ships with periti: three experts over MiniLM and the utility table their router reads.

Trained by `scripts/train-shipped` from data whose licence allows it (benchmarks/shipped.toml); the multi-task model of
the same data is there too, as a control, and is never routed to.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from periti.encoders.adapters import read_adapter, shipped_expert
from periti.indexers.build import Panel
from periti.panels.config import BASE
from periti.panels.fallback import threshold_of
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.table import UtilityTable

EXPERTS = ("legal", "medical", "science")


def shipped_table() -> Path:
    """Folder of the utility table of the shipped experts."""
    return Path(str(files("periti.retrievers.routing").joinpath("shipped")))


def shipped_panel(words: float = 1.0) -> Panel:
    """The shipped experts with the router's table and the score below which the base answers.

    Args:
        words: weight of BM25 beside the routed expert's 1.

    Raises:
        EncoderError, IndexUnusable: a shipped file is damaged; install periti again.
    """
    table = UtilityTable.read(shipped_table())
    return Panel(
        experts={name: str(read_adapter(shipped_expert(name)).card["description"]) for name in EXPERTS},
        table=shipped_table(),
        words=words,
        threshold=threshold_of(Pilots.fit, table, fallback=table.experts.index(BASE)),
    )
