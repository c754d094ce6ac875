"""Vectors to nearest neighbours: sealed FAISS indexes.

Exactness. A FAISS flat search sums products in float32, so its last bits depend on the batch. An exact index here
takes from FAISS a few candidates more than asked, computes their scores again in float64 from the stored vectors,
rounds them to float32 and orders them by the one rule (score descending, then doc_id descending). The candidates are
complete when the worst of them lies below the k-th by more than float32 summation can err; otherwise more are taken.
So the answer is the same alone, in any batch and on any number of threads, its top k is a prefix of its top k+1, and
ties never depend on insertion order. Graph and inverted-file indexes answer each query by itself, which makes them
independent of the batch as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError
from periti.indexers.docstore import DocIds
from periti.indexers.engine import engine
from periti.indexers.manifest import Manifest, open_verified
from periti.protocols import EncoderIdentity, Vectors

VECTORS, ROWS = "vectors.faiss", "rows.npy"
PRESETS = ("exact", "hnsw", "ivf-fastscan")
STORAGE = {"fp32": "Flat", "fp16": "SQfp16", "sq8": "SQ8"}
METRICS = ("cosine", "ip")
MAX_K = 10_000
_EXACT_KINDS = ("IndexFlat", "IndexFlatIP", "IndexScalarQuantizer")
_FLOAT32_ROUNDOFF = 2.0**-24
_SLACK = 16
"""Candidates taken beyond k by an exact search at first."""


@dataclass(frozen=True)
class DenseConfig:
    """How vectors are stored and searched.

    `factory` is any FAISS factory string and overrides `preset`. Metrics: "cosine" normalises documents and queries,
    "ip" takes vectors as they are. `storage` applies to the presets exact and hnsw.
    """

    preset: str = "exact"
    storage: str = "fp32"
    metric: str = "cosine"
    factory: str = ""
    ef_construction: int = 200
    seed: int = 1234

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.preset, PRESETS, "preset"),
            (self.storage, tuple(STORAGE), "storage"),
            (self.metric, METRICS, "metric"),
        ):
            if value not in known:
                raise ConfigError(f"dense index: no {what} {value!r}; known: {', '.join(known)}")
        if self.preset == "ivf-fastscan" and self.storage != "fp32" and not self.factory:
            raise ConfigError("dense index: ivf-fastscan refines with fp32 vectors; leave storage at fp32")


@dataclass(frozen=True)
class SearchSettings:
    """How hard an approximate index looks; ignored by exact ones."""

    ef_search: int = 128
    nprobe: int = 64
    k_factor: float = 20.0


def factory_string(config: DenseConfig, dimension: int, documents: int) -> str:
    """The FAISS factory string of a configuration.

    Raises:
        ConfigError: too few documents to train an inverted file.
    """
    if config.factory:
        return config.factory
    if config.preset == "exact":
        return STORAGE[config.storage]
    if config.preset == "hnsw":
        return f"HNSW32,{STORAGE[config.storage]}"
    if documents < 1000:
        raise ConfigError(
            f"dense index: ivf-fastscan needs at least 1,000 documents to train on, found {documents}; use exact"
        )
    lists = max(16, min(int(4 * documents**0.5), documents // 39))
    quantisers = max(m for m in range(1, dimension // 4 + 1) if dimension % m == 0)
    return f"IVF{lists},PQ{quantisers}x4fs,RFlat"


def build_faiss(blocks: Iterator[Vectors], config: DenseConfig, *, dimension: int, documents: int) -> Any:
    """A trained FAISS index of all blocks of vectors; training takes at most the first 200,000.

    Args:
        blocks: float32 (b, d) each, together (documents, d).
        config: what to build.
        dimension: d.
        documents: how many vectors will come.

    Raises:
        ConfigError: the factory string is not one FAISS knows, or there are too few vectors to train it.
    """
    faiss = engine()
    spec = factory_string(config, dimension, documents)
    try:
        index = faiss.index_factory(dimension, spec, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ConfigError(
            f"dense index: FAISS does not know the factory string {spec!r} in {dimension} dimensions"
        ) from error
    _tune(index, config)
    waiting: list[Vectors] = []
    held = 0
    for block in blocks:
        if index.is_trained:
            index.add(block)
            continue
        waiting.append(block)
        held += len(block)
        if held >= 200_000 or held == documents:
            _train(index, np.concatenate(waiting), spec)
            for kept in waiting:
                index.add(kept)
            waiting = []
    return index


def _tune(index: Any, config: DenseConfig) -> None:
    """Build-time knobs and seeds."""
    faiss, base = engine(), _base(index)
    if hasattr(base, "hnsw"):
        base.hnsw.efConstruction = config.ef_construction
        base.hnsw.rng = faiss.RandomGenerator(config.seed)
    if hasattr(base, "cp"):
        base.cp.seed = config.seed


def _train(index: Any, vectors: Vectors, spec: str) -> None:
    try:
        index.train(vectors)
    except RuntimeError as error:
        raise ConfigError(
            f"dense index: {len(vectors)} vectors are too few to train {spec!r}; use the preset exact or hnsw"
        ) from error


class DenseIndex:
    """A verified dense index, opened for reading.

    Args:
        folder: a directory written by `periti.indexers.build`.
        ids: the ids of the collection's docstore.
        settings: how hard approximate indexes look.

    Raises:
        IndexUnusable: as `open_verified`; IndexMismatch when it belongs to another corpus.
    """

    def __init__(self, folder: Path, ids: DocIds, corpus_digest: str, settings: SearchSettings | None = None) -> None:
        self.folder = folder
        self.manifest: Manifest = open_verified(folder, "dense")
        if self.manifest.corpus_digest != corpus_digest:
            raise IndexMismatch(f"{folder} indexes another corpus than the docstore beside it; build it again")
        self.ids = ids
        self.settings = settings or SearchSettings()
        self._faiss_index = _read(folder / VECTORS)
        self._rows: NDArray[np.int64] = np.load(folder / ROWS, allow_pickle=False)
        self.exact: bool = bool(self.manifest.facts["exact"])
        self._largest_norm = float(self.manifest.facts["largest_norm"])
        self._flat = _flat_view(self._faiss_index)

    @property
    def identity(self) -> EncoderIdentity:
        """The encoder that made the vectors."""
        facts = dict(self.manifest.facts["encoder"])
        return EncoderIdentity(**{**facts, "prompts": tuple(facts["prompts"])})

    def __len__(self) -> int:
        return len(self._rows)

    def check(self, vectors: Vectors, k: int) -> Vectors:
        """The query vectors as this index needs them.

        Raises:
            InputError: k out of range, wrong shape, or values that are not finite.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; it must be between 1 and {MAX_K:,}")
        if vectors.ndim != 2 or vectors.shape[1] != self._faiss_index.d:
            raise InputError(f"query vectors have shape {vectors.shape}, the index needs (q, {self._faiss_index.d})")
        if not np.isfinite(vectors).all():
            raise InputError("a query vector holds NaN or infinity; mend the encoder")
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        return normalised(vectors) if self.manifest.config["metric"] == "cosine" else vectors

    def search(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """The k best documents of each query by the one ordering rule.

        Args:
            vectors: float32 (q, d).
            k: 1..10,000.

        Returns:
            scores float32 (q, k) and docstore ordinals int64 (q, k); -inf and -1 where the index has no more.

        Raises:
            InputError: k or the vectors are out of range.
        """
        vectors = self.check(vectors, k)
        if not len(vectors):
            return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
        if self.exact:
            return self._search_exact(vectors, k)
        return self._ordered(*_search_approximate(self._faiss_index, vectors, k, self.settings), k)

    def _search_exact(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Take candidates, score them in float64, and take more wherever the k-th place is not certain."""
        scores, ordinals = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
        pending = np.arange(len(vectors))
        wanted = min(k + _SLACK, len(self))
        while len(pending):
            asked = vectors[pending]
            approximate, rows = self._faiss_index.search(asked, wanted)
            scores[pending], ordinals[pending] = self._ordered(self._rescored(asked, rows), rows, k)
            if wanted == len(self):
                break
            pending = pending[~self._certain(asked, approximate, k)]
            wanted = min(wanted * 4, len(self))
        return scores, ordinals

    def _certain(self, vectors: Vectors, approximate: Vectors, k: int) -> NDArray[np.bool_]:
        """Whether no document outside the candidates can reach the k-th place, given float32's worst rounding."""
        error = (vectors.shape[1] + 2) * _FLOAT32_ROUNDOFF * np.linalg.norm(vectors, axis=1) * self._largest_norm
        certain: NDArray[np.bool_] = approximate[:, k - 1] - approximate[:, -1] > 2 * error
        return certain

    def _rescored(self, vectors: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """Inner products in float64 of each query with its candidates, rounded to float32; shape of `rows`."""
        products = np.empty(rows.shape, np.float32)
        for i, query in enumerate(vectors.astype(np.float64)):
            products[i] = self._stored(rows[i]) @ query
        return products

    def _stored(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stored vectors of these rows, decoded, float64 (n, d)."""
        stored = self._flat[rows] if self._flat is not None else self._faiss_index.reconstruct_batch(rows)
        return stored.astype(np.float64)

    def _ordered(self, scores: Vectors, rows: NDArray[np.int64], k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Candidates to the best k by (score ↓, doc_id ↓), rows to ordinals, padded with -inf and -1."""
        present = rows >= 0
        ordinals = np.where(present, self._rows[np.where(present, rows, 0)], -1)
        scores = np.where(present, scores, -np.inf).astype(np.float32)
        ties = np.where(present, self.ids.tie_rank[np.where(present, ordinals, 0)], len(self.ids))
        order = np.lexsort((ties, -scores), axis=1)[:, :k]
        scores, ordinals = np.take_along_axis(scores, order, 1), np.take_along_axis(ordinals, order, 1)
        short = k - scores.shape[1]
        if short > 0:
            scores = np.pad(scores, ((0, 0), (0, short)), constant_values=-np.inf)
            ordinals = np.pad(ordinals, ((0, 0), (0, short)), constant_values=-1)
        return scores, ordinals


def write_dense(index: Any, rows: NDArray[np.int64], folder: Path) -> None:
    """Write a built FAISS index and the docstore ordinal of each of its rows into an existing folder."""
    engine().write_index(index, str(folder / VECTORS))
    np.save(folder / ROWS, rows)


def is_exact(index: Any) -> bool:
    """Whether a FAISS index compares the query with every stored vector."""
    return type(engine().downcast_index(index)).__name__ in _EXACT_KINDS


def self_recall(index: Any, vectors: Vectors, settings: SearchSettings | None = None, *, k: int = 10) -> float:
    """Share of the true k nearest that an approximate index finds, for a sample of its own vectors as queries.

    Args:
        index: the built index.
        vectors: float32 (n, d), all vectors of the index in row order.
        settings: how hard it looks.
        k: cut-off, at most n.

    Returns:
        Mean recall@k over at most 200 evenly spaced vectors. A vector of the collection is an easy query: real ones
        may see less.
    """
    faiss = engine()
    sample = np.ascontiguousarray(vectors[:: max(1, len(vectors) // 200)][:200])
    k = min(k, len(vectors))
    truth = faiss.knn(sample, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)[1]
    found = _search_approximate(index, sample, k, settings or SearchSettings())[1]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(truth, found, strict=True)]))


def _search_approximate(
    index: Any, vectors: Vectors, k: int, settings: SearchSettings
) -> tuple[Vectors, NDArray[np.int64]]:
    """Each query by itself, so that what else is in the batch can not matter (graphs do so inside FAISS)."""
    parameters = _parameters(index, settings)
    if hasattr(_base(index), "hnsw"):
        graph: tuple[Vectors, NDArray[np.int64]] = index.search(vectors, k, params=parameters)
        return graph
    scores, rows = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
    for i in range(len(vectors)):
        found = index.search(vectors[i : i + 1], k, params=parameters)
        scores[i], rows[i] = found[0][0], found[1][0]
    return scores, rows


def _parameters(index: Any, settings: SearchSettings) -> Any:
    """Search parameters as an argument of each call; nothing is written onto the shared index."""
    faiss, base = engine(), _base(index)
    inner = None
    if hasattr(base, "hnsw"):
        inner = faiss.SearchParametersHNSW(efSearch=settings.ef_search)
    elif hasattr(base, "nprobe"):
        inner = faiss.SearchParametersIVF(nprobe=min(settings.nprobe, base.nlist))
    if hasattr(index, "refine_index"):
        return faiss.IndexRefineSearchParameters(k_factor=settings.k_factor, base_index_params=inner)
    return inner


def _base(index: Any) -> Any:
    """The index that does the looking: what a refining index refines, or the index itself."""
    return engine().downcast_index(index.base_index if hasattr(index, "refine_index") else index)


def _flat_view(index: Any) -> Vectors | None:
    """The stored vectors of a flat fp32 index without copying them, float32 (n, d); None for other kinds."""
    if not hasattr(index, "get_xb"):
        return None
    flat: Vectors = engine().rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return flat.reshape(index.ntotal, index.d)


def normalised(vectors: Vectors) -> Vectors:
    """Vectors of length one, float32 (n, d); zero vectors stay zero. Computed in float64: independent of the batch."""
    norms = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1, keepdims=True))
    return (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)


def config_facts(config: DenseConfig) -> dict[str, Any]:
    """The configuration as the manifest stores it."""
    return asdict(config)


def _read(path: Path) -> Any:
    faiss = engine()
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise IndexDamaged(
            f"FAISS can not read {path}; it was written by a newer version or is not an index"
        ) from error
