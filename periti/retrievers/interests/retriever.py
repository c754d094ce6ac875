"""A dense index asked for every facet of a query, each with a share of the candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.config import digest
from periti.encoders.panel import ExpertEncoder
from periti.errors import ConfigError, InputError
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.protocols import Encoder, Vectors
from periti.retrievers.dense import DenseOptions, DenseRetriever
from periti.retrievers.interests.clauses import clauses
from periti.retrievers.interests.clusters import Floats, spherical_centroids
from periti.retrievers.interests.mixture import Mixture, mixture, spend
from periti.retrievers.runs import run_of_arrays
from periti.types import MAX_K, Queries, Run

SAMPLE = 20_000
"""Documents that the clusters are made of, at most."""


@dataclass(frozen=True)
class InterestOptions(DenseOptions):
    """How a query is divided.

    Attributes:
        budget: candidates that the facets of a query share; an expert's depth may not be larger.
        clusters: groups of documents; clauses that fall into one group are one facet.
        smoothing: λ, how much the groups of the documents nearest to the whole query count as facets, 0..1.
        neighbours: how many of those documents.
        seed: of the clusters.
    """

    budget: int = 1000
    clusters: int = 64
    smoothing: float = 0.0
    neighbours: int = 10
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.budget <= MAX_K:
            raise ConfigError(f"multi-interest: budget is {self.budget}; it must be between 1 and {MAX_K:,}")
        if min(self.clusters, self.neighbours) < 1:
            raise ConfigError(
                f"multi-interest: clusters is {self.clusters} and neighbours is {self.neighbours}; both must be at "
                "least 1"
            )
        if not 0 <= self.smoothing <= 1:
            raise ConfigError(f"multi-interest: smoothing is {self.smoothing}; it must be between 0 and 1")


class MultiInterestRetriever:
    """Divides a query into clauses, groups them by clusters of the index, and searches once for every group.

    A query of one facet is asked as a whole: its answer is the dense retriever's, to the last bit. In other answers the
    facets take turns in proportion to their shares, so that every beginning of the list serves all of them; the j-th
    place has the j-th largest similarity of the list as its score.
    """

    Options = InterestOptions

    def __init__(self, index: DenseIndex, encoder: Encoder, options: InterestOptions | None = None) -> None:
        self.dense = DenseRetriever(index, encoder)
        self.options = options or InterestOptions()

    @classmethod
    def open(cls, folder: Path, docstore: Docstore, options: InterestOptions) -> Self:
        """The retriever of an index directory, with the encoder its manifest names; raises IndexUnusable."""
        dense = DenseRetriever.open(folder, docstore, options)
        return cls(dense.index, dense.encoder, options)

    @property
    def encoder(self) -> Encoder:
        """Makes the query vectors."""
        return self.dense.encoder

    def fingerprint(self) -> Mapping[str, str]:
        """What a score depends on."""
        index, encoder = self.dense.index, self.encoder
        return {
            "index": digest(asdict(index.manifest)),
            "model": encoder.identity.weights_sha256,
            "adapter": (encoder.adapter if isinstance(encoder, ExpertEncoder) else None) or "",
            "options": digest({**asdict(self.options), "adapter": ""}),
        }

    def notes(self, queries: Queries) -> Mapping[str, int]:
        """Queries that were divided (divided_queries), and what the encoder cuts of clauses, as dense counts it."""
        parts = [clauses(text) for text in queries.texts]
        asked = Queries.from_pairs((str(i), text) for i, text in enumerate([t for own in parts for t in own]))
        divided = sum(len(own) > 1 for own in parts)
        return {**({"divided_queries": divided} if divided else {}), **self.dense.notes(asked)}

    def retrieve(self, queries: Queries, depth: int) -> Run:
        """At most `depth` documents a query; raises InputError if depth exceeds the budget."""
        if depth > self.options.budget:
            raise InputError(
                f"multi-interest: depth is {depth}, more than the budget of {self.options.budget} candidates; raise "
                "budget or lower the expert's depth"
            )
        whole, mixtures = self.facets(queries.texts)
        scores = np.full((len(queries), depth), -np.inf, np.float32)
        ordinals = np.full((len(queries), depth), -1, np.int64)
        single = [row for row, own in enumerate(mixtures) if len(own.shares) == 1]
        scores[single], ordinals[single] = self.dense.index.search(whole[single], depth)
        several = [row for row in range(len(queries)) if len(mixtures[row].shares) > 1]
        for row, (own_scores, own_ordinals) in zip(several, self._shared([mixtures[i] for i in several]), strict=True):
            scores[row, : len(own_scores[:depth])] = own_scores[:depth]
            ordinals[row, : len(own_scores[:depth])] = own_ordinals[:depth]
        return run_of_arrays(queries, scores, ordinals, self.dense.index.ids, "multi-interest")

    def facets(self, texts: Sequence[str]) -> tuple[Vectors, list[Mixture]]:
        """The vector of every whole text, float32 (q, d), and its facets."""
        parts = [clauses(text) for text in texts]
        asked = [*texts, *(clause for own in parts if len(own) > 1 for clause in own)]
        vectors = self.encoder.encode_queries(asked).vectors
        whole, rest = vectors[: len(texts)], vectors[len(texts) :]
        found, start = [], 0
        near = self._neighbours(whole)
        for row, own in enumerate(parts):
            items = whole[row : row + 1]
            if len(own) > 1:
                items = rest[start : (start := start + len(own))]
            simple = len(own) == 1 and not near
            one = Mixture(np.zeros(1, np.int64), np.ones(1), items)
            found.append(
                one if simple else mixture(items, self.centroids, near[row] if near else (), self.options.smoothing)
            )
        return whole, found

    @cached_property
    def centroids(self) -> Floats:
        """Centroids of the documents' clusters, float64 (c, d); found at first use, in a sample of SAMPLE documents."""
        rng = np.random.default_rng(self.options.seed)
        vectors = self._stored[1]
        if len(vectors) > SAMPLE:
            vectors = vectors[np.sort(rng.choice(len(vectors), SAMPLE, replace=False))]
        return spherical_centroids(vectors, self.options.clusters, rng)

    @property
    def _stored(self) -> tuple[NDArray[np.int64], Vectors]:
        return self.dense.index.stored()

    @cached_property
    def _by_ordinal(self) -> dict[int, Vectors]:
        """Vectors of documents by ordinal, each float32 (1, d); held only where neighbours are asked for."""
        ordinals, vectors = self._stored
        return {int(ordinal): vectors[row : row + 1] for row, ordinal in enumerate(ordinals)}

    def _neighbours(self, whole: Vectors) -> list[list[Vectors]]:
        """For every query the vectors of the documents nearest to it, each a neighbour of one item."""
        if self.options.smoothing == 0:
            return []
        _, ordinals = self.dense.index.search(whole, self.options.neighbours)
        return [[self._by_ordinal[int(i)] for i in row if i >= 0] for row in ordinals]

    def _shared(self, mixtures: Sequence[Mixture]) -> list[tuple[Vectors, NDArray[np.int64]]]:
        """Scores and ordinals of queries with several facets, at most `budget` each."""
        if not mixtures:
            return []
        scores, ordinals = self.dense.index.search(
            np.concatenate([own.vectors for own in mixtures]), self.options.budget
        )
        answers, start = [], 0
        for own in mixtures:
            rows = slice(start, start := start + len(own.shares))
            row, column = spend(ordinals[rows], own.shares, self.options.budget).T
            answers.append((falling(scores[rows][row, column]), ordinals[rows][row, column]))
        return answers


def falling(scores: Vectors) -> Vectors:
    """Scores float32 (n,) from the largest to the smallest, equal ones lowered by the least step: a strict order."""
    ordered = np.sort(scores)[::-1].copy()
    for place in range(1, len(ordered)):
        if ordered[place] >= ordered[place - 1]:
            ordered[place] = np.nextafter(ordered[place - 1], np.float32(-np.inf))
    return ordered
