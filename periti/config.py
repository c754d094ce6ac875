"""TOML to frozen dataclasses: configuration as data that can not lie.

An unknown key is an error that names the nearest known one; a value of the wrong type names the key, what was found and
what is expected. There are no globals and no working-directory defaults: relative paths are relative to the file. The
resolved configuration has a canonical digest, which every manifest and report carries.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from periti.errors import ConfigError
from periti.registry import FUSIONS, POLICIES, RANKERS, RETRIEVERS, ROUTERS, Registry, nearest
from periti.types import MAX_K

T = TypeVar("T")


@dataclass(frozen=True)
class ExpertConfig:
    """One expert of a pipeline: which retriever, on which index, with which options."""

    retriever: str
    index: Path
    depth: int = 1000
    weight: float = 1.0
    description: str = ""
    always: bool = False
    """Asked for every query, beside whom the router chooses."""
    options: Any = None
    """Instance of the retriever's own `Options` dataclass."""


@dataclass(frozen=True)
class ComponentConfig:
    """A named component and its options."""

    name: str
    options: Any = None


@dataclass(frozen=True)
class PipelineConfig:
    """Everything needed to open a pipeline, as `periti.pipeline.open_pipeline` takes it."""

    name: str
    docstore: Path
    experts: Mapping[str, ExpertConfig]
    description: str = ""
    router: ComponentConfig = field(default_factory=lambda: _default(ROUTERS, "constant"))
    policy: ComponentConfig = field(default_factory=lambda: _default(POLICIES, "all"))
    fusion: ComponentConfig = field(default_factory=lambda: _default(FUSIONS, "rrf"))
    ranker: ComponentConfig = field(default_factory=lambda: _default(RANKERS, "identity"))
    depth: int = 1000
    adapter_memory_mb: float = 0.0
    """Memory that the experts' adapters may take; the others are loaded when they are asked. 0 keeps all."""
    workload: Path | None = None
    """File of workload profiles that say which adapters to load ahead."""

    def __post_init__(self) -> None:
        if self.workload and not self.adapter_memory_mb:
            raise ConfigError(
                f"pipeline {self.name!r}: workload without adapter_memory_mb; without a budget all adapters stay in "
                "memory"
            )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a dataclass, mapping or list: same content, same digest, whatever the order."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: the file is absent, not UTF-8 or not TOML; names the file and the place.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration at {path}; write one, or build an index to get one") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def parse(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` made of the values of a table.

    Args:
        cls: a dataclass whose fields are str, int, float, bool, Path, tuples or unions of them, or dataclasses.
        table: the values.
        where: what messages call the table, e.g. "periti.toml [experts.bm25]".

    Raises:
        ConfigError: a key is unknown or missing, or a value has another type.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(key, fields)}")
    hints = typing.get_type_hints(cls)
    values = {key: _convert(value, hints[key], f"{where}: {key}") for key, value in table.items()}
    required = [
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and name not in values
    ]
    if required:
        raise ConfigError(f"{where}: {', '.join(map(repr, required))} missing; add it")
    try:
        return cls(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def read_pipeline_config(path: Path) -> PipelineConfig:
    """The pipeline that a TOML file (or the `periti.toml` of a directory) describes.

    Raises:
        ConfigError: as `read_toml` and `parse`; also for a pipeline without experts or a depth below 1.
        UnknownName: a component's name is not registered.
    """
    file = path / "periti.toml" if path.is_dir() else path
    table = read_toml(file)
    known = {f.name for f in dataclasses.fields(PipelineConfig)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{file}: unknown key {key!r}; {nearest(key, known)}")
    experts = table.get("experts")
    if not isinstance(experts, dict) or not experts:
        raise ConfigError(f"{file}: no experts; add at least one table [experts.NAME] with retriever and index")
    plain: dict[str, Any] = {key: table[key] for key in known - {"experts"} if key in table}
    for key in ("docstore", "workload"):
        if isinstance(plain.get(key), str):
            plain[key] = file.parent / plain[key]
    for key, registry in (
        ("router", ROUTERS),
        ("policy", POLICIES),
        ("fusion", FUSIONS),
        ("ranker", RANKERS),
    ):
        if key in table:
            plain[key] = _component(registry, table[key], f"{file} [{key}]", file.parent)
    plain["experts"] = {name: _expert(value, file, name) for name, value in experts.items()}
    if all(expert.always for expert in plain["experts"].values()):
        raise ConfigError(f"{file}: every expert is asked always, so none is left to route to; drop `always` from one")
    config = parse(PipelineConfig, plain, str(file))
    if config.depth < 1:
        raise ConfigError(f"{file}: depth is {config.depth}; it must be at least 1")
    return config


def _expert(table: Any, file: Path, name: str) -> ExpertConfig:
    where = f"{file} [experts.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table, found {table!r}")
    own = {f.name for f in dataclasses.fields(ExpertConfig)} - {"options"}
    plain = {key: value for key, value in table.items() if key in own}
    if not isinstance(plain.get("retriever"), str):
        raise ConfigError(f"{where}: 'retriever' missing; known: {', '.join(RETRIEVERS)}")
    options = RETRIEVERS.load(plain["retriever"]).Options
    rest = {key: value for key, value in table.items() if key not in own}
    unknown = set(rest) - {f.name for f in dataclasses.fields(options)}
    for key in sorted(unknown):
        raise ConfigError(
            f"{where}: unknown key {key!r}; {nearest(key, own | {f.name for f in dataclasses.fields(options)})}"
        )
    if isinstance(plain.get("index"), str):
        plain["index"] = file.parent / plain["index"]
    plain["options"] = anchored(parse(options, rest, where), file.parent)
    expert = parse(ExpertConfig, plain, where)
    if not 1 <= expert.depth <= MAX_K:
        raise ConfigError(f"{where}: depth is {expert.depth}; it must be between 1 and {MAX_K:,}")
    if not 0 < expert.weight < math.inf:
        raise ConfigError(f"{where}: weight is {expert.weight}; it must be positive, or leave the expert out")
    return expert


def _default(registry: Registry, name: str) -> ComponentConfig:
    return ComponentConfig(name, registry.load(name).Options())


def _component(registry: Registry, value: Any, where: str, folder: Path) -> ComponentConfig:
    """Either a bare name or a table with a key `name` and the component's options."""
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise ConfigError(f"{where}: expected a name or a table with a name, found {value!r}")
    options = registry.load(table["name"]).Options
    rest = {key: found for key, found in table.items() if key != "name"}
    return ComponentConfig(table["name"], anchored(parse(options, rest, where), folder))


def anchored(options: Any, folder: Path) -> Any:
    """The options with every relative path in them taken from `folder`, where their file lies."""
    paths = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    return dataclasses.replace(options, **{k: folder / v for k, v in paths.items() if isinstance(v, Path)})


def _convert(value: Any, hint: Any, where: str) -> Any:
    """The value as the annotated type; int is accepted for float and str for Path, nothing else is bent."""
    if typing.get_origin(hint) is not None:
        return _convert_generic(value, hint, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return parse(hint, value, where)
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is int and isinstance(value, bool):
        raise ConfigError(f"{where}: expected an integer, found {value!r}")
    return _expect(value, hint, where)


def _convert_generic(value: Any, hint: Any, where: str) -> Any:
    """The value as an optional type, a tuple of one type, or a mapping."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), where)
    if origin is tuple:
        items = _expect(list(value) if isinstance(value, tuple) else value, list, where)
        return tuple(_convert(item, arguments[0], where) for item in items)
    return _expect(value, origin, where)


def _expect(value: Any, hint: type, where: str) -> Any:
    if isinstance(value, hint):
        return value
    raise ConfigError(f"{where}: expected {hint.__name__}, found {value!r}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value
