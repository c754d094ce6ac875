"""The adversarial filter over a pool's documents: labels that a text gives away without its question."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.aflite import AdversarialFilter, Filtered
from periti.datasets.selection.pool import Pool
from periti.datasets.selection.selector import Blocks, Embed
from periti.datasets.selection.stages import Keep
from periti.errors import InputError


@dataclass
class GuessableStage:
    """Takes out records whose label is guessed from a text's vector. Memory: vectors of the pool, 8 d bytes a record.

    Attributes:
        embed: texts to vectors; must not have been trained on these labels.
        pool: whose records have the labels.
        label: their column.
        text: column that must not give the label away; empty for the whole text. Of judged pairs, "document".
        stratum: column of groups for the report; empty for the labels.
        options: of the filter.
        found: the result, once `stay` was asked.
    """

    embed: Embed
    pool: Pool
    label: str
    text: str = ""
    stratum: str = ""
    options: AdversarialFilter = field(default_factory=AdversarialFilter)
    found: Filtered | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it takes out, and, once it has, how it went."""
        if self.found is None:
            return "guessed by an adversary"
        first, last = self.found.rounds[0], self.found.rounds[-1]
        strata = "; ".join(f"{one.name}: {one.removed:,} of {one.before:,}" for one in self.found.strata)
        return (
            f"guessed by an adversary (accuracy {first.accuracy:.3f} to {last.accuracy:.3f}, chance {last.chance:.3f}, "
            f"in {len(self.found.rounds)} rounds until {self.found.stopped}; {strata})"
        )

    def stay(self, pool: Blocks, *, seed: int) -> Keep:  # noqa: ARG002 - the records are needed, and it has them
        """Which of the pool's n records stay, bool (n,).

        Raises:
            InputError: a record has no label or no text column, or what `AdversarialFilter.run` raises.
        """
        labels: list[str] = []
        strata: list[str] = []
        vectors: list[NDArray[np.float32]] = []
        for documents in self.pool.documents():
            if not documents.texts:
                continue
            labels += self._column(self.label, documents.records, len(labels))
            if self.stratum:
                strata += self._column(self.stratum, documents.records, len(strata))
            texts = self._column(self.text, documents.records, len(labels)) if self.text else documents.texts
            vectors.append(self.embed(texts))
        if not vectors:
            raise InputError("the pool has no text; name a pool with at least one")
        features = np.concatenate(vectors).astype(np.float64)
        self.found = self.options.run(features, labels, seed=seed, strata=strata if self.stratum else None)
        return self.found.keep

    @staticmethod
    def _column(name: str, records: list[dict[str, object]], before: int) -> list[str]:
        for number, record in enumerate(records, before + 1):
            if record.get(name) is None:
                raise InputError(f"record {number} has no {name!r}; it has {', '.join(record)}")
        return [str(record[name]) for record in records]
