"""A panel's configuration: collections and their slices, experts and their sources, how they are trained.

name = "professions"
indexes = "indexes"
home = "panel"

[training]
method = "linear"

[collections.scifact]
dataset = "scifact"
train = "train"
test = "test"

[experts.science]
description = "claims about biology and medicine, checked against abstracts"
sources = ["scifact"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from periti.config import anchored, parse, read_toml
from periti.errors import ConfigError
from periti.panels.collection import CollectionConfig
from periti.registry import ROUTERS, nearest
from periti.training.settings import TrainingOptions

BASE = "base"
"""Name of the expert that is the encoder without an adapter: the generalist."""


@dataclass(frozen=True)
class ExpertEntry:
    """One expert to train.

    Attributes:
        sources: collections of the panel whose training queries it learns from.
        description: what it is for; routers by card read it.
        licence: of the data, for the card.
        start: another expert of the panel, with the same kind of adapter, whose weights training starts from: a
            specialist of the multi-task model, say; empty starts from the base.
        control: whether it is a control (such as the multi-task model) that is measured but never routed to.
        training: settings that differ from the panel's.
    """

    sources: tuple[str, ...]
    description: str = ""
    licence: str = ""
    start: str = ""
    control: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PanelConfig:
    """Everything about a panel. Paths are relative to the file."""

    name: str
    collections: Mapping[str, CollectionConfig]
    experts: Mapping[str, ExpertEntry]
    indexes: Path = Path("indexes")
    home: Path = Path("panel")
    measure: str = "nDCG@10"
    seeds: tuple[int, ...] = (1, 2, 3)
    router: str = "pilots"
    """The router that `periti router explain` asks and the report pictures."""
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def options(self, expert: str) -> TrainingOptions:
        """The training settings of an expert."""
        return replace(self.training, **self.experts[expert].training)

    @property
    def routed(self) -> tuple[str, ...]:
        """Names of the experts a router may choose: the base first, then all that are no controls."""
        return (BASE, *(name for name, one in self.experts.items() if not one.control))

    def homes(self) -> dict[str, str]:
        """Collection -> the routed expert that learns from it or is declared at home; the first, where several do."""
        found = {name: one.home for name, one in self.collections.items() if one.home}
        for name, one in self.experts.items():
            for source in one.sources:
                if not one.control:
                    found.setdefault(source, name)
        return found


def read_panel_config(path: Path) -> PanelConfig:
    """The panel that a TOML file describes.

    Raises:
        ConfigError: an unknown key, a wrong value, an expert without sources, a source that is no collection.
    """
    table = read_toml(path)
    known = {f.name for f in fields(PanelConfig)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: unknown key {key!r}; {nearest(key, known)}")
    for key in ("collections", "experts"):
        if not isinstance(table.get(key), dict) or not table[key]:
            raise ConfigError(f"{path}: no {key}; add at least one table [{key}.NAME]")
    plain = dict(table)
    plain["collections"] = {
        n: anchored(parse(CollectionConfig, t, f"{path} [collections.{n}]"), path.parent)
        for n, t in table["collections"].items()
    }
    plain["experts"] = {n: parse(ExpertEntry, t, f"{path} [experts.{n}]") for n, t in table["experts"].items()}
    config: PanelConfig = anchored(parse(PanelConfig, plain, str(path)), path.parent)
    _check(config, path)
    return config


def _check(config: PanelConfig, path: Path) -> None:
    if not config.seeds:
        raise ConfigError(f"{path}: seeds is empty; give at least one")
    if BASE in config.experts:
        raise ConfigError(f"{path}: an expert can not be called {BASE!r}; that is the encoder without an adapter")
    if config.router not in ROUTERS:
        raise ConfigError(f"{path}: no router {config.router!r}; {nearest(config.router, ROUTERS)}")
    for name, collection in config.collections.items():
        if collection.home and collection.home not in config.experts:
            known = nearest(collection.home, config.experts)
            raise ConfigError(f"{path} [collections.{name}]: no expert {collection.home!r}; {known}")
    for name, expert in config.experts.items():
        _check_expert(config, f"{path} [experts.{name}]", expert)


def _check_expert(config: PanelConfig, where: str, expert: ExpertEntry) -> None:
    if not expert.sources:
        raise ConfigError(f"{where}: no sources; name collections it learns from")
    for source in expert.sources:
        if source not in config.collections:
            raise ConfigError(f"{where}: no collection {source!r}; {nearest(source, config.collections)}")
        if not config.collections[source].learns:
            raise ConfigError(f"{where}: collection {source!r} has no train split to learn from")
    _check_start(config, where, expert)
    known = {f.name for f in fields(TrainingOptions)}
    for key in expert.training:
        if key not in known:
            raise ConfigError(f"{where}: unknown key training.{key!r}; {nearest(key, known)}")


def _check_start(config: PanelConfig, where: str, expert: ExpertEntry) -> None:
    """An expert may start from any other; the chain must end at the base."""
    seen, start = set[str](), expert.start
    while start:
        if start not in config.experts:
            raise ConfigError(
                f"{where}: start is {start!r}, and no expert is called so; {nearest(start, config.experts)}"
            )
        if start in seen or config.experts[start] is expert:
            raise ConfigError(
                f"{where}: start {expert.start!r} leads back to itself; let one of them start from the base"
            )
        seen.add(start)
        start = config.experts[start].start
