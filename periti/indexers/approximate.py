"""Approximate FAISS indexes, searched so that no answer depends on what else is in the batch.

Graphs (HNSW) search each query by itself. The lists of an inverted file are chosen in float64 and rounded: FAISS's own
products of queries and centres depend on the batch in their last bits, even of five queries. Fast-scan codes are
scanned query by query; FAISS otherwise chooses the way by the size of the batch, and with it which of the candidates
that tie in its 16-bit scores survive.
Kinds that no preset uses (a linear transform before the index, say) are asked one query at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.indexers.engine import engine
from periti.protocols import Vectors


@dataclass(frozen=True)
class SearchSettings:
    """How hard an approximate index looks; ignored by exact ones."""

    ef_search: int = 128
    nprobe: int = 64
    k_factor: float = 20.0

    def __post_init__(self) -> None:
        if self.ef_search < 1 or self.nprobe < 1 or not 1 <= self.k_factor < math.inf:
            raise ConfigError(
                f"dense search: ef_search is {self.ef_search}, nprobe {self.nprobe}, k_factor {self.k_factor}; "
                "each must be at least 1"
            )


@dataclass(frozen=True)
class Effort:
    """Search parameters of one index, passed with every call; nothing is written onto the shared index."""

    whole: Any
    """Of the index."""
    base: Any
    """Of the index that does the looking; SWIG keeps only a bare pointer to it inside `whole`."""


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
    found = index.search(sample, k, params=search_effort(index, settings or SearchSettings()).whole)[1]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(truth, found, strict=True)]))


class Approximate:
    """An approximate index on a handle of its own, searched with each query as if it were alone.

    Args:
        index: a FAISS index that nobody else searches: lists and order of scanning are set on it, once.
        settings: how hard it looks.
    """

    def __init__(self, index: Any, settings: SearchSettings) -> None:
        self._index, self._base = index, base_of(index)
        self._effort = search_effort(index, settings)
        self._flat = _flat_refiner(index)
        inverted = hasattr(self._base, "nprobe")
        # Lists are searched by us where the candidates are final, or refined by vectors that we can multiply with.
        self._graph, self._lists = (
            hasattr(self._base, "hnsw"),
            inverted and (self._flat is not None or not refines(index)),
        )
        self._centres = _centres_of(self._base) if self._lists else None
        if self._lists:
            # FAISS takes no parameters for a search with given lists.
            self._base.nprobe = self._effort.base.nprobe
        if inverted and type(self._base).__name__.endswith("FastScan"):
            # One query after the other, with a reservoir; FAISS otherwise chooses by the size of the batch.
            self._base.implem = 11

    def search(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """What the index finds.

        Args:
            vectors: float32 (q, d).
            k: how many documents.

        Returns:
            scores float32 (q, c) and rows int64 (q, c), c >= k, not sorted; -1 where there is none.
        """
        if self._lists:
            return self._search_lists(vectors, k)
        if self._graph:
            graph: tuple[Vectors, NDArray[np.int64]] = self._index.search(vectors, k, params=self._effort.whole)
            return graph
        alone = [self._index.search(vectors[i : i + 1], k, params=self._effort.whole) for i in range(len(vectors))]
        return np.concatenate([scores for scores, _ in alone]), np.concatenate([rows for _, rows in alone])

    def _search_lists(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        distances, lists = self._coarse(vectors)
        wanted = min(int(k * self._effort.whole.k_factor), self._index.ntotal) if self._flat is not None else k
        found: tuple[Vectors, NDArray[np.int64]] = self._base.search_preassigned(vectors, wanted, lists, distances)
        return found if self._flat is None else (_refined(self._flat, vectors, found[1]), found[1])

    def _coarse(self, vectors: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
        """Nearest lists of each query, float32 and int64 (q, nprobe), best first, the same in any batch."""
        count = self._base.nprobe
        if self._centres is None:
            alone = [self._base.quantizer.search(vectors[i : i + 1], count) for i in range(len(vectors))]
            return np.concatenate([scores for scores, _ in alone]), np.concatenate([lists for _, lists in alone])
        wide = vectors.astype(np.float64)
        # For one query BLAS would wake threads that then wait for FAISS's to give up the cores, for milliseconds.
        products = np.einsum("d,dl->l", wide[0], self._centres)[None] if len(wide) == 1 else wide @ self._centres
        scores = products.astype(np.float32)
        nearest = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(scores, nearest, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(nearest, order, axis=1)


def _centres_of(base: Any) -> NDArray[np.float64] | None:
    """The centres of an inverted file's lists, float64 (d, lists); None where FAISS does not keep them as they are."""
    quantiser = engine().downcast_index(base.quantizer)
    if not hasattr(quantiser, "get_xb"):
        return None
    return np.ascontiguousarray(quantiser.reconstruct_n(0, quantiser.ntotal).T, np.float64)


def _flat_refiner(index: Any) -> Any:
    """The whole vectors that refine an index's candidates; None where nothing, or something coarser, refines them."""
    refiner = engine().downcast_index(index.refine_index) if refines(index) else None
    return refiner if hasattr(refiner, "compute_distance_subset") else None


def _refined(flat: Any, vectors: Vectors, rows: NDArray[np.int64]) -> Vectors:
    """Full-precision scores of candidates, pair by pair, -inf where there is none; shape of `rows`."""
    pointer = engine().swig_ptr
    scores = np.empty(rows.shape, np.float32)
    flat.compute_distance_subset(len(vectors), pointer(vectors), rows.shape[1], pointer(scores), pointer(rows))
    scores[rows < 0] = -np.inf
    return scores


def search_effort(index: Any, settings: SearchSettings) -> Effort:
    """The parameters of a kind of index; an exact one has none."""
    faiss, base = engine(), base_of(index)
    inner = None
    if hasattr(base, "hnsw"):
        inner = faiss.SearchParametersHNSW(efSearch=settings.ef_search)
    elif hasattr(base, "nprobe"):
        inner = faiss.SearchParametersIVF(nprobe=min(settings.nprobe, base.nlist))
    if not refines(index):
        return Effort(inner, inner)
    return Effort(faiss.IndexRefineSearchParameters(k_factor=settings.k_factor, base_index_params=inner), inner)


def base_of(index: Any) -> Any:
    """The index that does the looking: what a refining index refines, or the index itself."""
    return engine().downcast_index(index.base_index if refines(index) else index)


def refines(index: Any) -> bool:
    """Whether the index refines the candidates of another one."""
    return hasattr(index, "refine_index")
