"""The seam of data selection: a selector learns what is wanted, its scorer values every document of a pool.

The vocabulary is that of Albalak et al. (2024), "A Survey on Data Selection for Language Models": a utility function
(the scorer) and a selection mechanism (the sampler, shared by all selectors).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""Values of n documents for t targets or criteria, (n, t); larger is more wanted."""
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors (n, d); handed in by who may import encoders."""
Blocks = Callable[[], Iterator[Sequence[str]]]
"""The texts of a pool in blocks, in order; may be asked for again."""

MATCHING, QUALITY, ADVERSARIAL, DIVERSIFICATION = "matching", "quality", "adversarial", "diversification"
FAMILIES = (MATCHING, QUALITY, ADVERSARIAL, DIVERSIFICATION)


@dataclass(frozen=True)
class Target:
    """Examples of what is wanted.

    Attributes:
        name: of the target, e.g. of its file.
        texts: the examples.
        share: of the chosen documents that it gets; None divides by size.
    """

    name: str
    texts: tuple[str, ...]
    share: float | None = None


@dataclass(frozen=True)
class Reason:
    """One thing that a document's score rests on.

    Attributes:
        what: an n-gram, a target example, a criterion.
        value: how much it adds to or explains of the score.
    """

    what: str
    value: float


class Scorer(Protocol):
    """A fitted utility function. Pure: the same text has the same score in whatever block it stands.

    It can be sent to other processes (no open files, no closures), since a pool is scored by all cores.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Of the t columns."""
        ...

    def score(self, texts: Sequence[str]) -> Scores:
        """Values of n texts, float64 (n, t), finite or -inf for what must not be chosen."""
        ...

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        """What the score of a text rests on, the strongest first."""
        ...


class Selector(Protocol):
    """A way to value documents: a frozen dataclass whose fields are its options, all with defaults.

    Attributes:
        family: distribution matching, quality, adversarial or diversification.
        needs_target: whether it must be given examples.
        needs_model: whether it embeds texts.
        cost_per_doc: rough microseconds of one core for a document of 100 words, to compare selectors by.
    """

    family: ClassVar[str]
    needs_target: ClassVar[bool]
    needs_model: ClassVar[bool]
    cost_per_doc: ClassVar[float]

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> Scorer:
        """Learn from the pool and the targets.

        Args:
            pool: its texts.
            targets: at least one where needs_target.
            seed: of anything drawn.

        Raises:
            InputError: an empty pool, no target where one is needed, or a target without a usable text.
        """
        ...
