"""Vectors to nearest neighbours: sealed FAISS indexes.

Exactness. A FAISS flat search sums products in float32, so its last bits depend on the batch. An exact index here
takes from FAISS a few candidates more than asked, computes their scores again in float64 from the stored vectors,
rounds them to float32 and orders them by the one rule (score descending, then doc_id descending). The candidates are
complete when the worst of them lies below the k-th by more than float32 summation can err; otherwise more are taken.
So the answer is the same alone, in any batch and on any number of threads, its top k is a prefix of its top k+1, and
ties never depend on insertion order.

Approximate indexes are independent of the batch too (`periti.indexers.approximate`), and refined scores are computed
like those of an exact search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from operator import gt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError, StorageError
from periti.indexers.approximate import Approximate, SearchSettings, base_of
from periti.indexers.docstore import DocIds
from periti.indexers.engine import engine
from periti.indexers.manifest import Manifest, open_verified
from periti.protocols import EncoderIdentity, Vectors
from periti.types import MAX_K

VECTORS, ROWS = "vectors.faiss", "rows.npy"
PRESETS = ("exact", "hnsw", "ivf-fastscan")
STORAGE = {"fp32": "Flat", "fp16": "SQfp16", "sq8": "SQ8"}
METRICS = ("cosine", "ip")
_EXACT_KINDS = ("IndexFlat", "IndexFlatIP", "IndexScalarQuantizer")
_FLOAT32_ROUNDOFF = 2.0**-24
_SLACK = 16
"""Candidates taken beyond k by an exact search at first."""
_RESCORE_BYTES = 1 << 26


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


def empty_faiss(config: DenseConfig, *, dimension: int, documents: int) -> Any:
    """The FAISS index of a configuration, without vectors: a quick way to learn that it can not be built.

    Raises:
        ConfigError: the factory string is not one FAISS knows or one we can use, or there are too few documents for
            the preset.
    """
    faiss = engine()
    spec = factory_string(config, dimension, documents)
    try:
        index = faiss.index_factory(dimension, spec, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ConfigError(
            f"dense index: FAISS does not know the factory string {spec!r} in {dimension} dimensions"
        ) from error
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        # Graphs over product quantisers know L2 only: their distances, taken for scores, would rank the worst first.
        raise ConfigError(
            f"dense index: FAISS searches {spec!r} by L2 distance and not by inner product; choose another factory"
        )
    if isinstance(faiss.downcast_index(index), faiss.IndexIDMap | faiss.IndexIDMap2):
        raise ConfigError(f"dense index: {spec!r} wants ids of its own, rows have theirs; leave IDMap out")
    return index


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
    spec = factory_string(config, dimension, documents)
    index = empty_faiss(config, dimension=dimension, documents=documents)
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
    faiss, base = engine(), base_of(index)
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
        kind: "dense", or "passages", in which several rows may be of one document.

    Raises:
        IndexUnusable: as `open_verified`; IndexMismatch when it belongs to another corpus.
    """

    def __init__(
        self, folder: Path, ids: DocIds, corpus_digest: str, settings: SearchSettings | None = None, kind: str = "dense"
    ) -> None:
        self.folder = folder
        self.manifest: Manifest = open_verified(folder, kind)
        if self.manifest.corpus_digest != corpus_digest:
            raise IndexMismatch(f"{folder} indexes another corpus than the docstore beside it; build it again")
        self.ids = ids
        self.settings = settings or SearchSettings()
        self._faiss_index = _read(folder / VECTORS)
        self._flat = _flat_view(self._faiss_index)
        rows: NDArray[np.int64] = np.load(folder / ROWS, allow_pickle=False)
        # Without empty documents a row is its ordinal, and the look-up is saved on every query.
        self._rows = None if np.array_equal(rows, np.arange(len(ids))) else rows
        self.exact: bool = bool(self.manifest.facts["exact"])
        self._cosine = self.manifest.config["metric"] == "cosine"
        self._largest_norm = float(self.manifest.facts["largest_norm"])
        self._approximate = None if self.exact else Approximate(self._faiss_index, self.settings)

    @property
    def identity(self) -> EncoderIdentity:
        """The encoder that made the vectors."""
        facts = dict(self.manifest.facts["encoder"])
        return EncoderIdentity(**{**facts, "prompts": tuple(facts["prompts"])})

    def __len__(self) -> int:
        return int(self._faiss_index.ntotal)

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """Docstore ordinal of each row, int64 (n,)."""
        return np.arange(len(self)) if self._rows is None else self._rows

    def stored(self) -> tuple[NDArray[np.int64], Vectors]:
        """Docstore ordinals int64 (n,) and vectors float32 (n, d) of all rows, decoded."""
        vectors = self._flat if self._flat is not None else self._faiss_index.reconstruct_n(0, len(self))
        return self.ordinals, np.array(vectors, np.float32)

    def check(self, vectors: Vectors, k: int) -> Vectors:
        """The query vectors as this index needs them.

        Raises:
            InputError: k out of range, wrong shape, or values that are not finite.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; it must be between 1 and {MAX_K:,}")
        if vectors.ndim != 2 or vectors.shape[1] != self._faiss_index.d:
            raise InputError(f"query vectors have shape {vectors.shape}, the index needs (q, {self._faiss_index.d})")
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        wide = vectors.astype(np.float64)
        norms = row_norms(wide)
        # One query is asked so often that a sum over one number and two broadcasts are worth leaving out.
        alone = norms.item() if len(norms) == 1 else None
        if not math.isfinite(norms.sum() if alone is None else alone):
            raise InputError("a query vector holds NaN or infinity; mend the encoder")
        if not self._cosine:
            return vectors
        return scaled(wide, norms) if alone is None else (wide / (alone or 1.0)).astype(np.float32)

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
        return self.nearest(self.check(vectors, k), k)

    def nearest(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """`search` of vectors that are checked already, for any k."""
        if not len(vectors):
            return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
        if self._approximate is None:
            return self._search_exact(vectors, k)
        return self._ordered(*self._approximate.search(vectors, k), k)

    def _search_exact(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Take candidates, score them in float64, and take more wherever the k-th place is not certain."""
        scores, ordinals = np.empty((len(vectors), k), np.float32), np.empty((len(vectors), k), np.int64)
        pending = np.arange(len(vectors))
        wanted = min(k + _SLACK, len(self))
        while len(pending):
            asked = vectors[pending]
            approximate, rows = self._faiss_index.search(asked, wanted)
            scores[pending], ordinals[pending] = self._ordered(self.rescored(asked, rows), rows, k)
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

    def rescored(self, vectors: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """Inner products in float64 of each query with its candidates, rounded to float32; shape of `rows`."""
        products = np.empty(rows.shape, np.float32)
        block = max(1, _RESCORE_BYTES // (8 * rows.shape[1] * vectors.shape[1]))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            stored = self.decoded(rows[part].ravel()).reshape(*rows[part].shape, -1)  # (b, c, d)
            products[part] = np.matmul(stored, vectors[part].astype(np.float64)[:, :, None])[:, :, 0]
        return products

    def decoded(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stored vectors of these rows (not ordinals), decoded, float64 (n, d)."""
        stored = self._flat[rows] if self._flat is not None else self._faiss_index.reconstruct_batch(rows)
        return stored.astype(np.float64)

    def _ordered(self, scores: Vectors, rows: NDArray[np.int64], k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Candidates to the best k by (score ↓, doc_id ↓), rows to ordinals, padded with -inf and -1."""
        if (untied := _untied(scores, rows, k)) is not None:
            scores, rows = untied
            return scores, rows if self._rows is None else self._rows[rows]
        present = rows >= 0
        ordinals = np.where(present, rows if self._rows is None else self._rows[rows], -1)
        scores = np.where(present, scores, -np.inf).astype(np.float32)
        ties = np.where(present, self.ids.tie_rank[ordinals], len(self.ids))
        order = np.lexsort((ties, -scores), axis=1)[:, :k]
        scores, ordinals = np.take_along_axis(scores, order, 1), np.take_along_axis(ordinals, order, 1)
        short = k - scores.shape[1]
        if short > 0:
            scores = np.pad(scores, ((0, 0), (0, short)), constant_values=-np.inf)
            ordinals = np.pad(ordinals, ((0, 0), (0, short)), constant_values=-1)
        return scores, ordinals


def _untied(scores: Vectors, rows: NDArray[np.int64], k: int) -> tuple[Vectors, NDArray[np.int64]] | None:
    """The best k by score alone, where k are present and no two scores in sight are equal; else None.

    The common case, at a third of the cost of breaking ties; one query goes without the detour over two dimensions.
    """
    if len(rows) == 1 and rows.shape[1] == k and rows.item(k - 1) >= 0:
        own = scores[0].tolist()
        if all(map(gt, own, own[1:])):  # sorted already, as graphs answer
            return scores, rows
    if rows.shape[1] < k or (rows[:, -1] < 0).any():  # FAISS puts what is missing last
        return None
    if rows.shape[1] == k and (scores[:, 1:] < scores[:, :-1]).all():  # sorted already, as graphs answer
        return scores, rows
    if len(scores) == 1:
        order = scores[0].argsort()[: -k - 2 : -1]
        best = scores[0][order]
        return (best[None, :k], rows[:, order[:k]]) if (best[1:] < best[:-1]).all() else None
    order = np.argsort(-scores, axis=1)[:, : k + 1]
    best = np.take_along_axis(scores, order, 1)
    if not (best[:, 1:] < best[:, :-1]).all():
        return None
    return best[:, :k], np.take_along_axis(rows, order[:, :k], 1)


def write_dense(index: Any, rows: NDArray[np.int64], folder: Path) -> None:
    """Write a built FAISS index and the docstore ordinal of each of its rows into an existing folder.

    Raises:
        StorageError: FAISS could not write all of it.
    """
    try:
        engine().write_index(index, str(folder / VECTORS))
    except RuntimeError as error:
        reason = str(error).rpartition("(")[2].rstrip(")")
        raise StorageError(
            f"the vectors can not be written to {folder}: {reason}; nothing was kept, make room and build again"
        ) from error
    np.save(folder / ROWS, rows)


def is_exact(index: Any) -> bool:
    """Whether a FAISS index compares the query with every stored vector."""
    return type(engine().downcast_index(index)).__name__ in _EXACT_KINDS


def _flat_view(index: Any) -> Vectors | None:
    """The stored vectors of a flat fp32 index without copying them, float32 (n, d); None for other kinds."""
    if not hasattr(index, "get_xb"):
        return None
    view: Vectors = engine().rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return view.reshape(index.ntotal, index.d)


def normalised(vectors: Vectors) -> Vectors:
    """Vectors of length one, float32 (n, d); zero vectors stay zero. Each row is computed by itself, in float64."""
    wide = vectors.astype(np.float64)
    return scaled(wide, row_norms(wide))


def row_norms(wide: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of each row of float64 (n, d), float64 (n,)."""
    norms: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    return norms


def scaled(wide: NDArray[np.float64], norms: NDArray[np.float64]) -> Vectors:
    """Rows of float64 (n, d) divided by their norms, where these are not zero, as float32 (n, d)."""
    short: Vectors = (wide / (norms + (norms == 0))[:, None]).astype(np.float32)
    return short


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
