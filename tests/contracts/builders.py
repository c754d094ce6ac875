"""How to build every registered component on the tiny collection: one row a name.

Whoever registers a component adds its row here and has it tested by the whole suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from periti.datasets.selection.quality.features import FeatureOptions
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.datasets.selection.quality.rater import train_rater
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.encoding import EncoderSource
from periti.passages.learned import LearnedConfig
from periti.passages.splitting import PassageConfig
from periti.rankers.calibration.calibration import fit
from periti.rankers.fitted import Source, queries_digest
from periti.rankers.fusion.settings import FusionSettings
from periti.rankers.gate.files import TrainedGate, write_gate
from periti.rankers.learned_passages import (
    Judged,
    Likenesses,
    encoder_of,
    fit_aggregation,
    write_aggregation,
)
from periti.rankers.llm.settings import EndpointSettings
from periti.registry import ENCODERS, FUSIONS, POLICIES, RANKERS, RETRIEVERS, ROUTERS, SELECTORS, Registry
from periti.retrievers.experts import base_encoder
from periti.retrievers.fingerprints import fingerprint
from periti.retrievers.routing.table import UtilityTable
from periti.types import Qrels
from tests.datasets.selection.vectors import embed_words
from tests.endpoint import shared_server
from tests.rankers.gate.synthetic import random_gate
from tests.tiny import TEXTS, Tiny, save_cross

Build = Callable[[Tiny, Path], Any]
"""From the tiny collection and the folder of the tiny model to a component."""


def retriever(name: str, part: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = RETRIEVERS.load(name)
        return kind.open(tiny.folder / part, tiny.docstore, kind.Options(**options))

    return build


def split(tiny: Tiny, bert: Path) -> Any:
    """Passages of the tiny collection under the tiny model, made once beside it."""
    folder = tiny.folder.parent / "split"
    if not folder.exists():
        source = EncoderSource("sentence-transformers", {"model": str(bert)})
        config = BuildConfig("split", lexical=None, encoder=source, passages=PassageConfig(length=20, stride=12))
        build_collection(tiny.docstore, folder, config)
    kind = RETRIEVERS.load("passages")
    return kind.open(folder / "passages", tiny.docstore, kind.Options(aggregation="top-mean", best=2))


def router(name: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = ROUTERS.load(name)
        return kind.open(list(tiny.pipeline.experts.values()), kind.Options(**options))

    return build


def table_of(tiny: Tiny) -> Path:
    """The folder of a small utility table for the tiny panel, beside the tiny collection; written at first use."""
    folder = tiny.folder.parent / "router"
    if not folder.exists():
        experts = tuple(tiny.pipeline.experts)
        topics, texts = zip(*[(topic, text) for topic, own in TEXTS.items() for text in own], strict=True)
        vectors = base_encoder(list(tiny.pipeline.experts.values())).encode_queries(texts).vectors
        utilities = np.random.default_rng(7).integers(0, 5, (len(texts), len(experts))) / 4
        ids = tuple(f"t{i}" for i in range(len(texts)))
        homes = {topic: experts[i % len(experts)] for i, topic in enumerate(TEXTS)}
        UtilityTable(ids, texts, vectors, topics, experts, utilities, homes=homes).write(folder)
    return folder


def routed(name: str, **options: Any) -> Build:
    """A router fitted on the tiny utility table; its experts get cards to read."""

    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = ROUTERS.load(name)
        cards = {"bm25": "Exact words of law and contracts.", "dense": "Meaning of medical questions."}
        experts = [replace(expert, description=cards[name]) for name, expert in tiny.pipeline.experts.items()]
        return kind.open(experts, kind.Options(table=table_of(tiny), **options))

    return build


def plain(registry: Registry, name: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = registry.load(name)
        return kind.open(kind.Options(**options))

    return build


SCORE_FUSIONS = (
    "comb-sum", "comb-mnz", "comb-gmnz", "comb-anz", "comb-max", "comb-min", "comb-med", "wmnz", "mixed",
)  # fmt: skip


def calibrated(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    """Calibrated fusion, its quantiles taken from the tiny panel's own answers."""
    experts = tiny.pipeline.experts
    runs = {name: expert.retriever.retrieve(tiny.queries, expert.depth) for name, expert in experts.items()}
    file = tiny.folder.parent / "calibration.json"
    prints = {name: fingerprint(expert) for name, expert in experts.items()}
    fit("quantile", runs, prints, Source("tiny", "dev", len(tiny.queries), queries_digest(tiny.queries))).write(file)
    kind = FUSIONS.load("calibrated")
    return kind.open(kind.Options(calibration=file))


