"""Correlation of order and length: by hand, and against SciPy where ties are many."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau, spearmanr  # type: ignore[import-untyped]

from periti.errors import InputError
from periti.passages.lengths import length_correlation
from periti.types import SCORED, Run


def run(*rows: tuple[str, str, float]) -> Run:
    return Run.of(pl.DataFrame(list(rows), schema=SCORED, orient="row"), "r")


def test_long_first_is_one_short_first_minus_one_and_queries_are_averaged() -> None:
    lengths = {"a": 30, "b": 20, "c": 10}
    falling = [("q1", "a", 3.0), ("q1", "b", 2.0), ("q1", "c", 1.0)]
    swapped = [("q2", "c", 3.0), ("q2", "b", 2.0), ("q2", "a", 1.0)]

    first = length_correlation(run(*falling), lengths)
    both = length_correlation(run(*falling, *swapped, ("q3", "a", 1.0)), lengths)
    assert [first.rho, first.tau, first.queries] == pytest.approx([1, 1, 1])
    assert [both.rho, both.tau, both.queries] == pytest.approx([0, 0, 2])


def test_ties_of_length_are_counted_as_scipy_does() -> None:
    rng = np.random.default_rng(4)
    lengths = {f"d{i:02}": int(n) for i, n in enumerate(rng.integers(1, 6, 30))}
    scores = rng.permutation(30)
    found = length_correlation(run(*(("q", d, float(s)) for d, s in zip(lengths, scores, strict=True))), lengths)

    assert found.rho == pytest.approx(spearmanr(scores, list(lengths.values())).statistic)
    assert found.tau == pytest.approx(kendalltau(scores, list(lengths.values())).statistic)


def test_without_an_order_there_is_no_correlation() -> None:
    found = length_correlation(run(("q", "a", 1.0), ("q", "b", 2.0)), {"a": 5, "b": 5})

    assert math.isnan(found.rho)
    assert found.queries == 0


def test_a_missing_length_is_named() -> None:
    with pytest.raises(InputError, match="1 documents have no length, the first is 'b'"):
        length_correlation(run(("q", "a", 1.0), ("q", "b", 2.0)), {"a": 5})
