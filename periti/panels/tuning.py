"""Policies tuned on held-out queries of train, so that they can be compared at the same cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from periti.panels.config import BASE
from periti.protocols import Policy
from periti.retrievers.policies.adaptive import EntropyGate, EntropyOptions, TopP, TopPOptions, crossing, tsallis
from periti.retrievers.policies.budget import Budget, BudgetOptions
from periti.retrievers.policies.fixed import TopK, TopKOptions, Weighted, WeightedOptions
from periti.retrievers.policies.rows import Rows, Softening, shares

ARGMAX, FALLBACK, FUSED = "", "fall-back", "top 2 fused"
TOP_3, TOP_P, GATED = "top 3 fused", "top-p .4", "entropy gate .5"
ONE_SCALE, EQUAL_TOP_P, EQUAL_GATED = "top 2, one scale", "top-p, 2 on average", "entropy gate, 2 on average"
BEST_AND_BASE, EVERYONE, WEIGHTED = "best beside base", "all alike", "all weighted"
AVERAGE = 2.0
"""Experts that the tuned policies ask on average: as many as top 2."""
FREE = 1e-3
"""Cost of asking the base, whose vector the router has made already; a budget allows no cost of nothing."""


def usual_spread(scores: Sequence[Rows]) -> float:
    """The median standard deviation of a query's scores, of rows float64 (n, E) by collection.

    Scores divided by it keep their confidence, which is lost where each query's own deviation divides them.
    """
    return float(np.median(np.concatenate([rows.std(axis=1) for rows in scores])))


def tuned_top_p(scores: Sequence[Rows], wanted: float = AVERAGE) -> TopPOptions:
    """Top-p that asks so many experts on average of collections, each counting the same; the least such p."""
    scale = usual_spread(scores)
    soft = [shares(rows, Softening(scale=scale)) for rows in scores]
    asked = _at_least(lambda p: _mean([crossing(rows, TopPOptions(p=p)).sum(axis=1) for rows in soft]), wanted)
    return TopPOptions(p=asked, scale=scale)


def tuned_gate(scores: Sequence[Rows], wanted: float = AVERAGE) -> EntropyOptions:
    """An entropy gate, all experts above and the best below, that asks so many on average of collections."""
    scale = usual_spread(scores)
    experts = scores[0].shape[1]
    entropy = [tsallis(shares(rows, Softening(scale=scale)), EntropyOptions().q) for rows in scores]

    def asked(opened: float) -> float:
        return _mean([np.where(rows > 1 - opened, experts, 1) for rows in entropy])

    return EntropyOptions(p=0.0, least=1, gate=1 - _at_least(asked, wanted), scale=scale)


def policies_of(scores: Sequence[Rows]) -> dict[str, Policy]:
    """The policies of the table beside argmax, fall-back and top 2, by name; scores are those held out at home."""
    experts = scores[0].shape[1]
    wanted = min(AVERAGE, experts)
    return {
        TOP_3: TopK(TopKOptions(k=3)),
        TOP_P: TopP(TopPOptions()),
        EQUAL_TOP_P: TopP(tuned_top_p(scores, wanted)),
        GATED: EntropyGate(EntropyOptions()),
        EQUAL_GATED: EntropyGate(tuned_gate(scores, wanted)),
        ONE_SCALE: TopK(TopKOptions(k=2, scale=usual_spread(scores))),
        # With the base for nothing, a budget of one and some crumbs buys the best expert beside it.
        BEST_AND_BASE: Budget(BudgetOptions(budget=1 + 2 * FREE, costs={BASE: FREE})),
        EVERYONE: TopK(TopKOptions(k=experts, weights="equal")),
        WEIGHTED: Weighted(WeightedOptions()),
    }


def _at_least(asked: Callable[[float], float], wanted: float) -> float:
    """The least share in [0, 1], to the eighth digit, at which `asked`, which never falls, reaches what is wanted."""
    low, high = 0.0, 1.0
    for _ in range(27):
        middle = (low + high) / 2
        low, high = (low, middle) if asked(middle) >= wanted else (middle, high)
    return high


def _mean(counts: Sequence[NDArray[np.generic]]) -> float:
    return float(np.mean([rows.mean() for rows in counts]))
