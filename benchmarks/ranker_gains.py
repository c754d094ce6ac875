"""What a trained cross-encoder adds to BM25 and to the best fusion without it, collection by collection.

Every choice (rule, scaling, weights) is made on held-out queries of train: for a collection that the ranker has learnt
from on its own; for all others on those of all sources, each as a ranker orders it that has not learnt from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ranker_lists import BM25, DEPTH, MEASURE, Lists, Logits, lists_of, mean_of
from ranker_settings import ALL, ELSEWHERE, FUSION, MORE, PARTS, RIVAL, Settings, chosen_for_each, fused

from periti.encoders.adapters import read_adapter
from periti.encoders.cross import CrossEncoder, load_cross_encoder
from periti.evaluation import parse
from periti.evaluation.significance import Design, compare, corrections, from_runs
from periti.evaluation.significance.runs import Terms
from periti.panels.material import Material, open_material
from periti.panels.ranking.config import RankerConfig
from periti.panels.ranking.courses import ranker_folder, start_of
from periti.panels.ranking.first_stage import first_stage
from periti.panels.ranking.parts import added, open_part, parts_of
from periti.panels.ranking.source import first_by_hash
from periti.panels.slices import DEV, TEST, Slice
from periti.panels.sources import open_source
from periti.pipeline import open_pipeline
from periti.progress import Silent
from periti.protocols import Vectors
from periti.training.ranking.card import read_card
from periti.types import Run

READ_AT_ONCE = 256
CLAIM = ((ALL, BM25), (ALL, RIVAL))
"""What is claimed: the fusion with the ranker is better than BM25 and than the best fusion without it."""
OTHERS = ((MORE, BM25), (MORE, FUSION), (ALL, FUSION))
TAUGHT_BY_OTHERS = ("medquad",)
"""Collections that are learnt from under another name."""
LEFT_OUT = {
    "cohen": "ten queries, and a task of its own (docs/results/screening.md)",
    "demo": "written for this repository, no benchmark",
}


@dataclass(frozen=True)
class Gain:
    """A system beside another on one collection: queries, difference, 95 % BCa interval, p."""

    collection: str
    system: str
    baseline: str
    queries: int
    difference: float
    interval: tuple[float, float]
    p: float


def adjusted(gains: Sequence[Gain]) -> list[float]:
    """Holm's p of each of all these comparisons."""
    found: NDArray[np.float64] = corrections.holm(np.array([gain.p for gain in gains]))
    return [float(p) for p in found]


def gains_of(
    runs: Mapping[str, Sequence[Run]], test: Mapping[str, Lists], asked: Sequence[tuple[str, str]], seed: int
) -> list[Gain]:
    """Systems against baselines on every collection."""
    found: list[Gain] = []
    for collection, systems in runs.items():
        one = test[collection]
        tables, evidence = from_runs(
            list(systems), one.part.qrels, parse([MEASURE], one.min_rel), Terms(missing="zero")
        )
        against = {b: compare(tables, Design(baseline=b, seed=seed), evidence).tables[0] for _, b in asked}
        for system, baseline in asked:
            table = against[baseline]
            pair = table.between(system, baseline)
            if pair is not None:
                sign = 1.0 if pair.a == system else -1.0
                low, high = sorted((sign * pair.intervals[-1].low, sign * pair.intervals[-1].high))
                gap = sign * pair.difference
                found.append(Gain(collection, system, baseline, table.topics, gap, (low, high), pair.p))
    return found


@dataclass(frozen=True)
class Gains:
    """Everything that the page says of gains.

    Attributes:
        means: collection -> system -> nDCG@10.
        gains: the tests of what is claimed.
        others: those of other systems and baselines.
        settings: source, or elsewhere -> fusion -> rule and setting chosen on dev.
        dev: source -> queries.
        domains: collection -> domain.
        seen: the collections whose train part was learnt from.
        alone: source -> system -> nDCG@10 on dev.
    """

    means: Mapping[str, Mapping[str, float]]
    gains: Sequence[Gain]
    others: Sequence[Gain]
    settings: Mapping[str, Settings]
    dev: Mapping[str, int]
    domains: Mapping[str, str]
    seen: Sequence[str]
    alone: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Judged:
    """Lists of one collection.

    Attributes:
        domain: of the collection.
        dev: of its held-out queries of train, where it has any.
        strange: the same in the order of the ranker without what it has learnt from the collection.
        test: of its test queries.
    """

    domain: str
    dev: Lists | None
    strange: Lists | None
    test: Lists


