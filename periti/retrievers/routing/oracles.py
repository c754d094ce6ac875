"""Bounds that a router is judged against: choices that read the very utilities they are judged by.

Library functions, registered nowhere: nothing here can route a query. Each gives the chosen column for every query.
The dataset oracle is no upper bound, since a router may beat it within a dataset; the instance oracle is one, but it
is a maximum of noisy numbers that rises with the number of experts even when they are clones, so publish the null
oracle or the cross-fitted one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.retrievers.routing.similarity import Floats

Columns = NDArray[np.int64]


def best_single(utilities: Floats) -> Columns:
    """The expert with the highest mean for every query, int64 (n,); utilities float64 (n, E)."""
    return np.full(len(utilities), _mean_best(utilities), np.int64)


def dataset_oracle(utilities: Floats, datasets: Sequence[str]) -> Columns:
    """The expert with the highest mean on the query's dataset, int64 (n,).

    Raises:
        InputError: there is not one dataset a query.
    """
    if len(datasets) != len(utilities):
        raise InputError(f"dataset oracle: {len(datasets)} datasets for {len(utilities)} queries; give one a query")
    of = np.array(datasets)
    chosen = np.empty(len(utilities), np.int64)
    for dataset in set(datasets):
        chosen[of == dataset] = _mean_best(utilities[of == dataset])
    return chosen


def instance_oracle(utilities: Floats) -> Columns:
    """The best expert of each query, int64 (n,); the first of equals."""
    chosen: Columns = utilities.argmax(axis=1).astype(np.int64)
    return chosen


def null_oracle(clones: Floats) -> Columns:
    """The instance oracle over re-seeded copies of one expert, int64 (n,): what the maximum alone is worth.

    Args:
        clones: float64 (n, E), the utilities of as many copies as the panel has experts.
    """
    return instance_oracle(clones)


def cross_fitted_oracle(first: Floats, second: Floats) -> tuple[Columns, Columns]:
    """The instance oracle without the luck of the maximum: chosen on one half, to be valued on the other.

    Args:
        first: float64 (n, E), utilities by one half of each query's relevant documents, or by a paraphrase.
        second: the same by the other half.

    Returns:
        What to take in `first` (chosen on `second`) and what to take in `second` (chosen on `first`); the mean of both
        values is the oracle's.

    Raises:
        InputError: the shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(f"cross-fitted oracle: halves of shape {first.shape} and {second.shape}; give the same pairs")
    return instance_oracle(second), instance_oracle(first)


def random_choice(utilities: Floats, rng: np.random.Generator) -> Columns:
    """An expert by chance for each query, int64 (n,)."""
    return rng.integers(0, utilities.shape[1], len(utilities))


def reached(utilities: Floats, columns: Columns) -> Floats:
    """The utility of the chosen expert of each query, float64 (n,)."""
    return utilities[np.arange(len(columns)), columns]


def _mean_best(utilities: Floats) -> int:
    return int(utilities.mean(axis=0).argmax())
