"""The best expert known for each collection at each cost, over seeds and panels (a MAP-Elites archive)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from periti.encoders.adapters import Adapter
from periti.errors import InputError
from periti.panels.config import BASE, PanelConfig
from periti.panels.held_out import adapters_of, by_dataset
from periti.panels.tables import table_folder
from periti.retrievers.diagnosis.archive import Archive, Elite
from periti.retrievers.routing.table import UtilityTable

COSTS = {"memory": "MB", "encodings": "encodings"}
"""What a cost is: megabytes of an adapter's weights, or encodings of a query (the router reads the base's vector)."""
EDGES = {"memory": (0.1, 0.5, 2.0), "encodings": (1.5,)}
"""Borders of the cost cells, by default."""


def open_archive(path: Path | None, cost: str, edges: Sequence[float] | None) -> Archive:
    """The archive of a file, or a new one.

    Raises:
        InputError: edges or unit differ from the file's, or edges are not ascending.
        FormatError: the file is no archive.
    """
    unit, wanted = COSTS[cost], tuple(edges or EDGES[cost])
    if path is None or not path.exists():
        return Archive(wanted, unit)
    archive = Archive.read(path)
    if archive.unit != unit or (edges is not None and archive.edges != wanted):
        raise InputError(
            f"{path} has cells of {archive.unit} at {list(archive.edges)}, asked are {unit} at {list(wanted)}; "
            "name another file or drop the option"
        )
    return archive


def offers(config: PanelConfig, cost: str) -> Iterator[Elite]:
    """Every expert of every seed, for every collection of its utility table.

    Raises:
        IndexUnusable: a table is missing or damaged.
        EncoderError: an expert is not trained.
    """
    for seed in config.seeds:
        table = UtilityTable.read(table_folder(config, seed))
        adapters = adapters_of(config, seed)
        for column, name in enumerate(table.experts):
            for domain, value in by_dataset(table.utilities[:, column], table.datasets).items():
                label = name if name == BASE else f"{name}/seed-{seed}"
                yield Elite(domain, label, _cost(adapters.get(name), cost), value, f"{config.name}, {table.measure}")


def _cost(adapter: Adapter | None, cost: str) -> float:
    if adapter is None:
        return 0.0 if cost == "memory" else 1.0
    return adapter.bytes / 1e6 if cost == "memory" else 2.0
