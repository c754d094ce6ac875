"""Which expert serves each collection of a panel, and how few experts would do (COMET's assignment search)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.panels.config import BASE
from periti.retrievers.diagnosis.assignment import Assignment, assign
from periti.retrievers.routing.similarity import unit
from periti.retrievers.routing.table import UtilityTable

Floats = NDArray[np.float64]
MOST = 2000
"""Sets of experts that are tried; more are refused."""


@dataclass(frozen=True)
class AssignmentOptions:
    """What is asked of an assignment.

    Attributes:
        into: experts that may be used besides the base, which is always there; None for all of them.
        most: collections that an expert may serve; None for any number.
        affinity: what two collections gain by sharing an expert, in units of utility at cosine 1 of their mean queries.
        restarts: random starts of every search besides the greedy one.
        seed: of the starts and of the halves.
    """

    into: int | None = None
    most: int | None = None
    affinity: float = 0.0
    restarts: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Served:
    """One collection: who serves it, and mean utilities on its held-out train queries."""

    collection: str
    expert: str
    utility: float
    base: float | None
    home: str | None
    at_home: float | None
    best: float


@dataclass(frozen=True)
class Assigned:
    """The assignment of a panel.

    Attributes:
        served: one row a collection.
        experts: those that serve any, in the panel's order.
        greedy: mean utility of the greedy start, affinity included.
        value: of the assignment, affinity included.
        across: mean utility over collections where one half of the queries chose and the other judged, both ways.
        base_across: of the base on the same.
    """

    served: tuple[Served, ...]
    experts: tuple[str, ...]
    greedy: float
    value: float
    across: float
    base_across: float | None


def assign_collections(table: UtilityTable, options: AssignmentOptions) -> Assigned:
    """Give every collection of a utility table an expert, so that the mean over collections is largest.

    Raises:
        InputError: more experts asked than there are, no room for all collections, too many sets of experts to try, or
            a collection with one query only, which can not be halved.
    """
    names = sorted(set(table.datasets))
    means, halves = _means(table, names, options.seed)
    bonds = _affinity(table, names, options.affinity)
    base = table.experts.index(BASE) if BASE in table.experts else None
    best, columns = _search(means, bonds, base, options)
    at = [columns[number] for number in best.experts]
    served = []
    for row, name in enumerate(names):
        home = table.homes.get(name)
        served.append(
            Served(
                collection=name,
                expert=table.experts[at[row]],
                utility=float(means[row, at[row]]),
                base=None if base is None else float(means[row, base]),
                home=home,
                at_home=float(means[row, table.experts.index(home)]) if home else None,
                best=float(means[row].max()),
            )
        )
    across = float(np.mean([_judged(halves[i], halves[1 - i], bonds, base, options) for i in (0, 1)]))
    return Assigned(
        tuple(served),
        tuple(table.experts[column] for column in sorted(set(at))),
        best.greedy / len(names),
        best.value / len(names),
        across,
        None if base is None else float(np.mean([half[:, base].mean() for half in halves])),
    )


def _means(table: UtilityTable, names: list[str], seed: int) -> tuple[Floats, tuple[Floats, Floats]]:
    """Mean utilities (D, E) of all queries, and of two random halves of every collection's."""
    rng = np.random.default_rng(seed)
    datasets = np.array(table.datasets)
    whole: list[Floats] = []
    halves: tuple[list[Floats], list[Floats]] = ([], [])
    for name in names:
        rows = rng.permutation(np.flatnonzero(datasets == name))
        if len(rows) < 2:
            raise InputError(f"collection {name!r} has one held-out query, which can not be halved; give it more")
        whole.append(table.utilities[rows].mean(axis=0))
        for half, part in zip(halves, (rows[::2], rows[1::2]), strict=True):
            half.append(table.utilities[part].mean(axis=0))
    return np.stack(whole), (np.stack(halves[0]), np.stack(halves[1]))


def _affinity(table: UtilityTable, names: list[str], weight: float) -> Floats | None:
    if not weight:
        return None
    datasets = np.array(table.datasets)
    centres = unit(np.stack([table.vectors[datasets == name].mean(axis=0) for name in names]))
    bonds: Floats = weight * (centres @ centres.T)
    return (bonds + bonds.T) / 2


def _search(
    means: Floats, bonds: Floats | None, base: int | None, options: AssignmentOptions
) -> tuple[Assignment, list[int]]:
    """The best assignment over every set of as many experts as asked, and the columns of that set."""
    trained = [column for column in range(means.shape[1]) if column != base]
    into = len(trained) if options.into is None else options.into
    if not 1 <= into <= len(trained):
        raise InputError(f"into is {into}, the panel has {len(trained)} trained experts; give a number from 1 to that")
    if comb(len(trained), into) > MOST:
        raise InputError(
            f"{into} of {len(trained)} experts make {comb(len(trained), into):,} sets, {MOST:,} are tried; ask fewer"
        )
    always = [] if base is None else [base]
    sets = [sorted([*always, *kept]) for kept in combinations(trained, into)]
    searched = [
        assign(means[:, columns], bonds, options.most, restarts=options.restarts, seed=options.seed) for columns in sets
    ]
    best = max(range(len(sets)), key=lambda number: searched[number].value)
    return searched[best], sets[best]


def _judged(
    chooses: Floats, judges: Floats, bonds: Floats | None, base: int | None, options: AssignmentOptions
) -> float:
    found, columns = _search(chooses, bonds, base, options)
    return float(np.mean([judges[row, columns[number]] for row, number in enumerate(found.experts)]))
