"""When to trust a router: a threshold found on held-out train queries, some of which play strangers.

A threshold calibrated on the table's own collections alone would never learn what an unseen query looks like. So every
collection in turn is taken for unseen: its rows and its expert leave the table, the router is fitted to the rest, and
its scores for those rows show how it judges strangers. The rows also count as what they are, scored by routers fitted
to the other folds of the whole table. Nothing of any test split is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    held_out = list(_held_out(fit, table, fallback))
    top, gain = (np.concatenate(part) for part in zip(*held_out, strict=True))
    # Two columns are enough for the choice between the router's expert and the fall-back, whatever columns there were.
    found = calibrated(
        np.column_stack([np.full(len(top), -np.inf), top]).astype(np.float32),
        np.column_stack([np.zeros(len(gain)), gain]),
        0,
    )
    return None if found == -np.inf else found


def _held_out(
    fit: Callable[[UtilityTable], Scorer], table: UtilityTable, fallback: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Best scores and gains over the fall-back of rows the scoring router was not fitted on: at home, as strangers."""
    folds, names = np.arange(len(table)) % FOLDS, np.array(table.datasets)
    for fold in range(FOLDS):
        mine = folds == fold
        yield _scored(fit(table.restricted(~mine)), table, mine, fallback)
    for dataset in sorted(set(table.datasets)):
        mine = names == dataset
        if mine.all():
            continue
        rest, home = table.restricted(~mine), table.homes.get(dataset)
        if home in rest.experts and home != table.experts[fallback]:
            rest = rest.without_expert(home)
        if len(rest.experts) > 1:
            yield _scored(fit(rest), table, mine, fallback)


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
