"""Quad: choose documents by their influence on the target, and look for them where they have been found before.

Zhang et al. (2025), "Harnessing Diversity for Important Data Selection in Pretraining Large Language Models" (ICLR),
with an embedding model in place of the language model: k-means over the pool's vectors gives clusters, a bandit over
clusters (`bandit`) decides which documents to look at, looking is the influence of a document's pair on the target's
contrastive loss (`influence`), and documents above a threshold may be chosen.

Influence tells what an adapter would learn, not what a text is about: where the model already ranks a topic well, pairs
of the topic help and harm each other about equally, and matching (DSIR, BETR) finds the topic better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.bandit import ClusterBandit, Pulls
from periti.datasets.selection.clusters import Labels, Vectors, k_means
from periti.datasets.selection.influence import Influence, Pairs
from periti.datasets.selection.keyed import text_words
from periti.datasets.selection.selector import MATCHING, Blocks, Embed, Reason, Scores, Target
from periti.errors import ConfigError, InputError

_TOGETHER = 1024
"""Texts embedded at once, whatever the blocks of the pool: a model's last bits depend on the batch."""
_REFERENCE = 512
"""Documents drawn by chance: what pairs are contrasted with and influence is measured by."""
_TEXTS_A_CLUSTER, _MOST_CLUSTERS = 100, 1000


class _Looked(NamedTuple):
    """What the bandit of one target found out."""

    name: str
    values: NDArray[np.float64]
    """Of each distinct text of the pool, NaN where it was not looked at."""
    rewards: NDArray[np.float64]
    pulls: NDArray[np.int64]
    """Mean reward and number of pulls of each cluster."""