def tuned(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    """Fusion by settings that give the tiny panel's experts weights of their own."""
    file = tiny.folder.parent / "fusion.json"
    weights = {name: 1.0 + i for i, name in enumerate(tiny.pipeline.experts)}
    FusionSettings("rbc", {"p": 0.9}, weights, Source("tiny", "dev", 1, "")).write(file)
    kind = FUSIONS.load("tuned")
    return kind.open(kind.Options(settings=file))


def gated(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    """Gated fusion with random weights, its quantiles taken from the tiny panel's own answers."""
    experts, folder = tiny.pipeline.experts, tiny.folder.parent / "gate"
    if not folder.exists():
        runs = {name: expert.retriever.retrieve(tiny.queries, expert.depth) for name, expert in experts.items()}
        prints = {name: fingerprint(expert) for name, expert in experts.items()}
        source = Source("tiny", "dev", len(tiny.queries), queries_digest(tiny.queries))
        write_gate(TrainedGate(random_gate(len(experts)), fit("quantile", runs, prints, source), {}), folder)
    kind = FUSIONS.load("gated")
    return kind.open(kind.Options(gate=folder))


def crossed(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    kind = RANKERS.load("cross-encoder")
    return kind.open(kind.Options(model=str(save_cross(bert)), depth=5, query_budget=16))


def by_passages(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    kind = RANKERS.load("passages")
    return kind.open(kind.Options(model=str(save_cross(bert)), depth=5, length=9, stride=5, query_budget=16))


def by_learned_passages(tiny: Tiny, bert: Path) -> Any:
    """An aggregation fitted on the tiny collection's own queries; written at first use."""
    folder = tiny.folder.parent / "aggregation"
    if not folder.exists():
        likenesses = Likenesses(encoder_of(str(bert)), PassageConfig(length=9, stride=5))
        found = tiny.pipeline.search(tiny.queries, 10)
        third = found.frame.filter(pl.col("rank") % 3 == 1)
        qrels = Qrels.of(third.select("query_id", "doc_id", relevance=pl.lit(1)), "tiny")
        source = Source("tiny", "dev", len(tiny.queries), queries_digest(tiny.queries))
        settings = LearnedConfig(hidden=8, epochs=2, learning_rate=1e-2)
        judged = Judged(tiny.queries, found, qrels, 1, source)
        model, card = fit_aggregation(likenesses, judged, tiny.docstore, settings, seed=1)
        write_aggregation(model, likenesses, card, folder)
    kind = RANKERS.load("learned-passages")
    return kind.open(kind.Options(folder=folder, model=str(bert), depth=5))


def interacting(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    kind = RANKERS.load("late-interaction")
    return kind.open(kind.Options(model=str(bert), depth=5, query_budget=16))


def asking(name: str, **options: Any) -> Build:
    """A ranker that asks a local server."""

    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = RANKERS.load(name)
        return kind.open(kind.Options(EndpointSettings(shared_server().url, "words"), **options))

    return build


def rating(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
    """A selector by a rater of every kind of feature, with weighted criteria."""
    texts = [text for some in TEXTS.values() for text in some]
    verdicts = [Verdict(f"the court heard {text}", text, 0.9) for text in texts[:8]]
    criteria = [Judgments.of(verdicts, "law"), Judgments.of(verdicts[:4], "order")]
    options = FeatureOptions(("hashed", "surface", "encoder"), length="removed", buckets=512, window=20)
    rater = train_rater(criteria, options, embed=embed_words)
    return SELECTORS.load("quality")((rater,), embed_words, (("law", 2.0), ("order", -0.5)), sample=50)


def combining(tiny: Tiny, bert: Path) -> Any:
    """A selector with a column for each target and one with criteria, weighted."""
    parts = (("dsir", SELECTORS.load("dsir")()), ("quality", rating(tiny, bert)))
    return SELECTORS.load("combined")(parts, (2.0, 0.5), sample=50)


def selector(name: str, **options: Any) -> Build:
    """A selector with options that suit a pool of 200 short texts; tests/contracts/test_selectors.py fits it."""

    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        return SELECTORS.load(name)(**options)

    return build


BUILDERS: Mapping[str, Mapping[str, Build]] = {
    "encoders": {
        "minilm": lambda tiny, bert: ENCODERS.load("minilm")(),  # noqa: ARG005
        "sentence-transformers": lambda tiny, bert: ENCODERS.load("sentence-transformers")(model=str(bert)),  # noqa: ARG005
    },
    "retrievers": {
        "lexical": retriever("lexical", "lexical"),
        "dense": retriever("dense", "dense"),
        "passages": split,
        "multi-interest": retriever("multi-interest", "dense", budget=100, clusters=6, smoothing=0.5, neighbours=3),
    },
    "routers": {
        "constant": router("constant"),
        "pilots": routed("pilots"),
        "centroids": routed("centroids"),
        "nearest-example": routed("nearest-example", samples=4),
        "neighbours": routed("neighbours", k=5, alpha=0.2, threshold=0.3),
        "ridge": routed("ridge"),
        "pairwise": routed("pairwise"),
        "prior": routed("prior"),
        "skills": routed("skills"),
        "classifier": routed("classifier"),
        "classifier-head": routed("classifier-head"),
    },
    "policies": {
        "all": plain(POLICIES, "all"),
        "all-weighted": plain(POLICIES, "all-weighted"),
        "argmax": plain(POLICIES, "argmax"),
        "top-k": plain(POLICIES, "top-k"),
        "threshold": plain(POLICIES, "threshold", fallback="b", score=0.6),
        "top-p": plain(POLICIES, "top-p"),
        "entropy": plain(POLICIES, "entropy"),
        "budget": plain(POLICIES, "budget", budget=3.0, costs={"a": 2.0, "b": 1.0, "c": 1.5}),
    },
    "fusions": {
        **{name: plain(FUSIONS, name) for name in ("rrf", "isr", "log-isr", "rbc", "borda", "condorcet", "sum")},
        **{name: plain(FUSIONS, name, missing="list_min") for name in SCORE_FUSIONS},
        "in-place": plain(FUSIONS, "in-place", reader="dense", missing="list_min"),
        "gated": gated,
        "multiwinner": plain(FUSIONS, "multiwinner", size=4),
        "tuned": tuned,
        "calibrated": calibrated,
    },
    "rankers": {
        "cross-encoder": crossed,
        "passages": by_passages,
        "learned-passages": by_learned_passages,
        "identity": plain(RANKERS, "identity"),
        "late-interaction": interacting,
        "llm-pointwise": asking("llm-pointwise"),
        "llm-pairwise": asking("llm-pairwise", depth=4),
        "llm-listwise": asking("llm-listwise", window=4, stride=2),
        "quota": plain(RANKERS, "quota", field="topic", size=4, most=2),
        "mmr": plain(RANKERS, "mmr", depth=6),
        "feedback": plain(RANKERS, "feedback", depth=6, top=3),
    },
    "selectors": {
        "random": selector("random"),
        "random-length": selector("random-length", ratio=1.5),
        "dsir": selector("dsir"),
        "target": selector("target", embed=embed_words, sample=120, buckets=4096),
        "quad": selector("quad", embed=embed_words, clusters=4, examined=0.5),
        "quality": rating,
        "combined": combining,
    },
}


def build(registry: Registry, name: str, tiny: Tiny, bert: Path) -> Any:
    """The component, or a failing test that says which row is missing."""
    rows = BUILDERS[registry.family]
    if name not in rows:
        pytest.fail(f"{registry.family}: {name!r} has no row in tests/contracts/builders.py; say how to build it")
    return rows[name](tiny, bert)
