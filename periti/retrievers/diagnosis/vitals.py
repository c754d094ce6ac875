"""What is measured of a panel: loads, dimensions, score scales, likeness. Numbers only; `health` judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from periti.apart import apart
from periti.errors import InputError, UnknownName
from periti.retrievers.diagnosis.arrays import Floats, matrix
from periti.types import Plan, Run

_ZERO = 1e-6
"""A unit whose value never exceeds this is dead (HoME's zeros, for units that are not behind a ReLU)."""
_FAINT = 0.01
"""A unit that varies less than this share of the median unit is dead too: it says the same of every query."""


def traffic(plan: Plan, datasets: Mapping[str, str], experts: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    """How many queries of each dataset went to each expert; a query asked of several counts by their weights.

    Args:
        plan: who answered which query.
        datasets: query id -> dataset.
        experts: the E experts of the panel, the columns of the answer.

    Returns:
        The D dataset names, sorted, and float64 (D, E) whose row sums are the datasets' numbers of queries.

    Raises:
        InputError: a query of the plan has no dataset.
        UnknownName: the plan names an expert outside the panel.
    """
    strangers = sorted(set(plan.experts) - set(experts))
    if strangers:
        raise UnknownName(
            f"the plan asks expert {strangers[0]!r}, the panel has {sorted(experts)}; add it to the panel"
        )
    lost = plan.frame.filter(~pl.col("query_id").is_in(list(datasets)))
    if lost.height:
        raise InputError(f"query {lost['query_id'][0]!r} of the plan has no dataset; name the dataset of every query")
    names = sorted(set(datasets.values()))
    share = pl.col("weight").cast(pl.Float64)
    rows = plan.frame.with_columns(share / share.sum().over("query_id"))
    counts = np.zeros((len(names), len(experts)))
    row_of, column_of = ({name: i for i, name in enumerate(known)} for known in (names, experts))
    for query, expert, weight in rows.select("query_id", "expert", "weight").iter_rows():
        counts[row_of[datasets[query]], column_of[expert]] += weight
    return tuple(names), counts


def entropy(masses: ArrayLike) -> float:
    """Shannon entropy in nats of masses (n,) brought to sum 1; 0 if all are 0. exp of it counts effective members."""
    masses = np.asarray(masses, dtype=np.float64)
    total = masses.sum()
    if total <= 0:
        return 0.0
    shares = masses / total
    shares = shares[shares > 0]  # the smallest masses vanish in the division, not before it
    return float(max(0.0, -(shares * np.log(shares)).sum()))


def dead_share(embeddings: Floats) -> float:
    """Share of the d dimensions of embeddings (n, d) that are dead: always |z| < 1e-6, or of hardly any variation.

    "Hardly any" is a standard deviation below 1 % of the median one. The median is taken over the dimensions that are
    not zero throughout, so that it still speaks of the living when more than half are zero.
    """
    silent = (np.abs(embeddings) < _ZERO).all(axis=0)
    if silent.all():
        return 1.0
    spread = embeddings.std(axis=0)
    faint = spread < _FAINT * np.median(spread[~silent])
    return float((silent | faint).mean())


def effective_rank(embeddings: Floats) -> float:
    """Exp of the entropy of the singular values of the centred embeddings (n, d) (Roy & Vetterli 2007).

    Between 1 and min(n - 1, d), or 0 if all rows are equal. Centred, because a mean that every query shares tells no
    query from another.
    """
    values = apart(np.linalg.svd, embeddings - embeddings.mean(axis=0), compute_uv=False)
    if values[0] <= 1e-12 * max(1.0, float(np.abs(embeddings).max())):
        return 0.0
    return float(np.exp(entropy(values)))


def mean_cosine(first: ArrayLike, second: ArrayLike) -> float:
    """Mean over n queries of the cosine between two experts' embeddings (n, d) of the same query.

    Raises:
        InputError: the shapes differ, or a value is not finite.
    """
    one = matrix(first, "embeddings")
    two = matrix(second, "embeddings of the other expert", *one.shape)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(((one * two).sum(axis=1) / np.maximum(norms, np.finfo(float).tiny)).mean())


def overlap(first: Run, second: Run, depth: int = 10) -> float:
    """Mean over queries of |A ∩ B| / max(|A|, |B|), where A and B are the first `depth` documents of two runs.

    Queries of either run count; one that only one run answers has overlap 0. No query at all: 0.
    """
    key = ["query_id", "doc_id"]
    one, two = (run.top(depth).frame.select(key) for run in (first, second))
    common = one.join(two, on=key).group_by("query_id").len("common")
    sizes = pl.concat([one.group_by("query_id").len("size"), two.group_by("query_id").len("size")])
    largest = sizes.group_by("query_id").agg(pl.col("size").max())
    if not largest.height:
        return 0.0
    shares = largest.join(common, on="query_id", how="left").select(pl.col("common").fill_null(0) / pl.col("size"))
    return float(shares.to_series().sum()) / largest.height


def win_shares(utilities: Floats) -> Floats:
    """How often each expert is the best, float64 (E,) with sum 1, from utilities (n, E); ties share the win."""
    best = utilities == utilities.max(axis=1, keepdims=True)
    shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