@dataclass(frozen=True)
class QuadScorer:
    """The influence of the texts that were looked at; -inf for all others, and for those at or below the threshold.

    Attributes:
        keys: 64 bits of each distinct text of the pool, ascending, (n,).
        clusters: of each, (n,).
        looked: for each target.
        threshold: influence, as a reward, that must be exceeded.
    """

    keys: NDArray[np.uint64]
    clusters: Labels
    looked: tuple[_Looked, ...]
    threshold: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of the targets."""
        return tuple(one.name for one in self.looked)

    def score(self, texts: Sequence[str]) -> Scores:
        """Influence in units of the pool (0 its median, 1 its 99th percentile), float64 (n, t)."""
        at, known = self._found(texts)
        values = np.stack([one.values[at] for one in self.looked], axis=1)
        return np.where(known[:, None] & (values > self.threshold), values, -np.inf)

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """Its influence on each target, if it was looked at, and what its cluster was worth."""
        at, known = self._found([text])
        if not known[0]:
            return ()
        cluster = int(self.clusters[at[0]])
        reasons = []
        for one in self.looked:
            value = float(one.values[at[0]])
            if np.isnan(value):
                reasons.append(Reason(f"not looked at for {one.name}", 0.0))
            else:
                reasons.append(Reason(f"influence on {one.name}", value))
            what = f"mean reward of cluster {cluster} for {one.name} in {one.pulls[cluster]} pulls"
            reasons.append(Reason(what, float(one.rewards[cluster])))
        return tuple(reasons[:limit])

    def _found(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        words = text_words(tuple(texts))
        at = np.minimum(np.searchsorted(self.keys, words), len(self.keys) - 1)
        return at, self.keys[at] == words


@dataclass(frozen=True)
class QuadSelector:
    """Influence on the target, looked for by a bandit over clusters. Memory: two vectors a text, 8 d bytes.

    Attributes:
        embed: texts to unit vectors; must be given.
        clusters: arms; 0 for one per 100 texts, at most 1000.
        examined: share of the pool that is looked at, above 0 and at most 1; more than the budget.
        alpha: how much uncertain clusters are preferred; 0 is greedy.
        batch: documents of a pull.
        window: latest pulls that a cluster's mean rests on.
        threshold: a document may be chosen whose influence exceeds it (0 the pool's median, 1 its 99th percentile).
        damping: of the Hessian's Kronecker factors; None for the identity.
    """

    embed: Embed | None = None
    clusters: int = 0
    examined: float = 0.3
    alpha: float = 0.1
    batch: int = 8
    window: int = 50
    threshold: float = 0.1
    damping: float | None = None
    family: ClassVar[str] = MATCHING
    needs_target: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    cost_per_doc: ClassVar[float] = 20_000.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> QuadScorer:
        """Embed the pool, cluster it, and look around for each target.

        Raises:
            InputError: an empty pool, no target, or a target without text.
            ConfigError: no model, or an impossible option.
        """
        if self.embed is None:
            raise ConfigError("quad compares vectors; give it a model (embed)")
        if not 0 < self.examined <= 1:
            raise ConfigError(f"quad examines {self.examined} of the pool; it must be above 0 and at most 1")
        if not targets or not all(any(text.strip() for text in one.texts) for one in targets):
            raise InputError("quad needs a target, and a text in each; give examples of what is wanted")
        bandit = ClusterBandit(self.alpha, self.batch, self.window)
        keys, pairs = _distinct(pool, self.embed)
        labels = self._clustered(pairs, seed)
        reference = pairs[np.random.default_rng(seed).permutation(len(pairs))[:_REFERENCE]]
        pulls = -(-int(np.ceil(self.examined * len(pairs))) // self.batch)
        looked = []
        for target in targets:
            wanted = Pairs.of([text for text in target.texts if text.strip()], self.embed)
            influence = Influence.on(wanted, reference, damping=self.damping)
            found = bandit.pull(labels, _Reward(influence, pairs), pulls, seed=seed)
            looked.append(_looked(target.name, found, influence.relative(influence.of(pairs[found.rows])), labels))
        return QuadScorer(keys, labels, tuple(looked), self.threshold)

    def _clustered(self, pairs: Pairs, seed: int) -> Labels:
        count = self.clusters or min(max(len(pairs) // _TEXTS_A_CLUSTER, 2), _MOST_CLUSTERS)
        whole = pairs.queries + pairs.documents
        whole /= np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-9)
        return k_means(whole, min(count, len(pairs)), seed=seed)[1]


@dataclass(frozen=True)
class _Reward:
    """Influence of rows of the pool, in 0..1."""

    influence: Influence
    pairs: Pairs

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.influence.scaled(self.influence.of(self.pairs[rows]))


def _distinct(pool: Blocks, embed: Embed) -> tuple[NDArray[np.uint64], Pairs]:
    """Keys of the distinct texts, ascending, and their pairs."""
    seen: set[int] = set()
    keys: list[NDArray[np.uint64]] = []
    queries: list[Vectors] = []
    documents: list[Vectors] = []
    for texts in _together(pool, seen):
        pairs = Pairs.of(texts, embed)
        keys.append(text_words(texts))
        queries.append(pairs.queries)
        documents.append(pairs.documents)
    if not keys:
        raise InputError("the pool has no text; name a pool with at least one")
    joined = np.concatenate(keys)
    order = np.argsort(joined)
    return joined[order], Pairs(np.concatenate(queries)[order], np.concatenate(documents)[order])


def _together(pool: Blocks, seen: set[int]) -> Iterator[list[str]]:
    """Texts not seen before, so many at a time."""
    waiting: list[str] = []
    for block in pool():
        for text, key in zip(block, text_words(tuple(block)).tolist(), strict=True):
            if key not in seen:
                seen.add(key)
                waiting.append(text)
        while len(waiting) >= _TOGETHER:
            yield waiting[:_TOGETHER]
            del waiting[:_TOGETHER]
    if waiting:
        yield waiting


def _looked(name: str, found: Pulls, values: NDArray[np.float64], clusters: Labels) -> _Looked:
    every = np.full(len(clusters), np.nan)
    every[found.rows] = values
    count = int(clusters.max()) + 1
    documents = np.bincount(clusters[found.rows], minlength=count)
    sums = np.bincount(clusters[found.rows], found.rewards, minlength=count)
    return _Looked(name, every, sums / np.maximum(documents, 1), np.bincount(found.arms, minlength=count))
