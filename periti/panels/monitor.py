"""Do queries drift away from what a panel knows, and which expert do the drifting ones call for (TAME)?

The signal is the largest pilot similarity of a query. Collections differ in it (short queries are near to nothing), so
it is standardised by the queries that the nearest pilot's collection usually brings: a stream in which one known
collection becomes more frequent is no drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.panels.held_out import folds, router_of, seen_by_router
from periti.panels.panel import Panel
from periti.protocols import Vectors
from periti.retrievers.diagnosis.drift import DriftMonitor, DriftOptions, Reading
from periti.retrievers.diagnosis.proposals import Proposal, propose
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.similarity import dots
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries

Values = NDArray[np.float64]

UNLIKE = 0.25
"""Of the queries since the alarm's beginning, those below this quantile of the reference are taken for new."""
_FEW = 20
"""Queries that fix a collection's usual similarity; with fewer it has that of all."""


@dataclass(frozen=True)
class Familiarity:
    """How near queries are to what the router knows, in standard deviations of what their collection usually is.

    Attributes:
        pilots: of the utility table.
        usual: collection -> mean and standard deviation of the largest pilot similarity.
        reference: float64 (n,), of the table's own queries, each by pilots made without it.
    """

    pilots: Pilots
    usual: Mapping[str, tuple[float, float]]
    reference: Values

    @classmethod
    def fit(cls, table: UtilityTable) -> Familiarity:
        """The familiarity of a utility table's queries."""
        raw, names = np.empty(len(table)), np.empty(len(table), object)
        for mine in folds(len(table)):
            raw[mine], names[mine] = _nearest(Pilots.fit(table.restricted(~mine)), table.vectors[mine])
        usual = {}
        for name in sorted(set(table.datasets)):
            own = raw[names == name] if (names == name).sum() >= _FEW else raw
            usual[name] = (float(own.mean()), max(float(own.std()), 1e-9))
        return cls(Pilots.fit(table), usual, _standard(raw, names, usual))

    def of(self, vectors: Vectors) -> Values:
        """Float64 (n,) of base vectors float32 (n, d) of length one; below 0 is less familiar than usual."""
        return _standard(*_nearest(self.pilots, vectors), self.usual)


def _nearest(pilots: Pilots, vectors: Vectors) -> tuple[Values, NDArray[np.object_]]:
    """The largest pilot similarity of every vector, and the collection of that pilot."""
    similarity = dots(vectors, pilots.vectors)
    names = np.array(pilots.datasets, object)
    return similarity.max(axis=1), names[similarity.argmax(axis=1)]


def _standard(raw: Values, names: NDArray[np.object_], usual: Mapping[str, tuple[float, float]]) -> Values:
    mean, deviation = np.array([usual[name] for name in names]).reshape(-1, 2).T
    standard: Values = (raw - mean) / deviation
    return standard


@dataclass(frozen=True)
class Called:
    """An expert that drifting queries call for.

    Attributes:
        proposal: its queries; members are row numbers among the drifting ones.
        medoids: query ids of the most typical ones.
        nearest: the expert that the router gives to the cluster's centroid.
        similarity: of the centroid to the nearest pilot, a cosine.
    """

    proposal: Proposal
    medoids: tuple[str, ...]
    nearest: str
    similarity: float


@dataclass(frozen=True)
class Watched:
    """What a monitor saw of a stream.

    Attributes:
        reference: how many queries it was fitted to.
        windows: the reading at the end of every window; the last may be shorter.
        alarm: the first reading with an alarm, None without one.
        drifting: how many queries since the drift began are unlike what the router knows.
        experts: those that they call for, largest first.
    """

    reference: int
    windows: tuple[Reading, ...]
    alarm: Reading | None
    drifting: int
    experts: tuple[Called, ...]


def watch(panel: Panel, table: UtilityTable, queries: Queries, options: DriftOptions, seed: int) -> Watched:
    """Read a stream in its order.

    Args:
        panel: gives the base encoder and the router.
        table: utilities of the queries that the router knows.
        queries: the stream.
        options: of the monitor.
        seed: of the clusters.

    Raises:
        InputError: the table has fewer than 200 queries, or an option is out of range.
    """
    known = Familiarity.fit(table)
    monitor = DriftMonitor(known.reference, options=options)
    vectors = seen_by_router(panel, queries.texts)
    values = known.of(vectors)
    readings = [monitor.observe(float(value)) for value in values]
    last = len(readings) - 1
    windows = tuple(one for i, one in enumerate(readings) if (i + 1) % options.window == 0 or i == last)
    alarm = next((one for one in readings if one.drifted), None)
    if alarm is None or alarm.since is None:
        return Watched(len(table), windows, None, 0, ())
    new = np.flatnonzero(values < np.quantile(known.reference, UNLIKE))
    new = new[new >= alarm.since - 1]
    texts, ids = [queries.texts[i] for i in new], [queries.ids[i] for i in new]
    scorer = router_of(panel)(table)
    experts = []
    for one in propose(texts, vectors[new], table.texts, seed):
        centroid = one.centroid.astype(np.float32)[None]
        best = int(scorer.scores(centroid, [" ".join(one.terms)])[0].argmax())
        medoids = tuple(ids[member] for member in one.members[: len(one.examples)])
        experts.append(Called(one, medoids, scorer.experts[best], float(_nearest(known.pilots, centroid)[0][0])))
    return Watched(len(table), windows, alarm, len(new), tuple(experts))
