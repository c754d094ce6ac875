"""The rankers of a configuration: one folder for each curriculum and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.config import digest
from periti.encoders import MINILM, minilm_path
from periti.encoders.adapters import read_adapter
from periti.encoders.cross import CrossEncoder, Joint, load_cross_encoder, untrained_cross_encoder
from periti.errors import EncoderError
from periti.files import sha256_file
from periti.panels.ranking.config import RankerConfig
from periti.panels.ranking.dev import DevLists, dev_lists, dev_score
from periti.panels.ranking.parts import Parts, add_parts, parts_of
from periti.panels.ranking.source import RankingSource, open_ranking_source
from periti.progress import Progress
from periti.training.ranking.trainer import RankerCourse, train_ranker


def ranker_folder(config: RankerConfig, seed: int) -> Path:
    """Where the ranker of a configuration's curriculum and of a seed lies."""
    return config.home / config.name / config.training.curriculum / f"seed-{seed}"


def start_of(config: RankerConfig, seed: int) -> CrossEncoder:
    """The cross-encoder that training starts from: one to go on from, or an encoder under a head drawn by seed."""
    options = config.training
    length, budget = options.max_length, options.query_budget
    if config.model:
        start = load_cross_encoder(config.model, max_length=length, query_budget=budget)
    else:
        base = config.base or Path(minilm_path())
        start = untrained_cross_encoder(
            base,
            seed,
            max_length=length,
            query_budget=budget,
            head=config.head,
            joint=Joint(config.apart, _matrix(config.adapter, base)),
        )
        if config.base is None:
            start.name = MINILM  # which its folder does not say
    start.precision = options.precision  # that dev is measured in
    start.remember(config.states_mb << 20, config.states)
    return start


def _matrix(folder: Path | None, base: Path) -> NDArray[np.float32] | None:
    """The matrix of a linear adapter of a base encoder."""
    if folder is None:
        return None
    adapter = read_adapter(folder)
    if adapter.matrix is None:
        raise EncoderError(f"{folder}: late-join starts from a linear adapter, not one of kind {adapter.kind!r}")
    found = sha256_file(base / "model.safetensors")
    if adapter.base != found:
        raise EncoderError(
            f"{folder} was trained on a base with weights {adapter.base[:12]}..., but the ranker's base has "
            f"{found[:12]}...; take an adapter of that base"
        )
    return adapter.matrix


def train_ranker_of(config: RankerConfig, seed: int, *, progress: Progress, command: str = "") -> Mapping[str, Any]:
    """The card of the ranker of a seed, trained if it is not there yet, its parts first; a killed training goes on.

    Args:
        config: sources or parts, first stages, settings.
        seed: of the head, the draws and dropout.
        progress: told of building, searching and training.
        command: that trains it again, for the card.

    Raises:
        InputError: there is nothing to learn from or to stop by, or the ranker there was trained otherwise.
        UnknownName, DatasetError, FormatError, IndexUnusable, EncoderError: as collections and models raise them.
    """
    cards = {
        ranker_folder(part, seed): train_ranker_of(part, seed, progress=progress, command=command)
        for part in parts_of(config)
    }
    sources = [open_ranking_source(name, config, progress) for name in config.learnt]
    start = start_of(config, seed)
    lists = dev_lists(sources, start, config)
    score, folder = dev_score(lists, config.measure), ranker_folder(config, seed)
    card = _told(config, sources, lists, command)
    dev = digest([config.measure, [source.dev_digest for source in sources]])
    if cards:
        return add_parts(start, Parts(config, seed, cards, card, dev), score, folder, progress=progress)
    course = RankerCourse(
        name=config.name,
        sets=[source.training_set(config) for source in sources],
        options=config.training,
        seed=seed,
        card=card,
        sources=[source.told for source in sources],
        dev=dev,
    )
    return train_ranker(start, course, score, folder, progress=progress)


def _told(
    config: RankerConfig, sources: Sequence[RankingSource], lists: Sequence[DevLists], command: str
) -> dict[str, Any]:
    """What the card says of data, dev and command."""
    licences = {source.name: source.licence for source in sources}
    return {
        "description": config.description,
        "domains": sorted({source.domain for source in sources}),
        "licence": "; ".join(sorted(set(licences.values()))),
        "data_licences": licences,
        "measure": f"mean over sources of {config.measure} on dev, lists of the first stage reranked",
        "dev_lists": [one.sentence(config.measure) for one in lists],
        "command": command,
    }
