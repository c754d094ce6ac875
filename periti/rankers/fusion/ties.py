"""The one way in which a fusion's candidates are ordered: score, then best rank in any list, then doc_id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.rankers.fusion.candidates import Candidates
from periti.rankers.fusion.codes import Places, taken

Scores = NDArray[np.float32]
Steps = NDArray[np.int64]
Flags = NDArray[np.bool_]
_FEW = 1 << 10
"""Ids up to which nothing is gained by sorting on all cores and waiting for them."""


@dataclass(frozen=True)
class Standings:
    """What candidates are ordered by.

    Attributes:
        score: float32 (n,), finite.
        best: intp (n,), at least 1: the smallest rank that an expert gave.
        candidates: n candidates of the queries.
    """

    score: Scores
    best: Places
    candidates: Candidates


def settle(standings: Standings, docs: pl.Series) -> tuple[pl.Series, Scores]:
    """Ids and scores of every query's candidates: score descending, best rank, doc_id descending.

    A Run orders equal scores by doc_id alone. So where a tie was broken by rank, the later document's score is lowered
    to the next float32: the one rule, and every evaluator that sorts, then reads the order meant. Text is compared only
    where numbers do not decide.

    Args:
        standings: n candidates.
        docs: the ids that `candidates.doc` points to.
    """
    found = standings.candidates
    first = np.zeros(len(found.doc) + 1, bool)
    first[found.starts] = True
    first = first[:-1]
    order, key, rank_bits = _by_numbers(standings)
    again = np.append(False, key[1:] == key[:-1])[: len(key)] & ~first
    if again.any():
        tied = np.flatnonzero(again | np.append(again[1:], False))
        order[tied] = _by_id(order[tied], np.cumsum(~again, dtype=np.intp)[tied], found.doc, docs)
    ids, steps = taken(docs, found.doc[order]), -(key >> rank_bits)
    by_rank = np.flatnonzero((steps[1:] == steps[:-1]) & ~again[1:] & ~first[1:])
    if len(by_rank) and (taken(ids, by_rank + 1) > taken(ids, by_rank)).any():
        rises = np.append(False, (ids[1:] > ids[:-1]).to_numpy()) & ~first
        steps = _lowered(steps, rises, first)
    return ids, _scores(steps)


def _by_numbers(standings: Standings) -> tuple[Places, Steps, int]:
    """Places of the candidates by query, score and best rank, with the number that holds the latter two, in order.

    The number and a candidate's place among its query's share one integer where they fit: one sort, nothing to look up.
    """
    best, sizes = standings.best, standings.candidates.sizes
    rank_bits = int(best.max(initial=0)).bit_length()
    key = (-_steps(standings.score) << rank_bits) | best
    place_bits = int(sizes.max(initial=0)).bit_length()
    if place_bits + rank_bits > 32:
        order = np.lexsort((key, standings.candidates.query))
        return order, key[order], rank_bits
    start = np.repeat(standings.candidates.starts, sizes)
    packed = (key << place_bits) | (np.arange(len(key)) - start)
    for begin, size in zip(standings.candidates.starts.tolist(), sizes.tolist(), strict=True):
        end = begin + size
        packed[begin:end].sort()
    return start + (packed & ((1 << place_bits) - 1)), packed >> place_bits, rank_bits


def _by_id(tied: Places, group: Places, doc: Places, docs: pl.Series) -> Places:
    """The tied candidates with every group's, which lie side by side, by doc_id descending."""
    present = np.zeros(len(docs), bool)
    present[doc[tied]] = True
    known = np.flatnonzero(present)
    place = np.empty(len(docs), np.intp)
    place[known[_ascending(taken(docs, known))]] = np.arange(len(known), 0, -1)
    found: Places = tied[np.argsort(group * (len(known) + 1) + place[doc[tied]], kind="stable")]
    return found


def _ascending(ids: pl.Series) -> Places:
    """Places of the ids in ascending order; Python sorts text by code point, as UTF-8 bytes sort."""
    if len(ids) > _FEW:
        return ids.arg_sort().to_numpy().astype(np.intp)
    return np.array(sorted(range(len(ids)), key=ids.to_list().__getitem__), np.intp)


def _steps(score: Scores) -> Steps:
    """Float32 values as integers in their order: neighbours differ by one."""
    bits = score.view(np.int32).astype(np.int64)
    steps: Steps = np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
    return steps


def _scores(steps: Steps) -> Scores:
    """The float32 values of `_steps`."""
    magnitude = np.abs(steps) | np.where(steps < 0, 0x80000000, 0)
    return magnitude.astype(np.uint32).view(np.float32)


def _lowered(steps: Steps, rises: Flags, first: Flags) -> Steps:
    """Scores lowered no further than the one rule needs to find the same order.

    Args:
        steps: int64 (n,), in order.
        rises: bool (n,), whether the doc_id is above that of the row before, of the same query.
        first: bool (n,), whether the row begins a query.
    """
    drops = np.cumsum(rises)
    # Each query lies below all numbers of the one before, so that its minima start anew.
    below = np.cumsum(first) << 34
    lowest: Steps = np.minimum.accumulate(steps + drops - below) + below - drops
    return lowest
