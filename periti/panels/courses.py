"""The experts of a panel: trained from the slices of their sources, one folder for each expert and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from periti.encoders.adapters import Adapter, read_adapter
from periti.errors import InputError, UnknownName
from periti.panels.config import PanelConfig
from periti.panels.material import DEV, Material
from periti.panels.panel import Panel
from periti.panels.vectors import mean_of
from periti.progress import Progress
from periti.registry import nearest
from periti.training.trainer import Course, Encode, Score, train


def expert_folder(config: PanelConfig, name: str, seed: int) -> Path:
    """Where the expert of a seed lies."""
    return config.home / "experts" / name / f"seed-{seed}"


def train_expert(panel: Panel, name: str, seed: int, *, progress: Progress, command: str = "") -> Adapter:
    """The expert of that name and seed, trained if it is not there yet, after the one it starts from.

    A killed training goes on.

    Raises:
        UnknownName: the panel has no such expert.
        InputError: none of its sources has dev queries, or the expert there was trained otherwise.
    """
    config = panel.config
    if name not in config.experts:
        raise UnknownName(f"panel {config.name!r} has no expert {name!r}; {nearest(name, config.experts)}")
    entry = config.experts[name]
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
    course = Course(name, [source.training_set() for source in sources], config.options(name), seed, card, start)
    return train(
        panel.base, course, dev_score(sources, config.measure), expert_folder(config, name, seed), progress=progress
    )


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
    """The expert of that name and seed.

    Raises:
        EncoderError: it is not trained yet, or damaged.
    """
    return read_adapter(expert_folder(config, name, seed))
