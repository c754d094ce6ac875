"""Does the order of training examples matter? Curricula and their controls, several seeds each, judged on test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ranker_lists import BM25, MEASURE, Logits

from periti.encoders.cross import CrossEncoder, load_cross_encoder
from periti.evaluation import parse
from periti.evaluation.significance import Design, Scores, compare, corrections, from_runs
from periti.evaluation.significance.runs import Terms
from periti.panels.material import open_material
from periti.panels.ranking.config import RankerConfig, with_training
from periti.panels.ranking.courses import ranker_folder, start_of, train_ranker_of
from periti.panels.ranking.source import first_by_hash
from periti.panels.slices import DEV, TEST
from periti.pipeline import open_pipeline
from periti.progress import Progress, Silent
from periti.types import Run

CURRICULA = ("none", "kde", "anti", "random")
DEPTH = 20
"""Documents of BM25's list that are reranked: the study compares trainings, it does not look for the best list."""
START = "start"
"""The ranker before it is trained; it ranks by the likeness that the encoder knows."""


@dataclass(frozen=True)
class Effect:
    """A curriculum beside none: means over seeds, difference, 95 % interval, p, Holm's p; all on one collection."""

    collection: str
    curriculum: str
    seeds: tuple[float, ...]
    difference: float
    interval: tuple[float, float]
    p: float
    adjusted: float = 1.0

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.seeds))

    @property
    def spread(self) -> float:
        """Standard deviation over seeds."""
        return float(np.std(self.seeds, ddof=1)) if len(self.seeds) > 1 else 0.0


def trained(config: RankerConfig, curriculum: str, seed: int, progress: Progress) -> Path:
    """The folder of a training that is done, now if it was not."""
    one = with_training(config, curriculum=curriculum)
    command = f"python -m benchmarks.rankers --part curricula --seeds {seed}"
    train_ranker_of(one, seed, progress=progress, command=command)
    return ranker_folder(one, seed)


def study(
    config: RankerConfig, home: Path, seeds: Sequence[int], most: int, told: Callable[[str], None]
) -> tuple[list[Effect], dict[str, dict[str, float]]]:
    """Train and judge all of them.

    Args:
        config: of the study.
        home: where trainings and logits are kept.
        seeds: of each curriculum.
        most: test queries of a collection, chosen by hash.
        told: of progress.

    Returns:
        The effect of each curriculum on each collection, "none" first; nDCG@10 of BM25 and of the start by collection.
    """
    config = replace(config, home=home)
    runs: dict[str, dict[str, Run]] = {name: {} for name in config.learnt}
    parts = {}
    for name in config.learnt:
        material = open_material(name, config.collections, config.indexes, Silent())
        part = first_by_hash(material.slices[TEST], most)[DEV]
        bm25 = open_pipeline(config.indexes / config.collections[name].dataset).only(BM25)
        parts[name] = (material, part, bm25.search(part.queries, DEPTH).renamed(BM25))

    def rerank(model: CrossEncoder, system: str) -> None:
        for name, (material, part, first) in parts.items():
            runs[name][system] = (
                Logits(model, home / "logits", lambda _: None).rerank(material, part, first).renamed(system)
            )
        told(f"{system}: judged")

    rerank(start_of(config, 1), START)
    for seed in seeds:
        for curriculum in CURRICULA:
            folder = trained(config, curriculum, seed, Silent())
            lengths = {"max_length": config.training.max_length, "query_budget": config.training.query_budget}
            rerank(load_cross_encoder(folder, **lengths, precision=config.training.precision), f"{curriculum} {seed}")
    tables: dict[str, Scores] = {}
    for name, (material, part, first) in parts.items():
        own = [first, *runs[name].values()]
        tables[name] = from_runs(own, part.qrels, parse([MEASURE], material.min_rel), Terms(missing="zero"))[0][0]
    beside = {
        system: {name: float(table.values[:, table.column(system)].mean()) for name, table in tables.items()}
        for system in (BM25, START)
    }
    return _effects(tables), beside


def _effects(tables: Mapping[str, Scores]) -> list[Effect]:
    """Means over seeds, topic by topic, of every curriculum against none; Holm over collections and curricula."""
    found: list[Effect] = []
    for name, table in tables.items():
        seeds = {
            curriculum: tuple(
                float(table.values[:, column].mean())
                for column, system in enumerate(table.systems)
                if system.split()[0] == curriculum
            )
            for curriculum in CURRICULA
        }
        judged = compare([table.averaged(r"(\w+) \d+")], Design(baseline="none")).tables[0]
        found.append(Effect(name, "none", seeds["none"], 0.0, (0.0, 0.0), 1.0))
        for curriculum in CURRICULA[1:]:
            pair = judged.between(curriculum, "none")
            if pair is not None:
                ends = (pair.intervals[-1].low, pair.intervals[-1].high)
                found.append(Effect(name, curriculum, seeds[curriculum], pair.difference, ends, pair.p))
    tested = [effect for effect in found if effect.curriculum != "none"]
    adjusted = dict(zip(map(id, tested), corrections.holm(np.array([one.p for one in tested])), strict=True))
    return [replace(effect, adjusted=float(adjusted.get(id(effect), 1.0))) for effect in found]
