"""One step's lists, drawn from seed and step only, so that a resumed training sees the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.training.pairs import Rows
from periti.training.ranking.difficulty import Values
from periti.training.ranking.lists import Entry, RankingSet
from periti.training.ranking.settings import RankingOptions


@dataclass(frozen=True)
class Lists:
    """A batch: b queries with a list of documents each, n documents in all, those of one list together.

    Attributes:
        queries: the query of every document, n texts.
        documents: n texts.
        owner: the list of every document, int64 (n,), 0..b-1 in ascending order.
        gains: grades, float64 (n,); 0 is not known to be relevant.
        ease: D of each, float64 (n,).
        teacher: the teacher's score of each, float64 (n,).
        prior: the first stage's score of each, normalised within its list, float64 (n,); None where nobody asks.
    """

    queries: list[str]
    documents: list[str]
    owner: NDArray[np.int64]
    gains: Values
    ease: Values
    teacher: Values
    prior: Values | None = None


@dataclass(frozen=True)
class Pairs:
    """All pairs of a batch's documents of one list with different grades.

    Attributes:
        better: place of the one with the higher grade, int64 (p,).
        worse: place of the other, int64 (p,).
    """

    better: NDArray[np.int64]
    worse: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Lists) -> Pairs:
        """The pairs of a batch, list by list."""
        higher = (lists.gains[:, None] > lists.gains) & (lists.owner[:, None] == lists.owner)
        better, worse = np.nonzero(higher)
        return cls(better, worse)


def draw(sets: Sequence[RankingSet], options: RankingOptions, seed: int, step: int, stream: int = 0) -> Lists:
    """The lists of one step.

    Args:
        sets: the sources.
        options: batch, positives, negatives, mix.
        seed: of the training.
        step: 1, 2, ...
        stream: another one gives other lists of the same distribution.
    """
    rng = np.random.default_rng([seed, step, stream])
    sizes = np.array([len(one) for one in sets], np.float64) ** options.mix
    counts = rng.multinomial(options.batch, sizes / sizes.sum())
    parts: list[tuple[Entry, Drawn, list[str]]] = []
    for source, count in zip(sets, counts, strict=True):
        chosen = [source.entries[place] for place in _places(source, int(count), rng)]
        drawn = [one_list(entry, source.documents, options, rng) for entry in chosen]
        rows = np.concatenate([one.rows for one in drawn]) if drawn else np.empty(0, np.int64)
        texts = iter(source.read(rows) if len(rows) else [])
        parts += [(entry, one, [next(texts) for _ in one.rows]) for entry, one in zip(chosen, drawn, strict=True)]
    return Lists(
        queries=[entry.text for entry, one, _ in parts for _ in one.rows],
        documents=[text for _, _, texts in parts for text in texts],
        owner=np.repeat(np.arange(len(parts)), [len(one.rows) for _, one, _ in parts]),
        gains=np.concatenate([one.gains for _, one, _ in parts]),
        ease=np.concatenate([one.ease for _, one, _ in parts]),
        teacher=np.concatenate([one.teacher for _, one, _ in parts]),
        prior=np.concatenate([one.prior for _, one, _ in parts]),
    )


@dataclass(frozen=True)
class Drawn:
    """One list: rows int64 (n,), gains, ease, teacher and prior float64 (n,); positives first."""

    rows: Rows
    gains: Values
    ease: Values
    teacher: Values
    prior: Values


def one_list(entry: Entry, documents: int, options: RankingOptions, rng: np.random.Generator) -> Drawn:
    """Positives by gain, hard negatives from the list, random ones from outside it; either stands in for the other.

    Args:
        entry: the query.
        documents: how many the corpus has.
        options: how many of each.
        rng: what it is drawn by.
    """
    shares = entry.gains**options.gain_power
    wanted = min(options.positives, len(shares))
    kept = rng.choice(len(shares), size=wanted, replace=False, p=shares / shares.sum())
    positives = entry.positives.of(kept)
    order = rng.permutation(len(entry.negatives))
    hard = min(options.negatives - options.random_negatives, len(order))
    outside = _outside(entry.barred, documents, 0 if options.teacher else options.negatives - hard, rng)
    negatives = entry.negatives.of(order[: options.negatives - len(outside)])
    return Drawn(
        np.concatenate([positives.rows, negatives.rows, outside]),
        np.concatenate([entry.gains[kept], np.zeros(len(negatives) + len(outside))]),
        np.concatenate([positives.ease, negatives.ease, np.full(len(outside), entry.floor)]),
        np.concatenate([positives.teacher, negatives.teacher, np.zeros(len(outside))]),
        np.concatenate([positives.prior, negatives.prior, np.zeros(len(outside))]),
    )


def _outside(barred: Rows, documents: int, wanted: int, rng: np.random.Generator) -> Rows:
    """At most `wanted` different rows that are not barred; as many more are drawn as could fall out."""
    drawn = rng.choice(documents, size=min(documents, wanted + len(barred)), replace=False) if wanted else np.empty(0)
    found: Rows = np.setdiff1d(drawn, barred, assume_unique=True)[:wanted].astype(np.int64)
    return found


def _places(source: RankingSet, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Queries without replacement where all weigh alike, else with, for only so are draws proportional to weights."""
    weights = np.array([entry.weight for entry in source.entries])
    if np.ptp(weights) == 0:
        return rng.choice(len(source), size=min(count, len(source)), replace=False)
    return rng.choice(len(source), size=count, p=weights / weights.sum())
