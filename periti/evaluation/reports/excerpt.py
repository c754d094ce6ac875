"""Which of many comparisons are drawn and listed; whoever leaves some out says so."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from periti.evaluation.significance.results import Comparison, ComparisonTable

DRAWN = 45
"""Comparisons that a picture takes with a row each."""
LISTED = 300
"""Comparisons that a table on a page takes."""


@dataclass(frozen=True)
class Excerpt:
    """Some comparisons of a table.

    Args:
        comparisons: in the order of the table.
        sentence: which ones they are, and where the rest is.
    """

    comparisons: tuple[Comparison, ...]
    sentence: str


def drawn(table: ComparisonTable) -> Excerpt:
    """All comparisons if they fit a picture, else those with the best system, at most `DRAWN`."""
    everything = table.comparisons
    if len(everything) <= DRAWN:
        return Excerpt(everything, _whole(everything))
    best = table.standings[0].system
    chosen = tuple(c for c in everything if best in (c.a, c.b)) or everything
    rest = "the heat map and --json or --parquet have the others"
    if len(chosen) == len(everything):
        return Excerpt(chosen[:DRAWN], f"The first {DRAWN} of {len(everything)} comparisons; {rest}.")
    if len(chosen) <= DRAWN:
        return Excerpt(chosen, f"{len(chosen)} of {len(everything)} comparisons, those with the best mean; {rest}.")
    sentence = f"{DRAWN} of {len(everything):,} comparisons: the best mean with the next {DRAWN}; {rest}."
    return Excerpt(chosen[:DRAWN], sentence)


def listed(table: ComparisonTable) -> Excerpt:
    """All comparisons if they fit a table, else those with the best system and those of neighbours by mean."""
    everything = table.comparisons
    if len(everything) <= LISTED:
        return Excerpt(everything, _whole(everything))
    order = [standing.system for standing in table.standings]
    wanted = {frozenset(pair) for pair in pairwise(order)}
    chosen = tuple(c for c in everything if order[0] in (c.a, c.b) or frozenset((c.a, c.b)) in wanted)
    sentence = (
        f"{len(chosen)} of {len(everything):,} comparisons: those with the best mean, and those of neighbours in the "
        "table above; the heat map shows all, and --json or --parquet have their numbers."
    )
    return Excerpt(chosen, sentence)


def _whole(comparisons: tuple[Comparison, ...]) -> str:
    return "The only comparison." if len(comparisons) == 1 else f"All {len(comparisons)} comparisons."
