"""Does choosing training pairs make better experts? Pairs of four collections, shuffled, their origin hidden.

For each domain a target of 50 examples (held-out training pairs, none of them in the pool) and an equal budget of pairs
for every selector; a linear query-side expert is trained on what was chosen, for as many steps, and judged on that
domain's test; negatives are the documents of the pool and of the collection that is searched. The oracle is told where
pairs are from and takes the domain's own by chance. Queries asked in a test of the panel are neither in the pool nor
among the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import digest
from periti.datasets.selection.selector import Selector, Target
from periti.encoders import SentenceEncoder, minilm
from periti.encoders.adapters import read_arrays, write_arrays
from periti.evaluation import parse
from periti.evaluation.significance import Design, Scores, compare, corrections, from_runs
from periti.evaluation.significance.runs import Terms
from periti.indexers.dense import normalised
from periti.panels.config import PanelConfig
from periti.panels.material import Material, open_material
from periti.panels.ranking.source import first_by_hash
from periti.panels.slices import DEV, FIT, TEST, UTILITY, Slice
from periti.panels.vectors import measured, moved, searched
from periti.progress import Silent
from periti.protocols import Encoded, Vectors
from periti.training.course import Course
from periti.training.pairs import TrainingSet
from periti.training.settings import TrainingOptions
from periti.training.trainer import train
from periti.types import QRELS, Coverage, Qrels, Queries, Run

DOMAINS = {"science": ("scifact", "scifact"), "law": ("obliqa", "obliqa"), "medicine": ("medquad-pairs", "medquad")}
"""Domain -> the collection whose training pairs are in the pool, and the one whose test judges."""
WEB = "dl19", "dl20"
"""Judged passages of MS MARCO, which nobody asks for here."""
MEASURE = "nDCG@10"
OPTIONS = TrainingOptions(
    method="linear", learning_rate=3e-4, steps=200, batch=48, evaluate_every=200, keep="last", max_length=256
)
RANDOM, LENGTH, ORACLE = "random", "random, same lengths", "oracle"


@dataclass(frozen=True)
class Pair:
    """A query and a document it asks for.

    Attributes:
        domain: where it is from, which selectors are not told.
        query: text; document: text; vector: of the document by the frozen base, float32 (d,).
    """

    domain: str
    query: str
    document: str
    vector: Vectors = field(repr=False)

    @property
    def text(self) -> str:
        """What selectors read."""
        return f"{self.query}\n{self.document}"


class Remembered(SentenceEncoder):
    """An encoder that keeps the vectors of texts in a file, so that a study encodes each once."""

    def __init__(self, base: SentenceEncoder, folder: Path) -> None:
        super().__init__(base.model, base.identity)
        self._folder, self._known = folder, dict[str, Vectors]()

    def learn(self, texts: Sequence[str]) -> None:
        """Read the vectors of queries from their file, or encode them."""
        distinct = list(dict.fromkeys(texts))
        path = self._folder / f"{digest([distinct, self.identity.weights_sha256])}.safetensors"
        if path.exists():
            vectors = read_arrays(path)[0]["vectors"]
        else:
            vectors = super().encode_queries(distinct).vectors
            self._folder.mkdir(parents=True, exist_ok=True)
            write_arrays(path, {"vectors": vectors}, {"texts": str(len(distinct))})
        self._known.update(zip(distinct, vectors, strict=True))

    def learn_pairs(self, pairs: Sequence[Pair]) -> None:
        """Let a pair's text have the mean direction of its query and its document, which are known."""
        for pair in pairs:
            both = normalised(np.stack([self._known[pair.query], pair.vector]))
            self._known[pair.text] = both.mean(axis=0)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Vectors that were learnt, float32 (n, d)."""
        return Encoded(np.stack([self._known[text] for text in texts]), Coverage(len(texts), 0, 0, 0))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of texts that were learnt, for selectors."""
        return normalised(np.stack([self._known[text] for text in texts]))


@dataclass(frozen=True)
class Trained:
    """One expert to train: domain, selector, seed, and the pairs that were chosen."""

    domain: str
    selector: str
    seed: int
    chosen: Sequence[Pair]


