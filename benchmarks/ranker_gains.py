"""What a trained cross-encoder adds to BM25 and to the best fusion without it, collection by collection.

Every choice (rule, scaling, weights) is made on held-out queries of train, all sources together; one setting serves all
collections, also those that the ranker has never seen. Logits are kept under --home and are not computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import PipelineConfig, digest
from periti.encoders import minilm
from periti.encoders.adapters import read_adapter
from periti.encoders.cross import CrossEncoder, load_cross_encoder, weights_digest
from periti.evaluation import parse
from periti.evaluation.significance import Design, compare, corrections, from_runs
from periti.evaluation.significance.runs import Terms
from periti.panels.material import Material, open_material
from periti.panels.ranking.config import RankerConfig
from periti.panels.ranking.courses import start_of
from periti.panels.ranking.first_stage import first_stage
from periti.panels.ranking.source import first_by_hash
from periti.panels.slices import DEV, TEST, Slice
from periti.panels.sources import open_source
from periti.panels.vectors import measured, moved, searched
from periti.pipeline import open_pipeline
from periti.progress import Silent
from periti.protocols import Vectors
from periti.rankers.fusion.settings import made, weighted
from periti.rankers.fusion.tuning import Search, Trial, best, tune
from periti.rankers.reranking import finished
from periti.types import PLAN, Plan, Queries, Run

DEPTH = 100
READ_AT_ONCE = 256
CUT = 10
MEASURE = f"nDCG@{CUT}"
BM25, DENSE, ADAPTED, RANKER = "bm25", "dense", "dense, adapter", "cross-encoder"
FUSION, RIVAL, MORE, ALL = "fusion", "fusion, adapter", "cross-encoder + bm25", "fusion with it"
SCALINGS = ("min-max", "z-score")
SEARCHES = (Search("rrf"), *(Search("comb-sum", {"scaling": scaling}) for scaling in SCALINGS))
PLACED = tuple(Search("in-place", {"scaling": scaling, "reader": RANKER}) for scaling in SCALINGS)
"""Where the ranker stands beside lists that found what it has not read."""
PARTS: Mapping[str, tuple[str, ...]] = {
    FUSION: (BM25, DENSE),
    RIVAL: (BM25, DENSE, ADAPTED),
    MORE: (BM25, RANKER),
    ALL: (BM25, DENSE, ADAPTED, RANKER),
}
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
class Lists:
    """Lists of one collection's queries of one purpose.

    Attributes:
        part: queries and judgements.
        min_rel: the least relevant grade.
        runs: bm25, dense, dense by an adapter, and the ranker's order of BM25's list; of
            DEPTH documents, or fewer where BM25 finds fewer.
    """

    part: Slice
    min_rel: int
    runs: Mapping[str, Run]


def lists_of(material: Material, part: Slice, words: PipelineConfig, matrix: Vectors, logits: Logits) -> Lists:
    """The lists of a collection's queries, DEPTH documents each; `matrix` is the adapter's, float32 (d, d)."""
    first = {BM25: open_pipeline(words).search(part.queries, DEPTH).renamed(BM25)}
    vectors = minilm().encode_queries(part.queries.texts).vectors
    for name, turned in ((DENSE, vectors), (ADAPTED, moved(vectors, matrix))):
        first[name] = searched(material, part.queries, turned, DEPTH, name)
    return Lists(part, material.min_rel, {**first, RANKER: logits.rerank(material, part, first[BM25]).renamed(RANKER)})


@dataclass(frozen=True)
class Logits:
    """A cross-encoder whose logits are remembered by digest of what it reads.

    Attributes:
        model: the cross-encoder.
        folder: where they are kept.
        told: of what is being scored.
    """

    model: CrossEncoder
    folder: Path
    told: Callable[[str], None]

    def rerank(self, material: Material, part: Slice, run: Run) -> Run:
        """The run in the cross-encoder's order."""
        read = [weights_digest(self.model.model), self.model.max_length, self.model.query_budget, self.model.precision]
        pairs = run.frame.join(part.queries.frame, on="query_id").sort("query_id", "rank")
        lists = pairs.partition_by("query_id", maintain_order=True)
        frames = []
        for done, one in enumerate(lists, 1):
            frames.append(self._scored(material, one, [read, material.docstore.corpus_digest]))
            if done % 25 == 0 or done == len(lists):
                self.told(f"{material.name}: {done:,} of {len(lists):,} queries reranked")
        return finished(run, pl.concat(frames))

    def _scored(self, material: Material, pairs: pl.DataFrame, read: Sequence[Any]) -> pl.DataFrame:
        """The logits of one query's list, as kept or computed."""
        key = digest([*read, pairs["text"][0], pairs["doc_id"].to_list()])
        path = self.folder / f"{key}.parquet"
        if not path.exists():
            texts = material.texts(pairs["doc_id"].to_list())
            logits = self.model.logits(self.model.tokenise(pairs["text"].to_list(), texts))
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            pl.DataFrame({"logit": logits}).write_parquet(fresh)
            fresh.replace(path)
        # Another query may have the same text and list.
        return pairs.select("query_id", "doc_id").with_columns(pl.read_parquet(path)["logit"])


