"""AFLite: take out items whose label a linear model guesses from features that should not tell it.

Sakaguchi et al. (2020), "WinoGrande: An adversarial Winograd schema challenge at scale" (AAAI); Le Bras et al. (2020),
"Adversarial filters of dataset biases" (ICML). The features come from elsewhere and must not have been fitted on the
items. Two changes: it stops when the adversary is down to chance, and no slice is larger than what leads there, since
going on takes out items that are guessed by luck and turns the artefact around (the adversary falls below chance); and
of items equally well guessed those with the larger margin go first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.adversary import Adversary, Features, Guesses, standardised
from periti.errors import ConfigError, InputError

AT_CHANCE = "the adversary guesses no better than chance"
NOTHING_LEFT = "fewer items than a slice were guessed reliably"
SMALLEST = "the smallest size was reached"


@dataclass(frozen=True)
class Round:
    """One round, before anything of it is removed.

    Attributes:
        size: items.
        accuracy: of the adversary on items it had not seen.
        chance: share of the largest class.
        removed: items that go.
    """

    size: int
    accuracy: float
    chance: float
    removed: int


@dataclass(frozen=True)
class Stratum:
    """What became of a group of items.

    Attributes:
        name: of the group.
        before, removed: items.
    """

    name: str
    before: int
    removed: int


@dataclass(frozen=True)
class Filtered:
    """What stays.

    Attributes:
        keep: which items, bool (n,).
        rounds: in order; the last removes nothing.
        stopped: why it ended.
        strata: groups in the order of their names.
    """

    keep: NDArray[np.bool_]
    rounds: tuple[Round, ...]
    stopped: str
    strata: tuple[Stratum, ...]


@dataclass(frozen=True)
class AdversarialFilter:
    """Options of the filter.

    Attributes:
        partitions: random parts in a round; WinoGrande has 64.
        share: of the items that an adversary learns from; of 0.2 (HyKAS) or 0.25 (WinoGrande) it learns so little that
            it is down to chance while a better one is not.
        threshold: predictability from which an item may go; WinoGrande has 0.75.
        slice: share of the first round's items that go in a round, at most; 0.02 in HyKAS.
        smallest: items that must stay.
        ridge: penalty of the adversary, times the items it learns from.
        to_chance: stop at chance; False goes on as published.
    """

    partitions: int = 64
    share: float = 0.5
    threshold: float = 0.75
    slice: float = 0.02
    smallest: int = 0
    ridge: float = 0.1
    to_chance: bool = True

    def __post_init__(self) -> None:
        if self.partitions < 1 or self.smallest < 0 or not self.ridge >= 0:
            raise ConfigError(
                f"adversarial filter: {self.partitions} partitions, smallest {self.smallest}, ridge {self.ridge}; they "
                "must be at least 1, 0 and 0"
            )
        for name in ("share", "threshold", "slice"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"adversarial filter: {name} is {getattr(self, name)}; it must be between 0 and 1")

    def run(
        self, features: Features, labels: Sequence[str], *, seed: int, strata: Sequence[str] | None = None
    ) -> Filtered:
        """Filter items until their labels can not be guessed.

        Args:
            features: (n, d).
            labels: n of at least two classes.
            seed: of the partitions.
            strata: group of each item for the report; the labels by default.

        Raises:
            InputError: lengths differ, fewer than 10 items, one class only, or a feature that is not finite.
        """
        names, classes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        _check(features, len(labels), len(names), strata)
        adversary, rng = Adversary(self.partitions, self.share, self.ridge), np.random.default_rng(seed)
        scaled = standardised(np.asarray(features, dtype=np.float64))
        most = max(1, round(self.slice * len(labels)))
        kept = np.arange(len(labels))
        rounds: list[Round] = []
        while True:
            guesses = adversary.guess(scaled[kept], classes[kept], rng)
            chance = float(np.bincount(classes[kept]).max() / len(kept))
            gone, stopped = self._slice(guesses, chance, min(most, len(kept) - max(self.smallest, 10)), most)
            rounds.append(Round(len(kept), guesses.accuracy, chance, 0 if stopped else len(gone)))
            if stopped:
                break
            kept = np.delete(kept, gone)
        keep = np.zeros(len(labels), dtype=bool)
        keep[kept] = True
        return Filtered(keep, tuple(rounds), stopped, _by_stratum(labels if strata is None else strata, keep))

    def _slice(self, guesses: Guesses, chance: float, room: int, most: int) -> tuple[NDArray[np.intp], str]:
        """Items to remove next, and why to stop instead (empty to go on)."""
        none = np.zeros(0, dtype=np.intp)
        count = len(guesses.correct)
        if self.to_chance and guesses.accuracy <= chance + np.sqrt(chance * (1 - chance) / count):
            return none, AT_CHANCE
        if room < 1:
            return none, SMALLEST
        sure = guesses.predictability >= self.threshold
        order = np.lexsort((-guesses.margins, -guesses.predictability))
        order = order[sure[order]]
        if len(order) < most:
            return none, NOTHING_LEFT
        order = order[:room]
        if not self.to_chance:
            return order, ""
        # (accuracy n - predictability r) / (n - r) = chance, solved for r: what is left is guessed by chance.
        surplus = float(guesses.predictability[order].mean()) - chance
        enough = int(np.ceil(count * (guesses.accuracy - chance) / surplus)) if surplus > 0 else room
        return order[: max(1, enough)], ""


def _check(features: Features, count: int, classes: int, strata: Sequence[str] | None) -> None:
    if features.ndim != 2 or len(features) != count or (strata is not None and len(strata) != count):
        groups = "" if strata is None else f", {len(strata)} strata"
        raise InputError(f"features {features.shape}, {count} labels{groups}; give one row, label and stratum an item")
    if count < 10:
        raise InputError(f"the adversarial filter has {count} items; give at least 10")
    if classes < 2:
        raise InputError("all items have one label; there is nothing to guess, so give items of at least two labels")
    if not np.isfinite(features).all():
        raise InputError("a feature is not a finite number; leave out the item or mend its features")


def _by_stratum(strata: Sequence[str], keep: NDArray[np.bool_]) -> tuple[Stratum, ...]:
    names, numbers = np.unique(np.asarray(strata, dtype=str), return_inverse=True)
    before, removed = np.bincount(numbers, minlength=len(names)), np.bincount(numbers[~keep], minlength=len(names))
    return tuple(
        Stratum(str(name), int(all_), int(gone)) for name, all_, gone in zip(names, before, removed, strict=True)
    )
