"""A second walk through the pool that brings the chosen records, and the one that is to be explained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.blocks import Record
from periti.datasets.selection.chosen import PAIR_COLUMNS, free_name
from periti.datasets.selection.outcome import Outcome
from periti.datasets.selection.pool import Documents, Pool
from periti.datasets.selection.report import Explained
from periti.datasets.selection.sampler import Sample
from periti.errors import InputError

BEST_FIRST, BEST_LAST = "best-first", "best-last"
WEIGHTS_BETWEEN = 2.0
"""Standard deviations of the chosen scores at which weights are cut: the largest is e^4 times the smallest at most."""


@dataclass(frozen=True)
class Written:
    """Columns written beside the pool's own.

    Files of pairs hold what training reads and nothing else, so they have neither `score` nor `target`.

    Attributes:
        weight: whether to write `weight`, e^z of the score among the chosen ones, z cut at -2 and 2.
        order: "best-first" or "best-last" to write `order`, by which training goes from small to large; "" for none.
    """

    weight: bool = False
    order: str = ""

    def __post_init__(self) -> None:
        if self.order not in ("", BEST_FIRST, BEST_LAST):
            raise InputError(f"the order is {self.order!r}; give {BEST_FIRST} or {BEST_LAST}")


@dataclass
class Gathering:
    """One walk.

    Attributes:
        pool: to walk through.
        outcome: of its rows.
        sample: what was chosen.
        written: what is written of it.
        explain: id or "#" and row of a document, or "".
        seen: told of the texts that were chosen, a block at a time.
        explained: why it was chosen or not, after the walk.
        dropped: columns of a pool of pairs that are not written.
    """

    pool: Pool
    outcome: Outcome
    sample: Sample
    written: Written
    explain: str = ""
    seen: Callable[[list[str]], None] | None = None
    explained: Explained | None = None
    dropped: dict[str, None] = field(default_factory=dict)

    def records(self) -> Iterator[Record]:
        """The chosen records in the pool's order, with what is written beside.

        Raises:
            InputError: nothing has the id that is to be explained, or the pool has a column of ours.
        """
        center, spread = self._center() if self.written.weight else (0.0, 1.0)
        for first, documents, rows in self._blocks():
            chooser = self._chooser(first, len(rows))
            values = self._values(rows["scores"], chooser)
            chosen = np.flatnonzero(chooser >= 0).tolist()
            if self.seen is not None and chosen:
                self.seen([documents.texts[number] for number in chosen])
            for number in chosen:
                z = (float(values[number]) - center) / spread
                target = self.sample.columns[chooser[number]]
                yield self._record(documents.records[number], float(values[number]), target, z)
            if self.explain and self.explained is None:
                self._look_for(first, documents, rows, chooser)
        if self.explain and self.explained is None:
            named = f"in column {self.pool.reader.columns.id!r}" if self.pool.reader.columns.id else "(it has no ids)"
            raise InputError(f"no document of the pool has the id {self.explain!r} {named}; a row is named #1, #2, ...")

    def _blocks(self) -> Iterator[tuple[int, Documents, NDArray[np.void]]]:
        """First row, documents and rows of blocks that hold a chosen document, or the one to explain."""
        first = 0
        reader = replace(self.pool.reader, skip_bad=True)
        for number, (block, size) in enumerate(zip(self.pool.blocks(), self.outcome.sizes, strict=True)):
            wanted = bool(self.explain) and self.explained is None
            if wanted or (self._chooser(first, size) >= 0).any():
                yield first, reader.read(block), self.outcome.work.read(number).rows
            first += size

    def _chooser(self, first: int, size: int) -> NDArray[np.int64]:
        before = first % 8
        return self.sample.chooser(first - before, before + size)[before:]

    def _values(self, scores: NDArray[np.float64], chooser: NDArray[np.int64]) -> NDArray[np.float64]:
        """The score by which each row was chosen: of its target, or the sum of standardised criteria."""
        if scores.shape[1] == 1:
            return scores[:, 0]
        if len(self.sample.marks) == scores.shape[1]:
            return scores[np.arange(len(scores)), np.maximum(chooser, 0)]
        mean, spread = self.sample.moments.T
        total: NDArray[np.float64] = ((scores - mean) / np.where(spread > 0, spread, 1.0)).sum(axis=1)
        return total

    def _center(self) -> tuple[float, float]:
        """Mean and standard deviation of the chosen scores."""
        found: list[float] = []
        first = 0
        for number, size in enumerate(self.outcome.sizes):
            chooser = self._chooser(first, size)
            if (chooser >= 0).any():
                values = self._values(self.outcome.work.read(number).rows["scores"], chooser)[chooser >= 0]
                found += [float(values.sum()), float((values**2).sum()), float(len(values))]
            first += size
        total, squares, count = (math.fsum(found[place::3]) for place in range(3))
        mean = total / count
        return mean, math.sqrt(max(squares / count - mean**2, 0.0)) or 1.0

    def _record(self, record: Record, value: float, target: str, z: float) -> Record:
        ours: Record = {}
        if self.written.weight:
            ours["weight"] = math.exp(min(max(z, -WEIGHTS_BETWEEN), WEIGHTS_BETWEEN))
        if self.written.order:
            ours["order"] = -value if self.written.order == BEST_FIRST else value
        if self.pool.reader.columns.pairs:
            self.dropped.update(dict.fromkeys(name for name in record if name not in PAIR_COLUMNS))
            # What is computed takes the place of what the pool says.
            return {name: value for name, value in record.items() if name in PAIR_COLUMNS} | ours
        ours["score"] = value
        if len(self.sample.columns) > 1:
            ours["target"] = target
        return record | {free_name(name, record): value for name, value in ours.items()}

    def _look_for(self, first: int, documents: Documents, rows: NDArray[np.void], chooser: NDArray[np.int64]) -> None:
        for number, name in enumerate(documents.ids):
            if self.explain not in (name, f"#{first + number + 1}") or not self.explain:
                continue
            fate = self.outcome.fate(first + number, int(rows["out"][number]))
            if not fate:
                fate = "chosen" if chooser[number] >= 0 else "not chosen"
                if chooser[number] >= 0 and len(self.sample.columns) > 1:
                    fate += f" for {self.sample.columns[chooser[number]]}"
            else:
                fate = f"taken out: {fate}"
            scorer, text = self.outcome.scoring.scorer, documents.texts[number]
            scores = dict(zip(scorer.names, scorer.score([text])[0].tolist(), strict=True))
            self.explained = Explained(self.explain, fate, scores, scorer.explain(text))
            return
