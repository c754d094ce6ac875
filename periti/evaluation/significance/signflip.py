"""The paired randomisation test: under the null the sign of every topic's difference is a fair coin.

One matrix of signs serves all pairs, so that a pair's p-value does not depend on which other pairs are compared, and
all sums come from one matrix product on whole numbers (`grid`): the counts are exact whatever the number of threads.
Topics must come in a canonical order (`Scores` sorts them), so that a seed gives the same signs to the same topics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np

from periti.errors import InputError
from periti.evaluation.significance.grid import Ints, Values, whole

EXACT_TOPICS = 15
"""All sign choices are counted up to this many topics, however few were asked for."""

MOST_EXACT_TOPICS = 20
"""Beyond this all sign choices are never counted, however many were asked for."""

ROWS = 240
"""Choices tried at once; at most 255, so that a count of them fits 8 bits."""

UNTHREADED = 2**18
"""Products up to this many multiplications OpenBLAS leaves to one thread: waking others costs more than they save, and
on a busy machine a hundred times more."""


@dataclass(frozen=True)
class Flips:
    """Which choices of signs are made.

    Args:
        topics: n.
        count: how many choices: 2^(n-1) if exact (a choice and its mirror image give the same size), else as asked.
        exact: whether these are all there are.
        seed: of the random bits.
    """

    topics: int
    count: int
    exact: bool
    seed: int

    @classmethod
    def of(cls, topics: int, permutations: int, seed: int) -> Flips:
        """All choices if there are at most 2^15, or at most as many as asked for; else that many at random.

        Raises:
            InputError: fewer than one permutation, or a negative seed.
        """
        if permutations < 1 or seed < 0:
            raise InputError(f"{permutations} permutations with seed {seed}; give 1 or more and a seed of 0 or more")
        exact = topics <= EXACT_TOPICS or (topics <= MOST_EXACT_TOPICS and 2**topics <= permutations)
        return cls(topics, 2 ** (topics - 1) if exact else permutations, exact, seed)

    def p(self, reached: Ints) -> Values:
        """p-values of how many choices reached the observed sum: count / all, or (1 + count) / (1 + permutations).

        Never 0: the observed signs are one of the choices.
        """
        counts = reached.astype(np.float64)
        p: Values = counts / self.count if self.exact else (1.0 + counts) / (1.0 + self.count)
        return p

    @property
    def sentence(self) -> str:
        """What was done, for the foot of a table."""
        if self.exact:
            return f"all 2^{self.topics} sign flips counted (exact)"
        return f"{self.count} random sign flips, p = (1 + reached) / (1 + {self.count})"

    def blocks(self) -> Iterator[Values]:
        """The signs, float64 (rows, n) of 1 and -1, at most `ROWS` at a time."""
        generator = np.random.PCG64(self.seed)
        words = -(-self.topics // 64)
        step = min(ROWS, _side(self.topics))
        for start in range(0, self.count, step):
            rows = min(step, self.count - start)
            if self.exact:
                bits = np.arange(start, start + rows, dtype="<u8")
            else:
                # The raw stream of PCG64 is fixed for good; the distributions of numpy's Generator may change.
                bits = generator.random_raw(rows * words).astype("<u8")
            unpacked = np.unpackbits(bits.view(np.uint8).reshape(rows, -1), axis=1, bitorder="little")
            yield 1.0 - 2.0 * unpacked[:, : self.topics].astype(np.float64)


def sign_flip(differences: Values, flips: Flips) -> Values:
    """Two-sided p-value of every pair, float64 (m,): how often chance makes a mean difference as large.

    Args:
        differences: float64 (n, m), topics in canonical order.
        flips: for n topics.
    """
    units, _ = whole(differences)
    reached = np.zeros(differences.shape[1], dtype=np.int64)
    least = np.abs(units.sum(axis=0)) - len(units)
    for size in _sizes(units, flips):
        reached += np.add.reduce((size >= least).view(np.uint8), axis=0, dtype=np.uint8)
    return flips.p(reached)


def max_t(differences: Values, flips: Flips) -> Values:
    """Adjusted p-values of the whole family by step-down MaxT, float64 (m,).

    Source: Westfall and Young, 1993, algorithm 4.1, on |sum| / sqrt(sum of squares), which grows with |t| and whose
    denominator no flip of signs changes. All pairs flip together, so the dependence among them is kept; the vector of
    a topic's differences is taken to be symmetric about 0.
    """
    units, _ = whole(differences)
    size = np.sqrt((units**2).sum(axis=0))
    scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    observed = np.abs(units.sum(axis=0))
    # From the least to the most extreme, so that a running maximum is over the pair and all less extreme ones.
    order = np.lexsort((observed, observed * scale))
    own_scale = scale[order]
    least = (observed[order] - len(units)) * own_scale
    reached = np.zeros(len(order), dtype=np.int64)
    for size in _sizes(units[:, order], flips):
        np.maximum.accumulate(np.multiply(size, own_scale, out=size), axis=1, out=size)
        reached += np.add.reduce((size >= least).view(np.uint8), axis=0, dtype=np.uint8)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(flips.p(reached)[::-1])[::-1]
    return adjusted


def _sizes(units: Values, flips: Flips) -> Iterator[Values]:
    """|sum of signed differences|, float64 (rows, m), block after block; the array is used again for the next."""
    width = _side(len(units))
    parts = [slice(start, start + width) for start in range(0, units.shape[1], width)]
    tiles = [(part, np.ascontiguousarray(units[:, part])) for part in parts]
    sums = np.empty((ROWS, units.shape[1]))
    for signs in flips.blocks():
        size = sums[: len(signs)]
        for part, tile in tiles:
            np.matmul(signs, tile, out=size[:, part])
        yield np.abs(size, out=size)


def _side(topics: int) -> int:
    """Rows and columns of a product that stays on one thread; with very many topics the products are large anyway."""
    side = isqrt(UNTHREADED // topics)
    return side if side >= 8 else ROWS