def fused(trial: tuple[str, Trial], runs: Mapping[str, Run], queries: Queries, name: str) -> Run:
    """The runs under a setting."""
    rule, chosen = trial
    kept = {part: runs[part] for part in PARTS[name]}
    plan = weighted(everyone(kept, queries), chosen.weights)
    return made(rule, dict(chosen.options)).fuse(kept, plan).top(DEPTH).renamed(name)


def everyone(runs: Mapping[str, Run], queries: Queries) -> Plan:
    """Every list for every query."""
    return Plan.of(pl.DataFrame([(q, r, 1.0) for q in queries.ids for r in runs], schema=PLAN, orient="row"), queries)


def chosen_on_dev(dev: Mapping[str, Lists]) -> dict[str, tuple[str, Trial]]:
    """For each fusion, the rule and setting that are best on dev, the mean over sources."""
    return {name: _best(name, dev) for name in PARTS}


def _searches(name: str) -> Sequence[Search]:
    """What is tried for a fusion."""
    return (*SEARCHES, *PLACED) if RANKER in PARTS[name] and DENSE in PARTS[name] else SEARCHES


def _best(name: str, dev: Mapping[str, Lists]) -> tuple[str, Trial]:
    joined = {part: _joined({source: one.runs[part] for source, one in dev.items()}) for part in PARTS[name]}
    queries = Queries.from_pairs([(f"{s} {q}", t) for s, one in dev.items() for q, t in one.part.queries.frame.rows()])

    def objective(run: Run) -> float:
        first = run.top(CUT)  # what the measure looks at: what follows would cost most of the time
        return float(np.mean([_mean(_of(first, source), one) for source, one in dev.items()]))

    trials = {
        (search.method, *search.options.values()): best(tune(search, joined, everyone(joined, queries), objective))
        for search in _searches(name)
    }
    key = max(trials, key=lambda one: trials[one].value)
    return str(key[0]), trials[key]


def _joined(runs: Mapping[str, Run]) -> Run:
    """Runs of several collections as one, whose queries bear the collection's name."""
    frames = [run.frame.with_columns(query_id=f"{name} " + pl.col("query_id")) for name, run in runs.items()]
    return Run("joined", pl.concat(frames).sort("query_id", "rank"))


def _of(run: Run, source: str) -> Run:
    start = f"{source} "
    own = run.frame.filter(pl.col("query_id").str.starts_with(start))
    return Run(run.name, own.with_columns(pl.col("query_id").str.strip_prefix(start)))


