"""All systems at once, topics as blocks: analysis of variance, Tukey's HSD for randomised blocks, randomised HSD.

SciPy's `tukey_hsd` takes the columns for independent samples, so that the spread of topics lands in the error: on
CLEF-2017 TAR it finds 140 of the 442 pairs that differ. It has no place here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periti.evaluation.significance.distributions import (
    SMALLEST,
    f_upper,
    studentized_range_critical,
    studentized_range_upper,
)
from periti.evaluation.significance.grid import Ints, Values, whole
from periti.evaluation.significance.paired import NOISE

BLOCK_CELLS = 400_000


@dataclass(frozen=True)
class TwoWay:
    """Two-way analysis of variance without replication: score = mean + topic + system + error.

    Args:
        topics, systems: n and k.
        topic_squares, system_squares, error_squares: sums of squares.
    """

    topics: int
    systems: int
    topic_squares: float
    system_squares: float
    error_squares: float

    @property
    def error_df(self) -> int:
        """(n - 1)(k - 1)."""
        return (self.topics - 1) * (self.systems - 1)

    @property
    def mse(self) -> float:
        """Mean squared error, the variance that topics and systems leave unexplained."""
        return self.error_squares / self.error_df

    @property
    def system_f(self) -> float:
        """F of "all systems have the same mean"; infinite without error."""
        effect = self.system_squares / (self.systems - 1)
        return effect / self.mse if self.mse > 0 else (np.inf if effect > 0 else 0.0)

    @property
    def system_p(self) -> float:
        """P of that F."""
        if np.isinf(self.system_f):
            return SMALLEST
        return f_upper(self.system_f, (self.systems - 1, self.error_df))

    @property
    def shares(self) -> dict[str, float]:
        """Share of the total sum of squares of topic, system and error; zeros if all scores are equal."""
        parts = {"topic": self.topic_squares, "system": self.system_squares, "error": self.error_squares}
        total = sum(parts.values())
        return {name: squares / total if total > 0 else 0.0 for name, squares in parts.items()}

    @property
    def omega_squared(self) -> dict[str, float]:
        """Estimated share of the variance of scores that system and topic explain, 0 or more.

        Source: Hays; Sakai, Laboratory Experiments in Information Retrieval, 2018:
        (SS - df * MSE) / (SS_total + MSE).
        """
        total = self.topic_squares + self.system_squares + self.error_squares + self.mse
        if total <= 0:
            return {"system": 0.0, "topic": 0.0}
        system = (self.system_squares - (self.systems - 1) * self.mse) / total
        topic = (self.topic_squares - (self.topics - 1) * self.mse) / total
        return {"system": max(0.0, system), "topic": max(0.0, topic)}

    def critical_difference(self, alpha: float) -> float:
        """The least difference of means that Tukey's HSD for randomised blocks calls significant."""
        return studentized_range_critical(alpha, self.systems, self.error_df) * float(np.sqrt(self.mse / self.topics))


def two_way(scores: Values) -> TwoWay:
    """The analysis of variance of float64 (n, k), topics × systems, n and k at least 2."""
    topics, systems = scores.shape
    mean = scores.mean()
    by_topic, by_system = scores.mean(axis=1), scores.mean(axis=0)
    residual = scores - by_system - by_topic[:, None] + mean
    # What float64 leaves of scores that add up exactly is no error variance.
    error = float((np.where(np.abs(residual) <= NOISE * np.abs(scores).max(), 0.0, residual) ** 2).sum())
    return TwoWay(
        topics=topics,
        systems=systems,
        topic_squares=systems * float(((by_topic - mean) ** 2).sum()),
        system_squares=topics * float(((by_system - mean) ** 2).sum()),
        error_squares=error,
    )


def hsd(differences: Values, anova: TwoWay) -> tuple[Values, Values]:
    """Tukey's HSD for randomised blocks: studentised ranges q and p-values, float64 (m,) each.

    The p-values hold for all pairs of the k systems at once; correcting them again would correct twice.

    Args:
        differences: float64 (m,), differences of means.
        anova: of the same scores.
    """
    size = np.abs(differences)
    error = np.sqrt(anova.mse / anova.topics)
    infinite = np.where(size > 0, np.inf, 0.0)
    statistic = size / error if error > 0 else infinite
    return statistic, studentized_range_upper(statistic, anova.systems, float(anova.error_df))


def randomized_hsd(scores: Values, pairs: tuple[Ints, Ints], permutations: int, seed: int) -> Values:
    """Randomised Tukey HSD: p-values that hold for all pairs at once, float64 (m,).

    Source: Carterette, TOIS 2012; Sakai 2018. Each round permutes the k scores within every topic and notes the largest
    difference of means; p = (1 + rounds that reach the pair's difference) / (1 + rounds).

    Args:
        scores: float64 (n, k), topics and systems in canonical order.
        pairs: columns of the first and second system of every pair, int64 (m,) each.
        permutations: rounds.
        seed: of the permutations.
    """
    topics, systems = scores.shape
    units = whole(scores.reshape(-1, 1))[0].reshape(scores.shape)
    sums = units.sum(axis=0)
    ranges = np.empty(permutations)
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK_CELLS // units.size)
    for start in range(0, permutations, rows):
        block = np.broadcast_to(units, (min(rows, permutations - start), topics, systems))
        shuffled = rng.permuted(block, axis=2).sum(axis=1)
        ranges[start : start + len(block)] = shuffled.max(axis=1) - shuffled.min(axis=1)
    ranges.sort()
    observed = np.abs(sums[pairs[0]] - sums[pairs[1]]) - topics
    reached = permutations - np.searchsorted(ranges, observed, side="left")
    p: Values = (1.0 + reached) / (1.0 + permutations)
    return p
