"""Several collections: do systems differ over them, by their ranks within each (Friedman, Nemenyi)?

Here a collection is one observation, whatever its number of topics; it says nothing about any single collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from periti.errors import InputError
from periti.evaluation.significance.distributions import (
    SMALLEST,
    chi_square_upper,
    f_upper,
    studentized_range_critical,
    studentized_range_upper,
)
from periti.evaluation.significance.grid import Values


@dataclass(frozen=True)
class OverCollections:
    """Friedman's test over collections and Nemenyi's comparison of all pairs.

    Args:
        measure: what the means are of.
        collections: the observations.
        systems: sorted by mean rank, best first.
        mean_ranks: of each system; 1 is best, ties are averaged.
        chi_square, p: Friedman's statistic, corrected for ties, and its p.
        f, f_p: Iman and Davenport's less conservative F and its p.
        pairs: (better, worse) to Nemenyi's p, which holds for all pairs at once.
        critical_difference: of mean ranks at alpha.
        alpha: level of the critical difference.
    """

    measure: str
    collections: tuple[str, ...]
    systems: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    chi_square: float
    p: float
    f: float
    f_p: float
    pairs: Mapping[tuple[str, str], float]
    critical_difference: float
    alpha: float


def friedman(
    means: Values, measure: str, collections: Sequence[str], systems: Sequence[str], alpha: float
) -> OverCollections:
    """Friedman's test and Nemenyi's comparisons; source: Demsar, JMLR 2006.

    Args:
        means: float64 (collections, systems), higher is better.
        measure: what they are means of.
        collections: names of the rows.
        systems: names of the columns.
        alpha: level of the critical difference.

    Raises:
        InputError: fewer than two collections or systems.
    """
    rows, columns = means.shape
    if rows < 2 or columns < 2:
        raise InputError(
            f"Friedman's test over {rows} collections and {columns} systems; it needs two of each at least"
        )
    ranks = _ranks_within(-means)
    mean_ranks = ranks.mean(axis=0)
    spread = float(((mean_ranks - (columns + 1) / 2.0) ** 2).sum())
    within = float(((ranks - (columns + 1) / 2.0) ** 2).sum()) / rows / (columns - 1)
    chi = rows * spread / within if within > 0 else 0.0
    rest = rows * (columns - 1) - chi
    f = (rows - 1) * chi / rest if rest > 1e-9 * rows else float("inf")
    f_p = f_upper(f, (columns - 1, (columns - 1) * (rows - 1))) if np.isfinite(f) else SMALLEST
    unit = float(np.sqrt(columns * (columns + 1) / (12.0 * rows)))
    order = sorted(range(columns), key=lambda column: (mean_ranks[column], systems[column]))
    first, second = np.triu_indices(columns, 1)
    placed = mean_ranks[order]
    p = studentized_range_upper(np.abs(placed[first] - placed[second]) / unit, columns, float("inf"))
    names = tuple(systems[column] for column in order)
    return OverCollections(
        measure=measure,
        collections=tuple(collections),
        systems=names,
        mean_ranks=tuple(placed.tolist()),
        chi_square=chi,
        p=chi_square_upper(chi, columns - 1),
        f=f,
        f_p=f_p,
        pairs={(names[a], names[b]): float(value) for a, b, value in zip(first, second, p, strict=True)},
        critical_difference=studentized_range_critical(alpha, columns, float("inf")) * unit,
        alpha=alpha,
    )


def _ranks_within(values: Values) -> Values:
    """Ranks from 1 within each row, ties averaged."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks: Values = below + (equal + 1) / 2.0
    return ranks
