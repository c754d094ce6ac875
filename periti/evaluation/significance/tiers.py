"""Places with tied groups instead of a bare winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a system stands.

    Args:
        system: its name.
        best: 1 + systems that are significantly better.
        worst: number of systems less those that are significantly worse.
        groups: letters of the tied groups it belongs to; two systems without a common letter are set apart by a
            significant difference between them or between two systems that stand between them.
    """

    system: str
    best: int
    worst: int
    groups: str


def places(ordered: Sequence[str], significant: Mapping[tuple[str, str], bool]) -> tuple[Place, ...]:
    """The place of every system.

    A tied group is a longest stretch of neighbours in which no pair differs significantly.

    Args:
        ordered: systems by mean, best first.
        significant: (better, worse) to whether they differ, for all pairs.
    """
    count = len(ordered)
    reach = [_reach(ordered, significant, start) for start in range(count)]
    # A stretch that ends where an earlier one does lies inside it.
    stretches = [(start, end) for start, end in enumerate(reach) if start == 0 or end > reach[start - 1]]
    found = []
    for place, system in enumerate(ordered):
        better = sum(significant[other, system] for other in ordered[:place])
        worse = sum(significant[system, other] for other in ordered[place + 1 :])
        letters = [_letter(number) for number, (start, end) in enumerate(stretches) if start <= place < end]
        found.append(Place(system, 1 + better, count - worse, " ".join(letters)))
    return tuple(found)


def _reach(ordered: Sequence[str], significant: Mapping[tuple[str, str], bool], start: int) -> int:
    """One past the last system that can join the stretch from `start` with no significant pair inside."""
    end = start + 1
    while end < len(ordered) and not any(significant[ordered[i], ordered[end]] for i in range(start, end)):
        end += 1
    return end


def _letter(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
