"""From runs and judgements of held-out queries to a trained gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.rankers.calibration.calibration import Calibration, Judged, fit
from periti.rankers.fitted import Source
from periti.rankers.fusion.offline import everybody
from periti.rankers.gate.files import TrainedGate
from periti.rankers.gate.learning import GateOptions, Lists, learn
from periti.rankers.gate.model import Gate
from periti.rankers.gate.slates import FEATURES, Slates, Values, features_of
from periti.types import Queries, Run

DEPTH = 100
"""Documents of each source that training reads."""
FEWEST = 10
"""Queries with a relevant candidate, below which there is nothing to learn from."""


@dataclass(frozen=True)
class HeldOut:
    """Queries of dev or train to learn from: texts, judgements, and where they are from (a test split is refused)."""

    queries: Queries
    judged: Judged
    source: Source


def train_gate(
    runs: Mapping[str, Run],
    held_out: HeldOut,
    options: GateOptions | None = None,
    calibration: Calibration | None = None,
) -> TrainedGate:
    """Train a gate on held-out queries.

    Args:
        runs: source -> what it found; two or more.
        held_out: the queries to learn from.
        options: how to train.
        calibration: of the sources; quantiles of these very runs without it.

    Raises:
        InputError: fewer than two sources, or too few queries with a relevant candidate.
    """
    options = options or GateOptions()
    if len(runs) < 2:
        raise InputError(f"a gate weighs sources against each other, and {len(runs)} was given; give at least two")
    calibration = calibration or fit("quantile", runs, {name: {} for name in runs}, held_out.source)
    known = held_out.queries.frame.select("query_id")
    cut = {name: Run(name, run.top(DEPTH).frame.join(known, on="query_id", how="semi")) for name, run in runs.items()}
    slates = Slates.of(cut, everybody(cut), calibration)
    features = features_of(slates.query_ids, held_out.queries)
    lists, mean, spread = padded(slates, features, held_out.judged)
    if len(lists.target) < FEWEST:
        raise InputError(
            f"only {len(lists.target)} queries have a relevant document among the sources' first {DEPTH}; a gate needs "
            f"at least {FEWEST}, so give more queries"
        )
    equal = Gate.constant(np.ones(len(calibration.curves)))
    start = Gate(**{**equal.arrays(), "mean": mean, "spread": spread})
    gate, found = learn(lists, start, options)
    card = {"source": asdict(held_out.source), "options": asdict(options), "queries": len(lists.target), "loss": found}
    return TrainedGate(gate, calibration, card)


def padded(slates: Slates, features: Values, judged: Judged) -> tuple[Lists, Values, Values]:
    """The queries that have a relevant candidate, padded; and mean and spread of their features."""
    rows = pl.DataFrame([pl.Series("query_id", slates.query_ids).gather(slates.query), slates.doc_ids.alias("doc_id")])
    relevant = judged.relevant(Run("candidates", rows)).astype(np.float64)
    sizes = np.diff(slates.starts, append=len(relevant))
    totals = np.add.reduceat(relevant, slates.starts) if len(relevant) else np.empty(0)
    kept = np.flatnonzero(totals > 0)
    most, sources = int(sizes[kept].max(initial=1)), slates.values.shape[1]
    lists = Lists(
        np.zeros((len(kept), most, sources)),
        np.zeros((len(kept), most, sources), np.int64),
        np.zeros((len(kept), most)),
        np.zeros((len(kept), len(FEATURES))),
    )
    for place, query in enumerate(kept):
        own = slice(int(slates.starts[query]), int(slates.starts[query] + sizes[query]))
        lists.values[place, : sizes[query]] = slates.values[own]
        lists.ranks[place, : sizes[query]] = slates.ranks[own]
        lists.target[place, : sizes[query]] = relevant[own] / totals[query]
    own_features = features[kept].reshape(len(kept), len(FEATURES))
    mean = own_features.mean(axis=0) if len(kept) else np.zeros(len(FEATURES))
    spread = own_features.std(axis=0) if len(kept) else np.ones(len(FEATURES))
    spread = np.where(spread > 1e-9, spread, 1.0)
    standard = (own_features - mean) / spread
    return Lists(lists.values, lists.ranks, lists.target, standard), mean, spread
