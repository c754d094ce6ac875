"""Fusion in place: by hand, beside the same over dictionaries, and where it must agree with other rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import made, weighted
from periti.types import SCORED, Run

Lists = Mapping[str, Mapping[str, float]]
"""Run -> document -> score, of one query."""

FOUND: Lists = {"words": {"a": 4, "b": 3, "c": 2}, "dense": {"d": 9, "a": 7, "e": 5, "c": 3}}
"""Raw sums: a 11, d 9, c 5, e 5, b 3; of the equal ones both rank third at best, so that e, the later, leads."""


def runs_of(lists: Lists, query_id: str = "q") -> dict[str, Run]:
    return {
        name: Run.of(pl.DataFrame([(query_id, d, s) for d, s in own.items()], schema=SCORED, orient="row"), name)
        for name, own in lists.items()
    }


def placed(lists: Lists, weights: Mapping[str, float] | None = None, **options: Any) -> list[str]:
    runs = runs_of(lists)
    plan = everybody(runs)
    rule = made("in-place", {"scaling": "none", "reader": "reader", **options})
    return rule.fuse(runs, weighted(plan, weights) if weights else plan).doc_ids("q")


def test_what_is_read_exchanges_its_places_and_the_rest_keeps_its_own() -> None:
    assert placed({**FOUND, "reader": {"a": 0.0}}) == ["a", "d", "e", "c", "b"]
    # a, b and c hold places 1, 4 and 5; by their sums with the reader they are b 103, c 55, a 11.
    assert placed({**FOUND, "reader": {"a": 0.0, "b": 100.0, "c": 50.0}}) == ["b", "d", "e", "c", "a"]


def test_weights_enter_both_orders() -> None:
    reader = {"a": 0.0, "b": 100.0, "c": 50.0}

    # Words alone by 10: a 40 + 7, b 30, c 20 + 3, d 9, e 5; the reader's hundredth adds 1 to b and a half to c.
    weights = {"words": 10.0, "dense": 1.0, "reader": 0.01}
    assert placed({**FOUND, "reader": reader}, weights) == ["a", "b", "c", "d", "e"]
    assert placed({**FOUND, "reader": reader}, {**weights, "reader": 1.0}) == ["b", "c", "a", "d", "e"]


def test_scores_are_places_from_the_end() -> None:
    runs = runs_of({**FOUND, "reader": {"a": 0.0, "b": 100.0, "c": 50.0}})
    fused = made("in-place", {"scaling": "none", "reader": "reader"}).fuse(runs, everybody(runs)).frame

    assert fused["score"].to_list() == [5, 4, 3, 2, 1]
    assert fused["rank"].to_list() == [1, 2, 3, 4, 5]


def test_each_query_has_its_own_places() -> None:
    reader = {"a": 0.0, "b": 100.0, "c": 50.0}
    both = [runs_of({**FOUND, "reader": reader}, query_id) for query_id in ("p", "q")]
    runs = {name: Run(name, pl.concat([one[name].frame for one in both])) for name in both[0]}
    runs["reader"] = Run("reader", runs["reader"].frame.filter(pl.col("query_id") == "q"))
    fused = made("in-place", {"scaling": "none", "reader": "reader"}).fuse(runs, everybody(runs))

    assert fused.doc_ids("p") == ["a", "d", "e", "c", "b"]
    assert fused.doc_ids("q") == ["b", "d", "e", "c", "a"]


def test_a_reader_that_is_not_there_is_named() -> None:
    with pytest.raises(
        InputError, match=r"no run is called 'reader', whose documents exchange places; there are dense, words"
    ):
        placed(FOUND)
    with pytest.raises(ConfigError, match="scaling is 'minmax'"):
        placed(FOUND, scaling="minmax")


# Scores and weights are small powers of two apart, so that sums are exact and ties in the oracle are ties.
DOCUMENTS = ["a", "b", "é", "a-long-identifier-1", "a-long-identifier-2", "Z", "z", "日本"]
LIST = st.dictionaries(st.sampled_from(DOCUMENTS), st.sampled_from([-2.0, 0.0, 2.0]), min_size=1)
WEIGHTS = st.fixed_dictionaries({name: st.sampled_from([0.5, 1.0, 2.0]) for name in ("x", "y", "reader")})


def oracle(lists: Lists, weights: Mapping[str, float]) -> list[str]:
    """The same, one document at a time."""
    found: dict[str, int] = {}
    best: dict[str, int] = {}
    base: dict[str, float] = {}
    for name, own in lists.items():
        ordered = sorted(sorted(own, reverse=True), key=lambda doc_id: -own[doc_id])
        for rank, doc_id in enumerate(ordered, 1):
            best[doc_id] = min(rank, best.get(doc_id, rank))
            found[doc_id] = min(rank if name != "reader" else 99, found.get(doc_id, 99))
            base[doc_id] = base.get(doc_id, 0.0) + (weights[name] * own[doc_id] if name != "reader" else 0.0)
    gained = {doc_id: base[doc_id] + weights["reader"] * lists["reader"].get(doc_id, 0.0) for doc_id in base}

    def order(score: Mapping[str, float], ranks: Mapping[str, int]) -> list[str]:
        return sorted(sorted(score, reverse=True), key=lambda doc_id: (-score[doc_id], ranks[doc_id]))

    read = iter([doc_id for doc_id in order(gained, best) if doc_id in lists["reader"]])
    return [next(read) if doc_id in lists["reader"] else doc_id for doc_id in order(base, found)]


@given(st.fixed_dictionaries({"x": LIST, "y": LIST, "reader": LIST}), WEIGHTS)
@settings(deadline=None)
def test_it_agrees_with_the_rule_over_dictionaries(lists: Lists, weights: Mapping[str, float]) -> None:
    assert placed(lists, weights) == oracle(lists, weights)


@given(st.fixed_dictionaries({"x": LIST, "y": LIST}), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_reader_of_everything_makes_it_the_sum(lists: Lists, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = sorted({doc_id for own in lists.values() for doc_id in own})
    scores = rng.permutation(len(documents)) * 100.0  # no ties
    runs = runs_of({**lists, "reader": dict(zip(documents, scores.tolist(), strict=True))})
    plan = everybody(runs)

    fused = made("in-place", {"scaling": "none", "reader": "reader"}).fuse(runs, plan)
    assert fused.doc_ids("q") == made("comb-sum", {"scaling": "none"}).fuse(runs, plan).doc_ids("q")


@given(st.fixed_dictionaries({"x": LIST, "y": LIST, "reader": LIST}))
@settings(deadline=None)
def test_a_reader_without_weight_changes_nothing(lists: Lists) -> None:
    without = {name: 1.0 if name != "reader" else 0.0 for name in lists}
    runs = runs_of(lists)
    fused = made("in-place", {"scaling": "none", "reader": "reader"}).fuse(runs, weighted(everybody(runs), without))

    others = {name: run for name, run in runs.items() if name != "reader"}
    assert fused.doc_ids("q") == made("comb-sum", {"scaling": "none"}).fuse(others, everybody(others)).doc_ids("q")
