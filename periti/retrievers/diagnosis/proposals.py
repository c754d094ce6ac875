"""New experts for queries that the panel does not know: clusters of them, with the words that set them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, Ints, matrix

_WORD = re.compile(r"[^\W\d_][\w-]{2,}")
_MOST = 8
"""Clusters tried; who drifts into more domains at once needs a new panel."""
_APART = 0.25
"""Silhouette below which clusters are one cloud that was cut. Queries of one collection (SciFact, ObliQA or NFCorpus,
by MiniLM) reach .21, of two together they have .27 and more."""
_PRIOR = 100.0
"""Pseudo-count mass of the prior in the log-odds, spread over words as they occur overall."""


@dataclass(frozen=True)
class Proposal:
    """An expert that nobody has trained yet.

    Args:
        centroid: float64 (d,), unit length; a first pilot for routing.
        members: int64 (size,), row numbers of its queries, most typical first.
        examples: the texts of the most typical ones.
        terms: words that set it apart from known and other drifting queries, strongest first.
    """

    centroid: Floats
    members: Ints
    examples: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many queries it would have answered."""
        return len(self.members)


def propose(
    texts: Sequence[str], vectors: ArrayLike, known: Sequence[str], seed: int, least: int = 10
) -> tuple[Proposal, ...]:
    """Cluster drifting queries and propose an expert for each cluster, largest first (TAME: one expert a new task).

    Spherical k-means for 1 to 8 clusters, chosen by the simplified silhouette; terms by log-odds with an informative
    prior (Monroe et al. 2008), counting each word once a query.

    Args:
        texts: the n drifting queries.
        vectors: (n, d), their vectors by the base encoder; they need not be normalised.
        known: texts of queries that are no drift, for contrast; may be empty.
        seed: of the starts of k-means.
        least: queries a cluster needs to deserve an expert; smaller ones are not proposed.

    Raises:
        InputError: numbers of texts and vectors differ, a vector is zero or not finite, or `least` is below 1.
    """
    rows = matrix(vectors, "drifting vectors", len(texts))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise InputError("drifting vectors: one is zero and points nowhere; leave its query out")
    if least < 1:
        raise InputError(f"least is {least}; a cluster has at least 1 query")
    rows /= norms
    labels = _clusters(rows, np.random.default_rng(seed))
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    background = Counter(word for text in known for word in frozenset(_WORD.findall(text.lower())))
    proposals = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < least:
            continue
        centroid = _unit(rows[members].sum(axis=0))
        members = members[np.argsort(-(rows[members] @ centroid), kind="stable")]
        inside = Counter(word for member in members for word in words[member])
        outside = background + Counter(word for row in np.flatnonzero(labels != label) for word in words[row])
        examples = tuple(texts[member] for member in members[:5])
        proposals.append(Proposal(centroid, members.astype(np.int64), examples, distinguishing(inside, outside)))
    return tuple(sorted(proposals, key=lambda proposal: (-proposal.size, int(proposal.members.min()))))


def distinguishing(inside: Counter[str], outside: Counter[str], most: int = 10) -> tuple[str, ...]:
    """The words of `inside` with the largest z of the log-odds against `outside`, above 0, strongest first.

    Log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008, eqs. 15-22), the prior being
    the words' overall counts. It neither promotes words seen once nor words that are everywhere. Without anything to
    set them apart from, no word does.
    """
    total = inside + outside
    if not outside or len(total) < 2:
        return ()
    mass = total.total()
    scored = []
    for word, count in inside.items():
        prior = _PRIOR * total[word] / mass
        here, there = count + prior, outside[word] + prior
        odds = np.log(here / (inside.total() + _PRIOR - here)) - np.log(there / (outside.total() + _PRIOR - there))
        scored.append((-float(odds) / float(np.sqrt(1 / here + 1 / there)), word))
    return tuple(word for score, word in sorted(scored)[:most] if score < 0)


def _unit(sums: Floats) -> Floats:
    """Along the last axis to unit length; a zero vector stays zero."""
    norms = np.linalg.norm(sums, axis=-1, keepdims=True)
    unit: Floats = sums / np.where(norms > 0, norms, 1)
    return unit


def _clusters(rows: Floats, rng: np.random.Generator) -> Ints:
    """Labels (n,) of the number of clusters with the best silhouette; all 0 where no number sets clusters apart."""
    best, labels = _APART, np.zeros(len(rows), np.int64)
    for count in range(2, min(_MOST, len(rows) - 1) + 1):
        tried = max((_kmeans(rows, count, rng) for _ in range(3)), key=lambda result: result[1])[0]
        apart = _silhouette(rows, tried)
        if apart > best:
            best, labels = apart, tried
    return labels


def _kmeans(rows: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, float]:
    """Spherical k-means from k-means++ seeds: labels (n,) and the sum of the rows' cosines to their centroids."""
    chosen = [int(rng.integers(len(rows)))]
    while len(chosen) < count:
        distance = np.clip(1 - (rows @ rows[chosen].T).max(axis=1), 0, None)
        total = distance.sum()
        # All rows may be copies of the chosen ones; then any will do.
        chosen.append(int(rng.choice(len(rows), p=distance / total if total > 1e-9 else None)))
    centroids = rows[chosen]
    labels = np.zeros(len(rows), np.int64)
    for turn in range(100):
        similarity = rows @ centroids.T
        moved = similarity.argmax(axis=1)
        if turn and (moved == labels).all():
            break
        labels = moved
        member = np.eye(count)[labels]
        sums = member.T @ rows
        # A cluster that lost all its members keeps its place.
        centroids = np.where(member.any(axis=0)[:, None], _unit(sums), centroids)
    return labels, float(similarity.max(axis=1).sum())


def _silhouette(rows: Floats, labels: Ints) -> float:
    """Mean of (b - a) / max(a, b), a and b the cosine distances to the own and the nearest other centroid.

    The own centroid leaves the row itself out: with it, any small cluster in many dimensions would look tight.
    """
    names, number = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return 0.0
    sums = np.stack([rows[labels == name].sum(axis=0) for name in names])
    distance = np.clip(1 - rows @ _unit(sums).T, 0, None)
    distance[np.arange(len(rows)), number] = np.inf
    outer = distance.min(axis=1)
    inner = np.clip(1 - (rows * _unit(sums[number] - rows)).sum(axis=1), 0, None)
    # Copies of one query are at distance 0 up to rounding; their clusters are not apart.
    largest = np.maximum(inner, outer)
    return float(((outer - inner) / np.maximum(largest, 1e-9)).mean())
