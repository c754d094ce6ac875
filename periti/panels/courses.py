"""The experts of a panel: trained from the slices of their sources, one folder for each expert and seed.

Query-side experts are adapters over the panel's indexes. Experts that learn on both sides are models with indexes of
their own: they are trained here, and join a collection as foreign experts, not a panel's router.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from periti.encoders.adapters import Adapter, read_adapter
from periti.encoders.models import ModelExpert
from periti.errors import ConfigError, InputError, UnknownName
from periti.panels.config import PanelConfig
from periti.panels.dev import pool_score, pooled
from periti.panels.material import DEV, Material
from periti.panels.panel import Panel
from periti.panels.vectors import mean_of
from periti.progress import Progress
from periti.registry import nearest
from periti.training.trainer import Course, Encode, Score, train, train_model


def expert_folder(config: PanelConfig, name: str, seed: int) -> Path:
    """Where the expert of a seed lies."""
    return config.home / "experts" / name / f"seed-{seed}"


def train_expert(panel: Panel, name: str, seed: int, *, progress: Progress, command: str = "") -> Adapter | ModelExpert:
    """The expert of that name and seed, trained if it is not there yet, after the one it starts from.

    A killed training goes on. An expert that learns on both sides is a model, all others are adapters.

    Raises:
        UnknownName: the panel has no such expert.
        ConfigError: it starts from an expert of other sides.
        InputError: none of its sources has dev queries, or the expert there was trained otherwise.
    """
    config = panel.config
    if name not in config.experts:
        raise UnknownName(f"panel {config.name!r} has no expert {name!r}; {nearest(name, config.experts)}")
    entry, options, folder = config.experts[name], config.options(name), expert_folder(config, name, seed)
    if entry.start and config.options(entry.start).both_sides != options.both_sides:
        raise ConfigError(
            f"expert {name!r} and {entry.start!r}, which it starts from, do not learn on the same sides; start from an "
            "expert with the same method and sides, or from the base"
        )
    sources = [panel.materials[source] for source in entry.sources]
    licences = {source.name: source.licence for source in sources}
    card = {
        "description": entry.description,
        "domains": sorted({source.domain for source in sources}),
        "licence": entry.licence or "; ".join(sorted(set(licences.values()))),
        "data_licences": licences,
        "measure": f"mean over sources of {config.measure} on dev",
        "command": command,
        **({"pairs": {s.name: dict(s.notes) for s in sources if s.notes}} if any(s.notes for s in sources) else {}),
    }
    start = train_expert(panel, entry.start, seed, progress=progress, command=command) if entry.start else None
    course = Course(name, [source.training_set() for source in sources], options, seed, card, start)
    if not options.both_sides:
        return train(panel.base, course, dev_score(sources, config.measure), folder, progress=progress)
    pools = pooled(panel, sources, options.dev_depth)
    course = replace(course, card={**card, "dev_documents": [pool.sentence for pool in pools]})
    return train_model(panel.base, course, pool_score(pools, config.measure), folder, progress=progress)


def index_commands(panel: Panel, name: str, seed: int) -> list[str]:
    """The command that builds an index by an expert that learns on both sides, for every collection it learns from."""
    config = panel.config
    model = shlex.quote(str(expert_folder(config, name, seed)))
    found = []
    for source in config.experts[name].sources:
        like = panel.materials[source].docstore.folder.parent
        out = like.with_name(f"{like.name}-{name}-seed-{seed}")
        found.append(
            f"periti index build --like {shlex.quote(str(like))} --out {shlex.quote(str(out))} --no-lexical "
            f"--encoder sentence-transformers --model {model}"
        )
    return list(dict.fromkeys(found))


def dev_score(sources: list[Material], measure: str) -> Score:
    """Mean over the sources of the measure on their dev queries, over their real indexes."""
    judged = [source for source in sources if DEV in source.slices]
    if not judged:
        names = ", ".join(repr(source.name) for source in sources)
        raise InputError(f"none of the sources {names} has dev queries to stop by; give one a share of dev")

    def score(encode: Encode) -> float:
        return float(np.mean([mean_of(s, s.slices[DEV], encode(s.slices[DEV].queries.texts), measure) for s in judged]))

    return score


def trained(config: PanelConfig, name: str, seed: int) -> Adapter:
    """The adapter of that name and seed.

    Raises:
        ConfigError: the expert learns on both sides, so it is no adapter and does not share the panel's indexes.
        EncoderError: it is not trained yet, or damaged.
    """
    require_shared(config, [name])
    return read_adapter(expert_folder(config, name, seed))


def require_shared(config: PanelConfig, names: Iterable[str]) -> None:
    """Refuse experts that a router can not choose between, since they have indexes of their own.

    Raises:
        ConfigError: an expert learns on both sides.
    """
    for name in names:
        if config.options(name).both_sides:
            raise ConfigError(
                f"expert {name!r} learns on both sides and so does not share the index that a router's experts search; "
                "move it to a panel file of its own, build the index that `periti train expert` names, and ask it as a "
                "foreign expert of a collection"
            )
