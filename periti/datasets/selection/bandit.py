"""A bandit over clusters: which part of a pool is worth looking at, when looking costs.

Upper confidence bounds (UCB1, Auer et al. 2002) as in Quad (Zhang et al. 2025, "Harnessing Diversity for Important Data
Selection in Pretraining Large Language Models"): arms are clusters, a pull looks at some of an arm's documents, and the
next arm has the largest

    mean reward of the arm + alpha sqrt(2 ln (all pulls) / (pulls of the arm))
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.clusters import Labels
from periti.errors import ConfigError, InputError

Rows = NDArray[np.int64]
Reward = Callable[[Rows], NDArray[np.float64]]
"""Rows of the pool to their rewards, each in 0..1."""


@dataclass(frozen=True)
class Pulls:
    """What the bandit looked at, in order.

    Attributes:
        rows: of the pool, (n,).
        rewards: of each, (n,).
        arms: cluster of each pull, (pulls,).
    """

    rows: Rows
    rewards: NDArray[np.float64]
    arms: NDArray[np.int64]

    def above(self, threshold: float) -> Rows:
        """Rows whose reward exceeds the threshold, in the order of looking."""
        return self.rows[self.rewards > threshold]


@dataclass(frozen=True)
class ClusterBandit:
    """Looks at documents of promising clusters.

    Attributes:
        alpha: how much an uncertain arm is preferred; 0 is greedy. UCB1's 1 is for many more pulls than an arm has
            here: with 300 pulls of 50 arms it explores to the end.
        batch: documents of a pull; the last of an arm may be fewer.
        window: pulls that an arm's mean rests on, the latest; rewards drift where the model learns on the way.
    """

    alpha: float = 0.1
    batch: int = 8
    window: int = 50

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ConfigError(f"the bandit's alpha is {self.alpha}; it must be 0 (greedy) or more")
        if self.batch < 1 or self.window < 1:
            raise ConfigError(f"the bandit pulls {self.batch} documents, window {self.window}; both must be at least 1")

    def pull(self, clusters: Labels, reward: Reward, pulls: int, *, seed: int) -> Pulls:
        """Pull arms; each arm once in the beginning, in an order of chance, while there are pulls.

        Args:
            clusters: of each document, (n,), 0 or more.
            reward: of documents; asked once for each document that is looked at.
            pulls: at most; fewer where all documents have been looked at.
            seed: of the order of documents and arms.

        Raises:
            InputError: no document, no pull, or a reward outside 0..1.
        """
        if not len(clusters) or pulls < 1:
            raise InputError(f"{pulls} pulls of {len(clusters)} documents are asked for; both must be at least 1")
        rng = np.random.default_rng(seed)
        arms = _Arms(clusters, self, rng)
        seen: list[Rows] = []
        rewards: list[NDArray[np.float64]] = []
        order: list[int] = []
        while len(order) < pulls:
            arm = arms.best(len(order))
            if arm is None:
                break
            rows = arms.take(arm)
            values = np.asarray(reward(rows), dtype=np.float64)
            if values.shape != rows.shape or not ((values >= 0) & (values <= 1)).all():
                raise InputError(f"rewards of {len(rows)} documents must be as many numbers in 0..1; found {values}")
            arms.learn(arm, float(values.mean()))
            seen.append(rows)
            rewards.append(values)
            order.append(arm)
        return Pulls(np.concatenate(seen), np.concatenate(rewards), np.array(order, dtype=np.int64))


class _Arms:
    """What is known of each arm, and which of its documents are left."""

    def __init__(self, clusters: Labels, options: ClusterBandit, rng: np.random.Generator) -> None:
        self._options = options
        shuffled = rng.permutation(len(clusters))
        order = shuffled[np.argsort(clusters[shuffled], kind="stable")]
        count = int(clusters.max()) + 1
        self._left = np.split(order, np.searchsorted(clusters[order], np.arange(1, count)))
        self._first = rng.permutation(count)
        self._pulled = np.zeros(count, dtype=np.int64)
        self._means = np.zeros(count)
        self._latest = [deque[float](maxlen=options.window) for _ in range(count)]
        self._open = np.array([len(rows) > 0 for rows in self._left])

    def best(self, pulls: int) -> int | None:
        """The arm to pull after so many pulls; None when nothing is left."""
        if not self._open.any():
            return None
        new = self._first[(self._open & (self._pulled == 0))[self._first]]
        if len(new):
            return int(new[0])
        bounds = self._means + self._options.alpha * np.sqrt(2 * np.log(pulls) / np.maximum(self._pulled, 1))
        return int(np.where(self._open, bounds, -np.inf).argmax())

    def take(self, arm: int) -> Rows:
        """The next documents of the arm."""
        rows, self._left[arm] = np.split(self._left[arm], [self._options.batch])
        self._open[arm] = len(self._left[arm]) > 0
        return rows.astype(np.int64)

    def learn(self, arm: int, reward: float) -> None:
        """Add a pull's mean reward."""
        self._pulled[arm] += 1
        self._latest[arm].append(reward)
        self._means[arm] = sum(self._latest[arm]) / len(self._latest[arm])
