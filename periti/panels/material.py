"""One collection, divided: document vectors from its index; queries of fit, dev, utility and test never touch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from periti.config import digest
from periti.datasets import load_dataset
from periti.datasets.dataset import Dataset
from periti.datasets.loaders.medquad import question_answers
from periti.datasets.splits import hash_split
from periti.errors import ConfigError, DatasetError, InputError
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.indexers.lexical import LexicalConfig
from periti.panels.config import CollectionConfig
from periti.progress import Progress
from periti.protocols import Vectors
from periti.training.pairs import TrainingSet
from periti.types import QRELS, Document, Qrels, Queries

FIT, DEV, UTILITY, TEST = "fit", "dev", "utility", "test"
SLICES = (FIT, DEV, UTILITY, TEST)
SPAN_WORDS = (30, 90)
"""Words that a span query may have."""


@dataclass(frozen=True)
class Slice:
    """Queries of one purpose, and their judgements; both None where there are none."""

    queries: Queries
    qrels: Qrels


@dataclass(frozen=True)
class Material:
    """A collection, ready to train on and to evaluate.

    Attributes:
        name: as the panel calls it.
        domain: of the dataset's facts.
        licence: likewise.
        min_rel: the least grade that counts as relevant in binary measures.
        docstore: its open documents, for trainings that encode texts.
        index: its open dense index, exact.
        rows: ids of the rows of `vectors`, D.
        vectors: float32 (D, d), as the index holds them.
        slices: purpose -> queries and judgements.
    """

    name: str
    domain: str
    licence: str
    min_rel: int
    docstore: Docstore
    index: DenseIndex
    rows: list[str]
    vectors: Vectors
    slices: Mapping[str, Slice]

    def training_set(self) -> TrainingSet:
        """The queries to fit, joined with the rows of their relevant documents; raises InputError if there are none."""
        if FIT not in self.slices:
            raise InputError(f"collection {self.name!r}: no query falls into the slice to fit; give it a larger share")
        part = self.slices[FIT]
        return TrainingSet.of(f"{self.name}:{FIT}", part.queries, part.qrels, self.rows, self.vectors)


def open_material(name: str, config: CollectionConfig, indexes: Path, progress: Progress) -> Material:
    """A collection of a panel; its index is built first where it is absent.

    Raises:
        ConfigError: the index is not an exact one, or a slice that is needed is not there.
        UnknownName, DatasetError, IndexUnusable: as datasets and indexes raise them.
    """
    dataset = load_dataset(config.dataset)
    own = config.queries == "medquad"
    folder = indexes / (name if own else config.dataset.replace(":", "-").replace("/", "-"))
    if not (folder / "dense").is_dir():
        documents = (pair.document for pair in _medquad(dataset, config)) if own else dataset.documents()
        lexical = None if own else LexicalConfig(analyser=dataset.facts.language)
        build = BuildConfig(name=name, lexical=lexical, source={"dataset": config.dataset, "queries": config.queries})
        build_collection(documents, folder, build, progress=progress)
    docstore = Docstore.open(folder / "docstore")
    index = DenseIndex(folder / "dense", docstore.ids, docstore.corpus_digest)
    if not index.exact:
        raise ConfigError(f"{folder}: the dense index is not exact; experts learn from exact vectors, build it so")
    ordinals, vectors = index.stored()
    return Material(
        name=name,
        domain=dataset.facts.domain,
        licence=dataset.facts.licence,
        min_rel=dataset.facts.min_rel,
        docstore=docstore,
        index=index,
        rows=docstore.ids.take(ordinals).to_list(),
        vectors=vectors,
        slices=_slices(name, config, dataset, docstore),
    )


def _slices(name: str, config: CollectionConfig, dataset: Dataset, docstore: Docstore) -> dict[str, Slice]:
    """Queries by purpose. Test queries of a split that also trains are set apart first."""
    found: dict[str, Slice] = {}
    if config.train:
        queries, qrels = _training_queries(config, dataset, docstore)
        shared = config.hold_out if config.train == config.test else 0.0
        shares = {
            TEST: shared,
            **{part: share * (1 - shared) for part, share in zip((FIT, DEV, UTILITY), config.slices, strict=True)},
        }
        keys = _groups(queries, qrels, config.group)
        parts = pl.Series([hash_split(key, shares) for key in keys], dtype=pl.String)
        for part in SLICES:
            found |= _slice(part, Queries(queries.frame.filter(parts == part)), qrels, f"{name}:{part}")
        _sampled(found, config.sample)
    if config.test and config.test != config.train:
        found |= _slice(TEST, dataset.queries(config.test), dataset.qrels(config.test), f"{name}:{config.test}")
    return found


def _slice(part: str, queries: Queries, qrels: Qrels, label: str) -> dict[str, Slice]:
    """The slice of these queries that are judged, if any."""
    judged = qrels.frame.join(queries.frame, on="query_id", how="semi")
    if not judged.height:
        return {}
    kept = queries.frame.join(judged, on="query_id", how="semi", maintain_order="left")
    return {part: Slice(Queries(kept), Qrels.of(judged, label))}


def _sampled(found: dict[str, Slice], sample: int) -> None:
    """Cut the training slices to a sample in all, in proportion; the same queries whatever their order."""
    total = sum(len(found[part].queries) for part in (FIT, DEV, UTILITY) if part in found)
    if not sample or total <= sample:
        return
    for part in (FIT, DEV, UTILITY):
        if part in found:
            one = found[part]
            keep = max(1, round(len(one.queries) * sample / total))
            order = sorted(one.queries.ids, key=lambda key: hashlib.sha256(key.encode()).digest())[:keep]
            frame = one.queries.frame.filter(pl.col("query_id").is_in(order))
            found |= _slice(part, Queries(frame), one.qrels, one.qrels.name)


def _groups(queries: Queries, qrels: Qrels, group: str) -> list[str]:
    """What each query is divided by: its own id, or the id of its first relevant document."""
    if group == "query":
        return queries.ids
    first = dict(
        qrels.frame.filter(pl.col("relevance") > 0).group_by("query_id").agg(pl.col("doc_id").min()).iter_rows()
    )
    return [first.get(query_id, query_id) for query_id in queries.ids]


def _training_queries(config: CollectionConfig, dataset: Dataset, docstore: Docstore) -> tuple[Queries, Qrels]:
    if config.queries == "judgements":
        return dataset.queries(config.train), dataset.qrels(config.train)
    if config.queries == "medquad":
        pairs = [(p.document.doc_id, p.question) for p in _medquad(dataset, config)]
        return _one_to_one(pairs)
    return _one_to_one(list(spans(docstore)))


def _one_to_one(pairs: list[tuple[str, str]]) -> tuple[Queries, Qrels]:
    """Queries named after their one relevant document."""
    rows = [(doc_id, doc_id, 1) for doc_id, _ in pairs]
    return Queries.from_pairs(pairs), Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def spans(documents: Docstore) -> Iterator[tuple[str, str]]:
    """(doc_id, a passage from inside it): the inverse cloze task of Lee, Chang and Toutanova 2019, one a document.

    Which passage is decided by the document's id alone. It is taken behind the first third, which an encoder of short
    inputs sees anyway; documents that are too short for that ask nothing.
    """
    for document in documents:
        words = document.text.split()
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(document.doc_id.encode()).digest()[:8], "big"))
        length = int(rng.integers(*SPAN_WORDS))
        first, last = len(words) // 3, len(words) - length
        if last > first:
            start = int(rng.integers(first, last))
            yield document.doc_id, " ".join(words[start : start + length])


@dataclass(frozen=True)
class _Pair:
    question: str
    document: Document


def _medquad(dataset: Dataset, config: CollectionConfig) -> list[_Pair]:
    """MedQuAD's own question-answer pairs, or a sample by hash; questions asked in the test split are left out."""
    if dataset.folder is None:
        raise DatasetError(f"dataset {dataset.name!r} has no folder of pairs; use medquad-liveqa")
    asked = {" ".join(text.lower().split()) for text in dataset.queries().texts}
    pairs = [
        pair
        for pair in question_answers(dataset.folder)
        if pair.question.strip() and " ".join(pair.question.lower().split()) not in asked
    ]
    pairs.sort(key=lambda pair: hashlib.sha256(pair.pair_id.encode()).digest())
    kept = pairs[: config.sample or len(pairs)]
    return [_Pair(pair.question, Document(digest(pair.pair_id)[:16], pair.answer)) for pair in kept]
