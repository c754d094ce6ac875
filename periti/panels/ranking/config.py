"""A ranker's configuration: collections and how their queries are divided, first stages, how it is trained.

name = "reader"
indexes = "indexes"
home = "rankers"

[training]
loss = "bce"

[collections.scifact]
dataset = "scifact"
train = "train"
test = "test"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from periti.config import anchored, parse, read_toml
from periti.encoders.cross import CLASSIFIER, HEADS, LATE_JOIN
from periti.errors import ConfigError
from periti.panels.collection import CollectionConfig
from periti.panels.slices import FIT, UTILITY
from periti.registry import nearest
from periti.training.ranking.settings import RankingOptions

PART = re.compile(r"[A-Za-z0-9_-]+")
SLICES = [0.85, 0.15, 0.0]
"""Shares of fit, dev and utilities where a collection sets none: a ranker has no use for utilities."""


@dataclass(frozen=True)
class RankerConfig:
    """Everything about a ranker. Paths are relative to the file.

    Attributes:
        name: of the ranker.
        collections: what it learns from and, with test splits, whose queries it must not have seen.
        sources: the collections to learn from; all that have queries to learn from by default.
        parts: part -> the collections that it learns from. Each part is trained apart from the same start, and what
            they have learnt is added up (`periti.panels.ranking.parts`); stands where `sources` does.
        shares: of `parts`, what share of their sum may be taken; dev chooses one, or none.
        description: for the card.
        base: folder of the encoder that training starts from under a new head; MiniLM by default.
        model: folder of a cross-encoder to go on from instead.
        head: over `base`: "classifier" on [CLS], drawn by seed; "segments", which ranks from the first step on by the
            likeness of query and document within one sequence; or "late-join", whose first layers read them apart.
        apart: of "late-join", the layers that read apart and are not trained.
        adapter: of "late-join", folder of a linear adapter of the same encoder to start from.
        learns_from: the slice whose lists are learnt, "fit", or "utility" where the adapter has learnt "fit": on
            queries that it was fitted to an adapter is better than on others, and would be trusted too much.
        states_mb: of "late-join", memory for states of texts while it is trained; changes no weight.
        states: of "late-join", a folder where states of texts are kept; changes no weight.
        first_stages: collection -> pipeline (folder or TOML file) whose run makes its lists; BM25 where none is named.
        teachers: collection -> TREC run with a stronger ranker's scores of training queries, for "margin-mse".
        indexes: folder of indexes by collection, read where they have words.
        home: folder of what is made: rankers, and words of collections that `indexes` lacks.
        measure: on dev.
        training: the settings.
    """

    name: str
    collections: Mapping[str, CollectionConfig]
    sources: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shares: tuple[float, ...] = (0.5, 0.75, 1.0)
    description: str = ""
    base: Path | None = None
    model: Path | None = None
    head: str = CLASSIFIER
    apart: int = 4
    adapter: Path | None = None
    learns_from: str = FIT
    states_mb: int = 1024
    states: Path | None = None
    first_stages: Mapping[str, Path] = field(default_factory=dict)
    teachers: Mapping[str, Path] = field(default_factory=dict)
    indexes: Path = Path("indexes")
    home: Path = Path("rankers")
    measure: str = "nDCG@10"
    training: RankingOptions = field(default_factory=RankingOptions)

    @property
    def learnt(self) -> tuple[str, ...]:
        """The collections to learn from."""
        apart = tuple(dict.fromkeys(name for names in self.parts.values() for name in names))
        return self.sources or apart or tuple(name for name, one in self.collections.items() if one.learns)


def read_ranker_config(path: Path) -> RankerConfig:
    """The ranker that a TOML file describes.

    Raises:
        ConfigError: an unknown key, a wrong value, nothing to learn from, a name that is no collection.
    """
    table = read_toml(path)
    known = {f.name for f in fields(RankerConfig)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: unknown key {key!r}; {nearest(key, known)}")
    if not isinstance(table.get("collections"), dict) or not table["collections"]:
        raise ConfigError(f"{path}: no collections; add at least one table [collections.NAME]")
    plain = dict(table)
    plain["collections"] = {
        name: anchored(parse(CollectionConfig, {"slices": SLICES, **one}, f"{path} [collections.{name}]"), path.parent)
        for name, one in table["collections"].items()
    }
    plain["parts"] = _parts(table.get("parts", {}), f"{path} [parts]")
    for key in ("first_stages", "teachers"):
        plain[key] = _paths(table.get(key, {}), f"{path} [{key}]", path.parent)
    config: RankerConfig = anchored(parse(RankerConfig, plain, str(path)), path.parent)
    _check(config, path)
    return config


def with_training(config: RankerConfig, **changed: Any) -> RankerConfig:
    """The configuration with other settings of training; raises ConfigError as the file would."""
    found = replace(config, training=replace(config.training, **changed))
    require_teachers(found, config.name)
    return found


def starting_from(config: RankerConfig, adapter: Path) -> RankerConfig:
    """The configuration with another adapter to start from; raises ConfigError where its head takes none."""
    found = replace(config, adapter=adapter)
    _require_late_join(found, config.name)
    return found


def _require_late_join(config: RankerConfig, where: object) -> None:
    if config.adapter and config.head != LATE_JOIN:
        raise ConfigError(f"{where}: adapter is where head {LATE_JOIN!r} starts; head is {config.head!r}")


def require_teachers(config: RankerConfig, where: object) -> None:
    """Refuse a loss that needs a teacher where a source has none; raises ConfigError."""
    for name in config.learnt:
        if config.training.teacher and name not in config.teachers:
            raise ConfigError(
                f"{where}: loss {config.training.loss!r} needs a teacher's run of collection {name!r}; "
                f"name its file: [teachers] {name} = FILE"
            )


def _paths(table: object, where: str, folder: Path) -> dict[str, Path]:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise ConfigError(f"{where}: expected a table of collections and paths, found {table!r}")
    return {name: folder / value for name, value in table.items()}


def _parts(table: object, where: str) -> dict[str, tuple[str, ...]]:
    """Names of parts, which are names of folders, too, and the collections of each."""
    if not isinstance(table, dict) or not all(_named(names) for names in table.values()):
        raise ConfigError(f'{where}: expected parts and their collections, as in health = ["medquad"]; found {table!r}')
    for name in table:
        if not PART.fullmatch(name):
            raise ConfigError(f"{where}: part {name!r} names a folder; use letters, digits, - and _")
    return {name: tuple(names) for name, names in table.items()}


def _named(names: object) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)


def _check_parts(config: RankerConfig, path: Path) -> None:
    if config.parts and config.sources:
        raise ConfigError(f"{path}: sources and parts are both set; the collections of its parts are its sources")
    if not config.shares or any(not 0 < share <= 1 for share in config.shares):
        raise ConfigError(f"{path}: shares are {list(config.shares)}; each must be above 0 and at most 1")


def _check(config: RankerConfig, path: Path) -> None:
    _check_parts(config, path)
    if config.base and config.model:
        raise ConfigError(f"{path}: base and model are both set; a ranker starts from one of them")
    if config.head not in HEADS:
        raise ConfigError(f"{path}: no head {config.head!r}; known: {', '.join(HEADS)}")
    _require_late_join(config, path)
    if config.learns_from not in (FIT, UTILITY):
        raise ConfigError(f"{path}: no learns_from {config.learns_from!r}; known: {FIT}, {UTILITY}")
    if not config.learnt:
        raise ConfigError(f"{path}: no collection has queries to learn from; give one a train split")
    for key, names in (
        ("parts" if config.parts else "sources", config.learnt),
        ("first_stages", config.first_stages),
        ("teachers", config.teachers),
    ):
        for name in names:
            if name not in config.collections:
                raise ConfigError(f"{path}: {key} names {name!r}; {nearest(name, config.collections)}")
    for name in config.learnt:
        if not config.collections[name].learns:
            raise ConfigError(f"{path}: collection {name!r} has no train split to learn from")
    require_teachers(config, path)