def _mean(run: Run, lists: Lists) -> float:
    return float(measured(run, lists.part, MEASURE, lists.min_rel)["value"].to_numpy().mean())


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
        settings: fusion -> rule and setting chosen on dev.
        dev: source -> queries.
        domains: collection -> domain.
        seen: the collections whose train part was learnt from.
        alone: source -> system -> nDCG@10 on dev.
    """

    means: Mapping[str, Mapping[str, float]]
    gains: Sequence[Gain]
    others: Sequence[Gain]
    settings: Mapping[str, tuple[str, Trial]]
    dev: Mapping[str, int]
    domains: Mapping[str, str]
    seen: Sequence[str]
    alone: Mapping[str, Mapping[str, float]]


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
            words = open_pipeline(first_stage(name, _judged(self.config), source, Silent()))
            parts = [material.slices[DEV]] if DEV in material.slices else []
            for part in (*parts, self._test_part(name, material)):
                wanted = words.search(part.queries, DEPTH).frame["doc_id"].unique().sort().to_list()
                for start in range(0, len(wanted), READ_AT_ONCE):
                    model.read_alone(material.texts(wanted[start : start + READ_AT_ONCE]))
                    self.told(f"{name}: {min(start + READ_AT_ONCE, len(wanted)):,} of {len(wanted):,} documents read")

    def score(self, folder: Path, names: Sequence[str]) -> None:
        """Compute and keep the logits of some collections: a process of its own may do so for each."""
        logits = self._logits(folder)
        for name in names:
            self._list(name, logits)

    def study(self, folder: Path) -> Gains:
        """Score, tune on dev, judge on test, the ranker in a folder."""
        dev, test, domains = self._lists(self._logits(folder))
        settings = chosen_on_dev(dev)
        runs = {name: _systems(one, settings) for name, one in test.items()}
        return Gains(
            means=_means(runs, test),
            gains=gains_of(runs, test, CLAIM, self.seed),
            others=gains_of(runs, test, OTHERS, self.seed),
            settings=settings,
            dev={name: len(one.part.queries) for name, one in dev.items()},
            domains=domains,
            seen=[name for name in test if name in dev or name in TAUGHT_BY_OTHERS],
            alone=_means({name: _systems(one, settings) for name, one in dev.items()}, dev),
        )

    def _logits(self, folder: Path) -> Logits:
        options = self.config.training
        model = load_cross_encoder(
            folder, max_length=options.max_length, query_budget=options.query_budget, precision=options.precision
        )
        model.remember(self.config.states_mb << 20, self.config.states)
        return Logits(model, self.home / "logits", self.told)

    def _matrix(self) -> Vectors:
        """Of the adapter."""
        matrix = read_adapter(self.adapter).matrix
        if matrix is None:
            raise TypeError(f"{self.adapter} is no linear adapter")
        return matrix

    def _lists(self, logits: Logits) -> tuple[dict[str, Lists], dict[str, Lists], dict[str, str]]:
        """Lists of dev and of test, and the domains of the collections."""
        dev: dict[str, Lists] = {}
        test: dict[str, Lists] = {}
        domains: dict[str, str] = {}
        for name in self.asked:
            domains[name], held_out, test[name] = self._list(name, logits)
            if held_out:
                dev[name] = held_out
        return dev, test, domains

    def _list(self, name: str, logits: Logits) -> tuple[str, Lists | None, Lists]:
        """Domain, lists of dev, where there are dev queries, and of test, of a collection."""
        material = open_material(name, self.config.collections, self.config.indexes, Silent())
        source = open_source(name, self.config.collections[name])
        words = first_stage(name, _judged(self.config), source, Silent())
        rest = (words, self._matrix(), logits)
        held_out = lists_of(material, material.slices[DEV], *rest) if DEV in material.slices else None
        part = self._test_part(name, material)
        return material.domain, held_out, lists_of(material, part, *rest)

    def _test_part(self, name: str, material: Material) -> Slice:
        """The test queries that are judged."""
        most = self.most[name not in self.config.learnt and name not in TAUGHT_BY_OTHERS]
        return first_by_hash(material.slices[TEST], most)[DEV]


def _judged(config: RankerConfig) -> RankerConfig:
    """The file with lists as deep as they are judged, not as shallow as those that are learnt from."""
    return replace(config, training=replace(config.training, depth=DEPTH))


def _systems(one: Lists, settings: Mapping[str, tuple[str, Trial]]) -> list[Run]:
    return [*one.runs.values(), *(fused(settings[rule], one.runs, one.part.queries, rule) for rule in PARTS)]


def _means(runs: Mapping[str, Sequence[Run]], lists: Mapping[str, Lists]) -> dict[str, dict[str, float]]:
    return {name: {run.name: _mean(run, lists[name]) for run in own} for name, own in runs.items()}
