"""What is done with each block of a pool: its texts counted, filtered, compared with tests, scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periti.datasets.selection.blocks import Block
from periti.datasets.selection.decontamination import Decontamination
from periti.datasets.selection.duplicates import digests
from periti.datasets.selection.parts import Part, row_type
from periti.datasets.selection.pool import Reader
from periti.datasets.selection.selector import Scorer
from periti.datasets.selection.stages import Filter
from periti.datasets.selection.tokens import count_tokens
from periti.errors import InputError

BLANK = "blank"


@dataclass(frozen=True)
class Scoring:
    """The work on a block; a picklable `Work`.

    Attributes:
        reader: of the pool.
        scorer: gives the scores.
        filters: take texts out before they are scored, in order.
        decontamination: takes texts out after that; None for none.
    """

    reader: Reader
    scorer: Scorer
    filters: tuple[Filter, ...] = ()
    decontamination: Decontamination | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a row may be taken out; row["out"] is 1 for the first."""
        tests = () if self.decontamination is None else self.decontamination.reasons
        return (BLANK, *(one.name for one in self.filters), *tests)

    def __call__(self, block: Block) -> Part:
        """The block's rows.

        Raises:
            FormatError: a record can not be read and shall not be passed over.
            InputError: a score is not a number.
        """
        documents = self.reader.read(block)
        texts = documents.texts
        rows = np.zeros(len(texts), row_type(len(self.scorer.names)))
        groups = tuple(dict.fromkeys(documents.groups))
        numbers = {group: number for number, group in enumerate(groups)}
        rows["group"] = [numbers[group] for group in documents.groups]
        rows["tokens"] = [count_tokens(text) for text in texts]
        rows["digest"] = digests(documents.keys)
        rows["out"][[not text.strip() for text in texts]] = 1
        for number, one in enumerate(self.filters, 2):
            stay = one.keep(texts)
            rows["out"][(rows["out"] == 0) & ~stay] = number
        if self.decontamination is not None:
            against = self.decontamination.found(documents.asked)
            found = (rows["out"] == 0) & (against >= 0)
            rows["out"][found] = against[found] + 2 + len(self.filters)
        rows["scores"] = -np.inf
        staying = np.flatnonzero(rows["out"] == 0).tolist()
        if staying:
            scores = self.scorer.score([texts[row] for row in staying])
            if np.isnan(scores).any() or np.isposinf(scores).any():
                raise InputError(
                    f"{block.path}: a document after {block.first} has a score that is not a number; "
                    "the selector is at fault, report it with the pool"
                )
            rows["scores"][staying] = scores
        return Part(rows, groups or ("",), tuple(documents.bad))
