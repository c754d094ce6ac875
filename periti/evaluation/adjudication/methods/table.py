"""The table of judging methods, and the chance that belongs to a query and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import UnknownName
from periti.evaluation.adjudication.methods import bandits, feedback, fixed
from periti.evaluation.adjudication.methods.active import ActiveSampling
from periti.evaluation.adjudication.methods.base import Chooser
from periti.registry import nearest

METHODS: Mapping[str, type[Chooser]] = MappingProxyType(
    {
        "depth": fixed.Depth,
        "docid": fixed.DocId,
        "random": fixed.Random,
        "borda": fixed.Borda,
        "rrf": fixed.ReciprocalRanks,
        "mtf": feedback.MoveToFront,
        "hedge": feedback.Hedge,
        "mm": bandits.MaxMean,
        "mm-ns": bandits.MaxMeanForgetful,
        "ts": bandits.Thompson,
        "ts-ns": bandits.ThompsonForgetful,
        "ucb": bandits.UpperConfidence,
        "egreedy": bandits.EpsilonGreedy,
        "egreedy-ns": bandits.EpsilonGreedyForgetful,
        "random-arm": bandits.RandomArm,
        "active": ActiveSampling,
    }
)


def open_method(name: str) -> type[Chooser]:
    """The method of that name.

    Raises:
        UnknownName: there is none; the nearest and all known names are listed.
    """
    if name not in METHODS:
        raise UnknownName(f"no judging method named {name!r}; {nearest(name, METHODS)}")
    return METHODS[name]


def dice(seed: int, query_id: str) -> np.random.Generator:
    """The chance of one query: the same for every method, and whatever other queries there are."""
    digest = hashlib.sha256(query_id.encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
