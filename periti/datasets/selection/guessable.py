"""The adversarial filter over a pool's documents: labels that a text gives away without its question."""

from __future__ import annotations

from collections.abc import Mapping
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

    def stay(self, pool: Blocks, *, seed: int) -> Keep:
        """Which of the pool's n records stay, bool (n,); blank texts of `pool` mark records that are not looked at.

        Raises:
            InputError: a record has no label or no text column, or what `AdversarialFilter.run` raises.
        """
        labels: list[str] = []
        strata: list[str] = []
        vectors: list[NDArray[np.float32]] = []
        there: list[bool] = []
        blocks = (documents for documents in self.pool.documents() if documents.texts)
        for documents, texts in zip(blocks, pool(), strict=True):
            records = [
                (number, record, text)
                for number, (record, text) in enumerate(zip(documents.records, texts, strict=True), len(there) + 1)
                if text.strip()
            ]
            there += [bool(text.strip()) for text in texts]
            labels += [_cell(record, self.label, number) for number, record, _ in records]
            if self.stratum:
                strata += [_cell(record, self.stratum, number) for number, record, _ in records]
            if records:
                read = [_cell(record, self.text, number) if self.text else text for number, record, text in records]
                vectors.append(self.embed(read))
        if not vectors:
            raise InputError("the pool has no text; name a pool with at least one")
        features = np.concatenate(vectors).astype(np.float64)
        self.found = self.options.run(features, labels, seed=seed, strata=strata if self.stratum else None)
        stays = np.ones(len(there), dtype=bool)
        stays[np.array(there)] = self.found.keep
        return stays


def _cell(record: Mapping[str, object], name: str, number: int) -> str:
    if record.get(name) is None:
        raise InputError(f"record {number} has no {name!r}; it has {', '.join(record)}")
    return str(record[name])
