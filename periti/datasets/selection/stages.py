"""What takes documents out before any is chosen: filters that look at one text, stages that look at the whole pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.selector import Blocks

Keep = NDArray[np.bool_]


@runtime_checkable
class Filter(Protocol):
    """Judges one text at a time: length, language. Pure, and it can be sent to other processes."""

    @property
    def name(self) -> str:
        """What it takes out, for the report: "shorter than 5 words"."""
        ...

    def keep(self, texts: Sequence[str]) -> Keep:
        """Which of n texts stay, bool (n,)."""
        ...


@runtime_checkable
class Stage(Protocol):
    """Judges documents against each other: near-duplicates. Runs once over the pool, before anything is scored."""

    @property
    def name(self) -> str:
        """What it takes out, for the report: "near-duplicates"."""
        ...

    def stay(self, pool: Blocks, *, seed: int) -> Keep:
        """Which of the pool's n texts stay, bool (n,) in its order; of a group of like texts the first stays.

        Texts that were taken out before come as blank ones: they are like nothing.
        """
        ...