@dataclass(frozen=True)
class Bench:
    """Everything that is the same in all trainings.

    Attributes:
        pool: the pairs, in an order that says nothing.
        held_out: domain -> pairs that targets are drawn from.
        tests: domain -> its test collection and queries.
        devs: domain -> the collection and queries that the temperature is chosen on, held out of the pool.
        base: the encoder, with the vectors of all texts.
        budget: pairs to choose.
        examples: of a target.
    """

    pool: Sequence[Pair]
    held_out: Mapping[str, Sequence[Pair]]
    tests: Mapping[str, tuple[Material, Slice]]
    devs: Mapping[str, tuple[Material, Slice]]
    base: Remembered
    budget: int
    examples: int

    def target(self, domain: str, seed: int) -> Target:
        """Examples of a domain."""
        pairs = self.held_out[domain]
        places = np.random.default_rng([seed, 1]).choice(len(pairs), size=self.examples, replace=False)
        return Target(domain, tuple(pairs[place].text for place in places))

    def blocks(self) -> Iterator[Sequence[str]]:
        """The pool's texts."""
        for start in range(0, len(self.pool), 1000):
            yield [pair.text for pair in self.pool[start : start + 1000]]

    def scores(self, selector: Selector, target: Target, seed: int) -> NDArray[np.float64]:
        """A selector's values of the pool, standardised, float64 (n,)."""
        scorer = selector.fit(self.blocks, [target], seed=seed)
        found: NDArray[np.float64] = np.concatenate([scorer.score(texts) for texts in self.blocks()]).sum(axis=1)
        finite = np.isfinite(found)
        found[finite] = (found[finite] - found[finite].mean()) / max(float(found[finite].std()), 1e-12)
        return found

    def drawn(self, scores: NDArray[np.float64], temperature: float, seed: int) -> list[Pair]:
        """The budget's best pairs after Gumbel noise of a temperature, in standard deviations of the scores."""
        noise = np.random.default_rng([seed, 3]).gumbel(size=len(scores))
        order = np.argsort(-(scores + temperature * noise), kind="stable")
        return [self.pool[place] for place in np.sort(order[: self.budget])]

    def once(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores with -inf for a pair whose document has a better one, as `periti select --once document` does."""
        best: dict[str, int] = {}
        for place in np.argsort(-scores, kind="stable").tolist():
            best.setdefault(self.pool[place].document, place)
        left = np.full(len(scores), -np.inf)
        kept = list(best.values())
        left[kept] = scores[kept]
        return left

    def oracle(self, domain: str, seed: int) -> list[Pair]:
        """The domain's own pairs, by chance."""
        own = [place for place, pair in enumerate(self.pool) if pair.domain == domain]
        drawn = np.random.default_rng([seed, 2]).choice(own, size=min(self.budget, len(own)), replace=False)
        return [self.pool[place] for place in np.sort(drawn)]

    def run(self, course: Trained, home: Path, judge: tuple[Material, Slice]) -> Run:
        """Train on what was chosen and ask the judge's queries with it."""
        material, part = judge
        name = f"{course.selector} {course.seed}"
        matrix = self.expert(course, home)
        vectors = moved(self.base.encode_queries(part.queries.texts).vectors, matrix)
        return searched(material, part.queries, vectors, 10, name)

    def corpus(self, domain: str) -> dict[str, Vectors]:
        """Texts and vectors of the collection that the expert shall search: whoever trains for it has it at hand."""
        material = self.tests[domain][0]
        return dict(zip(material.texts(material.rows), material.vectors, strict=True))

    def expert(self, course: Trained, home: Path) -> Vectors:
        """The matrix of the expert of some pairs, trained now if it was not."""
        queries = list(dict.fromkeys(pair.query for pair in course.chosen))
        documents = {**self.corpus(course.domain), **{pair.document: pair.vector for pair in self.pool}}
        rows = {text: f"d{place}" for place, text in enumerate(documents)}
        ids = {text: f"q{place}" for place, text in enumerate(queries)}
        judged = sorted({(ids[pair.query], rows[pair.document], 1) for pair in course.chosen})
        given = TrainingSet.of(
            "chosen",
            Queries.from_pairs([(ids[text], text) for text in queries]),
            Qrels.of(pl.DataFrame(judged, schema=QRELS, orient="row"), "chosen"),
            list(rows.values()),
            np.stack(list(documents.values())),
        )
        key = digest([given.digest, list(documents), OPTIONS.told(), course.seed])
        made = Course("selected", [given], OPTIONS, course.seed)
        adapter = train(self.base, made, lambda _: 0.0, home / "experts" / key[:24], progress=Silent())
        if adapter.matrix is None:
            raise TypeError("a linear expert has a matrix")
        return adapter.matrix


def open_bench(config: PanelConfig, home: Path, budget: int, examples: int, most: int) -> Bench:
    """The pool, targets and tests; what has no vector yet is encoded."""
    base = Remembered(minilm(), home / "vectors")
    pool: list[Pair] = []
    held_out: dict[str, list[Pair]] = {}
    tests: dict[str, tuple[Material, Slice]] = {}
    devs: dict[str, tuple[Material, Slice]] = {}
    for domain, (source, test) in DOMAINS.items():
        material = open_material(source, config.collections, config.indexes, Silent())
        pool += pairs_of(domain, material, [material.slices[FIT]])
        held_out[domain] = pairs_of(domain, material, [material.slices[part] for part in (DEV, UTILITY)])
        devs[domain] = (material, material.slices[UTILITY])
        judged = material if test == source else open_material(test, config.collections, config.indexes, Silent())
        tests[domain] = (judged, first_by_hash(judged.slices[TEST], most)[DEV])
    for name in WEB:
        material = open_material(name, config.collections, config.indexes, Silent())
        part = material.slices[TEST]
        good = Qrels.of(part.qrels.frame.filter(pl.col("relevance") >= 2), part.qrels.name)
        pool += pairs_of("web", material, [Slice(part.queries, good)], most=15)
    order = np.random.default_rng(0).permutation(len(pool))
    pool = [pool[place] for place in order]
    everyone = [*pool, *(pair for own in held_out.values() for pair in own)]
    base.learn([pair.query for pair in everyone])
    base.learn_pairs(everyone)
    for _, part in [*tests.values(), *devs.values()]:
        base.learn(part.queries.texts)
    return Bench(pool, held_out, tests, devs, base, budget, examples)


def pairs_of(domain: str, material: Material, parts: Sequence[Slice], most: int = 3) -> list[Pair]:
    """Queries with their relevant documents, at most so many of a query, the highest grades first."""
    rows = {doc_id: row for row, doc_id in enumerate(material.rows)}
    found: list[Pair] = []
    for part in parts:
        judged = part.qrels.frame.filter(pl.col("relevance") > 0).join(part.queries.frame, on="query_id")
        best = judged.sort(["query_id", "relevance", "doc_id"], descending=[False, True, False])
        for query_id, own in best.group_by("query_id", maintain_order=True):
            del query_id
            kept = [doc_id for doc_id in own["doc_id"] if doc_id in rows][:most]
            texts = material.texts(kept)
            found += [
                Pair(domain, own["text"][0], text, material.vectors[rows[doc_id]])
                for doc_id, text in zip(kept, texts, strict=True)
            ]
    return found


@dataclass(frozen=True)
class Effect:
    """A selector beside random pairs of the same lengths, on the test of one domain.

    Attributes:
        precision: share of the chosen pairs that are the domain's own, mean over seeds; words: mean words of a pair;
            documents: distinct ones that were chosen, mean over seeds.
        seeds: nDCG@10 of each seed's expert.
        difference, interval, p, adjusted: topic by topic after averaging seeds, against LENGTH; Holm over all.
        from_oracle: difference from the oracle and its interval, in the same way.
    """

    domain: str
    selector: str
    precision: float
    words: float
    reduction: float
    seeds: tuple[float, ...]
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    p: float = 1.0
    adjusted: float = 1.0
    from_oracle: tuple[float, ...] = ()
    documents: float = 0.0


Choose = Callable[[Bench, str, int], Mapping[str, Sequence[Pair]]]
"""Bench, domain and seed to selector -> chosen pairs."""


def study(
    bench: Bench, choose: Choose, reduction: Callable[[Target, Bench, Sequence[Pair]], float], seeds: int, home: Path
) -> tuple[list[Effect], dict[str, float]]:
    """Choose, train, judge.

    Returns:
        The effects, and the base's nDCG@10 by domain.
    """
    effects: list[Effect] = []
    base: dict[str, float] = {}
    tested: list[tuple[int, float]] = []
    for domain in DOMAINS:
        runs: dict[str, Run] = {}
        chosen: dict[str, list[Sequence[Pair]]] = {}
        gains: dict[str, list[float]] = {}
        for seed in range(1, seeds + 1):
            target = bench.target(domain, seed)
            for selector, pairs in choose(bench, domain, seed).items():
                chosen.setdefault(selector, []).append(pairs)
                gains.setdefault(selector, []).append(reduction(target, bench, pairs))
                run = bench.run(Trained(domain, selector, seed, pairs), home, bench.tests[domain])
                runs[run.name] = run
        material, part = bench.tests[domain]
        plain = searched(material, part.queries, bench.base.encode_queries(part.queries.texts).vectors, 10, "base")
        table = from_runs(
            [plain, *runs.values()], part.qrels, parse([MEASURE], material.min_rel), Terms(missing="zero")
        )[0][0]
        base[domain] = float(table.values[:, table.column("base")].mean())
        judged, beside = (
            compare([table.averaged(r"(.+) \d+")], Design(baseline=name)).tables[0] for name in (LENGTH, ORACLE)
        )
        for selector, own in chosen.items():
            effect: dict[str, Any] = {
                "precision": float(np.mean([np.mean([pair.domain == domain for pair in pairs]) for pairs in own])),
                "words": float(np.mean([len(pair.text.split()) for pairs in own for pair in pairs])),
                "documents": float(np.mean([len({pair.document for pair in pairs}) for pairs in own])),
                "reduction": float(np.mean(gains[selector])),
                "seeds": _seeds(table, selector),
            }
            pair = judged.between(selector, LENGTH)
            if pair is not None:
                ends = (pair.intervals[-1].low, pair.intervals[-1].high)
                effect |= {"difference": pair.difference, "interval": ends, "p": pair.p}
                tested.append((len(effects), pair.p))
            other = beside.between(selector, ORACLE)
            if other is not None:
                effect["from_oracle"] = (other.difference, other.intervals[-1].low, other.intervals[-1].high)
            effects.append(Effect(domain, selector, **effect))
    holm = corrections.holm(np.array([p for _, p in tested]))
    for (place, _), p in zip(tested, holm, strict=True):
        effects[place] = Effect(**{**effects[place].__dict__, "adjusted": float(p)})
    return effects, base


def on_dev(
    bench: Bench, choose: Choose, selectors: Sequence[str], seeds: int, home: Path
) -> dict[str, dict[str, float]]:
    """Domain -> selector -> mean over seeds of nDCG@10 on held-out queries: what settings are chosen by."""
    found: dict[str, dict[str, list[float]]] = {}
    for domain, judge in bench.devs.items():
        for seed in range(1, seeds + 1):
            for selector, pairs in choose(bench, domain, seed).items():
                if selector in selectors:
                    run = bench.run(Trained(domain, selector, seed, pairs), home, judge)
                    values = measured(run, judge[1], MEASURE, judge[0].min_rel)["value"]
                    found.setdefault(domain, {}).setdefault(selector, []).append(float(values.to_numpy().mean()))
    return {domain: {name: float(np.mean(seen)) for name, seen in own.items()} for domain, own in found.items()}


def _seeds(table: Scores, selector: str) -> tuple[float, ...]:
    return tuple(
        float(table.values[:, column].mean())
        for column, system in enumerate(table.systems)
        if system.rpartition(" ")[0] == selector
    )