@dataclass(frozen=True)
class Judge:
    """What judges a trained ranker.

    Attributes:
        config: the ranker's file.
        home: where logits are kept.
        adapter: folder of the adapter that has learnt from the same collections.
        asked: the collections whose test queries it answers.
        most: test queries of a collection whose kind was learnt from, and of one that was not; chosen by hash.
        told: of progress.
        seed: of the bootstrap.
    """

    config: RankerConfig
    home: Path
    adapter: Path
    asked: Sequence[str]
    most: tuple[int, int]
    told: Callable[[str], None]
    seed: int

    def read(self, names: Sequence[str]) -> None:
        """Let the frozen layers read what will be reranked in some collections, and keep their states on disk."""
        model = start_of(replace(self.config, states_mb=0), self.seed)
        for name in names:
            material = open_material(name, self.config.collections, self.config.indexes, Silent())
            source = open_source(name, self.config.collections[name])
            words = open_pipeline(first_stage(name, _deep(self.config), source, Silent()))
            parts = [material.slices[DEV]] if DEV in material.slices else []
            for part in (*parts, self._test_part(name, material)):
                wanted = words.search(part.queries, DEPTH).frame["doc_id"].unique().sort().to_list()
                for start in range(0, len(wanted), READ_AT_ONCE):
                    model.read_alone(material.texts(wanted[start : start + READ_AT_ONCE]))
                    self.told(f"{name}: {min(start + READ_AT_ONCE, len(wanted)):,} of {len(wanted):,} documents read")

    def score(self, folder: Path, names: Sequence[str]) -> None:
        """Compute and keep the logits of some collections: a process of its own may do so for each."""
        for name in names:
            self._judged(folder, name)

    def study(self, folder: Path) -> Gains:
        """Score, tune on dev, judge on test, the ranker in a folder."""
        judged = {name: self._judged(folder, name) for name in self.asked}
        dev = {name: one.dev for name, one in judged.items() if one.dev}
        strange = {name: one.strange for name, one in judged.items() if one.strange}
        test = {name: one.test for name, one in judged.items()}
        settings = chosen_for_each(dev, strange)
        runs = {name: _systems(one, settings.get(name, settings[ELSEWHERE])) for name, one in test.items()}
        return Gains(
            means=_means(runs, test),
            gains=gains_of(runs, test, CLAIM, self.seed),
            others=gains_of(runs, test, OTHERS, self.seed),
            settings=settings,
            dev={name: len(one.part.queries) for name, one in dev.items()},
            domains={name: one.domain for name, one in judged.items()},
            seen=[name for name in test if name in dev or name in TAUGHT_BY_OTHERS],
            alone=_means({name: _systems(one, settings[name]) for name, one in dev.items()}, dev),
        )

    def _judged(self, folder: Path, name: str) -> Judged:
        """A collection's lists."""
        material = open_material(name, self.config.collections, self.config.indexes, Silent())
        source = open_source(name, self.config.collections[name])
        words = first_stage(name, _deep(self.config), source, Silent())
        matrix, logits = self._matrix(), self._logits(self._opened(folder))
        dev = lists_of(material, material.slices[DEV], words, matrix, logits) if DEV in material.slices else None
        test = lists_of(material, self._test_part(name, material), words, matrix, logits)
        strange = dev
        if dev and self.config.parts:
            logits = self._logits(self._without(folder, name))
            strange = lists_of(material, material.slices[DEV], words, matrix, logits)
        return Judged(material.domain, dev, strange, test)

    def _logits(self, model: CrossEncoder) -> Logits:
        return Logits(model, self.home / "logits", self.told)

    def _opened(self, folder: Path) -> CrossEncoder:
        """The ranker that is judged."""
        options = self.config.training
        model = load_cross_encoder(
            folder, max_length=options.max_length, query_budget=options.query_budget, precision=options.precision
        )
        model.remember(self.config.states_mb << 20, self.config.states)
        return model

    def _without(self, folder: Path, name: str) -> CrossEncoder:
        """What the ranker would be without the part that has learnt from a collection."""
        start = start_of(self.config, self.seed)
        others = [part for part in parts_of(self.config) if name not in part.sources]
        trained = [open_part(ranker_folder(part, self.seed), start) for part in others]
        return added(start, trained, float(read_card(folder)["share"]))

    def _matrix(self) -> Vectors:
        """Of the adapter."""
        matrix = read_adapter(self.adapter).matrix
        if matrix is None:
            raise TypeError(f"{self.adapter} is no linear adapter")
        return matrix

    def _test_part(self, name: str, material: Material) -> Slice:
        """The test queries that are judged."""
        most = self.most[name not in self.config.learnt and name not in TAUGHT_BY_OTHERS]
        return first_by_hash(material.slices[TEST], most)[DEV]


def _deep(config: RankerConfig) -> RankerConfig:
    """The file with lists as deep as they are judged, not as shallow as those that are learnt from."""
    return replace(config, training=replace(config.training, depth=DEPTH))


def _systems(one: Lists, settings: Settings) -> list[Run]:
    return [*one.runs.values(), *(fused(settings[rule], one.runs, one.part.queries, rule) for rule in PARTS)]


def _means(runs: Mapping[str, Sequence[Run]], lists: Mapping[str, Lists]) -> dict[str, dict[str, float]]:
    return {name: {run.name: mean_of(run, lists[name]) for run in own} for name, own in runs.items()}
