"""When to trust a router: a threshold found on held-out train queries, some of which play strangers.

A threshold calibrated on the table's own collections alone would never learn what an unseen query looks like. So every
collection in turn is taken for unseen: its rows and its expert leave the table, the router is fitted to the rest, and
its scores for those rows show how it judges strangers. The rows also count as what they are, scored by routers fitted
to the other folds of the whole table. Nothing of any test split is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.retrievers.policies.threshold import calibrated
from periti.retrievers.routing.base import Scorer
from periti.retrievers.routing.table import UtilityTable

FOLDS = 5


def threshold_of(fit: Callable[[UtilityTable], Scorer], table: UtilityTable, *, fallback: int = 0) -> float | None:
    """The score that a router's best expert must reach; None where trusting always is as good.

    Args:
        fit: makes the router of a table.
        table: utilities of held-out train queries.
        fallback: column of the generalist.
    """
    held_out = [_scored(one.scorer, table, one.rows, fallback) for one in held_out_scorers(fit, table, fallback)]
    top, gain = (np.concatenate(part) for part in zip(*held_out, strict=True))
    # Two columns are enough for the choice between the router's expert and the fall-back, whatever columns there were.
    found = calibrated(
        np.column_stack([np.full(len(top), -np.inf), top]).astype(np.float32),
        np.column_stack([np.zeros(len(gain)), gain]),
        0,
    )
    return None if found == -np.inf else found


@dataclass(frozen=True)
class HeldOut:
    """A router, and rows of the table that it was not fitted on.

    Attributes:
        scorer: the router.
        rows: bool (n,), rows of the table.
        strangers: whether neither their collection nor its expert is known to the router.
    """

    scorer: Scorer
    rows: NDArray[np.bool_]
    strangers: bool


def held_out_scorers(
    fit: Callable[[UtilityTable], Scorer], table: UtilityTable, fallback: int = 0
) -> Iterator[HeldOut]:
    """Every row once at home, in folds of the whole table, and once as a stranger, collection by collection."""
    folds, names = np.arange(len(table)) % FOLDS, np.array(table.datasets)
    for fold in range(FOLDS):
        mine = folds == fold
        yield HeldOut(fit(table.restricted(~mine)), mine, strangers=False)
    for dataset in sorted(set(table.datasets)):
        mine = names == dataset
        if mine.all():
            continue
        rest, home = table.restricted(~mine), table.homes.get(dataset)
        if home in rest.experts and home != table.experts[fallback]:
            rest = rest.without_expert(home)
        if len(rest.experts) > 1:
            yield HeldOut(fit(rest), mine, strangers=True)


def _scored(
    scorer: Scorer, table: UtilityTable, mine: NDArray[np.bool_], fallback: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The best score of every row of `mine`, and what its expert gains over the fall-back there."""
    texts = [text for text, own in zip(table.texts, mine, strict=True) if own]
    scores = scorer.scores(table.vectors[mine], texts)
    columns = np.array([table.experts.index(name) for name in scorer.experts])
    utilities = table.utilities[mine]
    reached = utilities[np.arange(len(utilities)), columns[scores.argmax(axis=1)]]
    return scores.max(axis=1), reached - utilities[:, fallback]
