"""Every rule of fusion on lists small enough to fuse by hand."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.candidates import Candidates
from periti.rankers.fusion.offline import QuerySets, everybody
from periti.rankers.fusion.scaling import SCALINGS
from periti.rankers.fusion.settings import made, weighted
from periti.rankers.fusion.ties import Standings, settle
from periti.types import SCORED, Run

Lists = Mapping[str, Mapping[str, float]]
"""Expert -> document -> score, of one query."""

TOY: Lists = {"A": {"a": 3, "b": 2, "c": 1}, "B": {"b": 30, "d": 20, "a": 10}}
"""The toy of the reference: A = [a, b, c], B = [b, d, a]; under min-max a 1, b .5, c 0 and b 1, d .5, a 0."""


def runs_of(lists: Lists) -> dict[str, Run]:
    return {
        name: Run.of(pl.DataFrame([("q", d, s) for d, s in own.items()], schema=SCORED, orient="row"), name)
        for name, own in lists.items()
    }


def fused(method: str, lists: Lists, weights: Mapping[str, float] | None = None, **options: Any) -> Run:
    runs = runs_of(lists)
    plan = everybody(runs)
    return made(method, options).fuse(runs, weighted(plan, weights) if weights else plan)


def scores(run: Run) -> dict[str, float]:
    return dict(zip(run.frame["doc_id"], run.frame["score"], strict=True))


# by rank


def test_reciprocal_ranks_are_those_of_the_reference() -> None:
    run = fused("rrf", TOY)

    # b = 1/62 + 1/61, a = 1/61 + 1/63, d = 1/62, c = 1/63
    assert scores(run) == pytest.approx({"b": 0.032522, "a": 0.032266, "d": 0.016129, "c": 0.015873}, abs=5e-7)
    assert run.doc_ids("q") == ["b", "a", "d", "c"]


def test_inverse_squares_count_the_experts() -> None:
    # a: 2 (1/1 + 1/9), b: 2 (1/4 + 1/1), c: 1/9, d: 1/4
    assert scores(fused("isr", TOY)) == pytest.approx({"a": 20 / 9, "b": 2.5, "c": 1 / 9, "d": 0.25}, rel=1e-6)
    one, two = log(1.01), log(2.01)
    assert scores(fused("log-isr", TOY)) == pytest.approx(
        {"a": two * 10 / 9, "b": two * 1.25, "c": one / 9, "d": one / 4}, rel=1e-6
    )


def test_centroids_are_biased_by_persistence() -> None:
    # p = .5: .5, .25, .125 at ranks 1, 2, 3
    assert scores(fused("rbc", TOY, p=0.5)) == pytest.approx({"a": 0.625, "b": 0.75, "c": 0.125, "d": 0.25}, rel=1e-6)


def test_a_voter_shares_its_remaining_points_among_those_it_left_out() -> None:
    # four candidates: A gives a 4, b 3, c 2 and d (4 - 3 + 1) / 2 = 1; B gives b 4, d 3, a 2, c 1
    assert scores(fused("borda", TOY)) == pytest.approx({"b": 7, "a": 6, "d": 4, "c": 3})


def test_condorcet_counts_pairs_won_and_half_of_those_drawn() -> None:
    # A: a>b>c>d, B: b>d>a>c.  b draws with a, beats c and d: 2.5.  a draws b, d; beats c: 2.  d draws a, c: 1.  c: .5
    assert scores(fused("condorcet", TOY)) == pytest.approx({"b": 2.5, "a": 2, "d": 1, "c": 0.5})


def test_a_cycle_of_majorities_is_a_tie_and_no_order_of_chance() -> None:
    lists = {"x": {"a": 3, "b": 2, "c": 1}, "y": {"b": 3, "c": 2, "a": 1}, "z": {"c": 3, "a": 2, "b": 1}}

    run = fused("condorcet", lists)

    assert set(scores(run).values()) == {1.0}, "each beats one and is beaten by one"
    assert run.doc_ids("q") == ["c", "b", "a"]


@settings(deadline=None, max_examples=50)
@given(order=st.permutations("abcdef"), others=st.lists(st.permutations("abcdef"), min_size=1, max_size=2))
def test_where_most_experts_agree_condorcet_follows_them(order: list[str], others: list[list[str]]) -> None:
    ballots = [order] * (len(others) + 1) + others
    lists = {str(i): {d: 10.0 - place for place, d in enumerate(own)} for i, own in enumerate(ballots)}

    assert fused("condorcet", lists).doc_ids("q") == order


# by score: min-max gives A: a 1, b .5, c 0 and B: b 1, d .5, a 0


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("comb-sum", {}, {"a": 1, "b": 1.5, "c": 0, "d": 0.5}),
        ("comb-mnz", {}, {"a": 2, "b": 3, "c": 0, "d": 0.5}),
        ("comb-gmnz", {"gamma": 2.0}, {"a": 4, "b": 6, "c": 0, "d": 0.5}),
        ("comb-anz", {}, {"a": 0.5, "b": 0.75, "c": 0, "d": 0.5}),
        ("comb-max", {}, {"a": 1, "b": 1, "c": 0, "d": 0.5}),
        ("comb-min", {}, {"a": 0, "b": 0.5, "c": 0, "d": 0.5}),
        ("comb-med", {}, {"a": 0.5, "b": 0.75, "c": 0, "d": 0.5}),
        ("wmnz", {}, {"a": 2, "b": 3, "c": 0, "d": 0.5}),
        ("mixed", {}, {"a": sqrt(2), "b": 1.5 * sqrt(2), "c": 0, "d": 0.5}),
    ],
)
def test_the_comb_family(method: str, options: dict[str, Any], expected: dict[str, float]) -> None:
    assert scores(fused(method, TOY, **options)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("comb-sum", {"a": 1, "b": 3.5, "c": 0, "d": 1.5}),  # Σ w s
        ("comb-mnz", {"a": 2, "b": 7, "c": 0, "d": 1.5}),  # h Σ w s
        ("comb-anz", {"a": 1 / 4, "b": 3.5 / 4, "c": 0, "d": 0.5}),  # Σ w s / Σ w
        ("wmnz", {"a": 4, "b": 6, "c": 0, "d": 1.5}),  # Σ s Σ w
        ("mixed", {"a": sqrt(2), "b": 3.5 * sqrt(2), "c": 0, "d": 1.5}),  # √h Σ w s
        ("rrf", {"a": 1 / 61 + 3 / 63, "b": 1 / 62 + 3 / 61, "c": 1 / 63, "d": 3 / 62}),
    ],
)
def test_weights_enter_as_the_papers_say(method: str, expected: dict[str, float]) -> None:
    assert scores(fused(method, TOY, {"A": 1, "B": 3})) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("scaling", "first", "last"),
    [
        ("none", 6, 1),
        ("min-max", 1, 0),
        ("max", 1, 1 / 6),
        ("sum", 5 / 8, 0),  # above the least: 5, 2, 1, 0
        ("z-score", 3 / sqrt(3.5), -2 / sqrt(3.5)),  # mean 3, squares 9 + 0 + 1 + 4 over 4
        ("rank", 1, 0.25),
        ("borda", 1, 0.4),  # of five candidates
    ],
)
def test_scalings(scaling: str, first: float, last: float) -> None:
    lists: Lists = {"A": {"a": 6, "b": 3, "c": 2, "d": 1}, "B": {"z": 0.0, "a": 0.0}}

    alone = scores(fused("comb-max", {**lists, "B": {"z": 0.0}}, scaling=scaling))

    assert (alone["a"], alone["d"]) == pytest.approx((first, last), abs=1e-6)


@pytest.mark.parametrize("scaling", ["min-max", "max", "sum", "z-score"])
@pytest.mark.parametrize("missing", ["zero", "list_min"])
def test_a_constant_list_gives_one_to_what_it_returned_and_nothing_to_the_rest(scaling: str, missing: str) -> None:
    lists = {"x": {"a": -7.0, "b": -7.0}, "y": {"c": 0.0}}

    assert scores(fused("comb-sum", lists, scaling=scaling, missing=missing)) == {"a": 1, "b": 1, "c": 1}


def test_a_missing_document_gets_nothing_or_what_the_list_s_last_one_got() -> None:
    lists = {"x": {"a": 4.0, "b": 2.0}, "y": {"c": 8.0, "a": 6.0}}

    zero = scores(fused("comb-sum", lists, scaling="none"))
    least = scores(fused("comb-sum", lists, scaling="none", missing="list_min"))

    assert zero == {"a": 10, "b": 2, "c": 8}
    assert least == {"a": 10, "b": 2 + 6, "c": 8 + 2}
    by_max = scores(fused("comb-sum", lists, scaling="max", missing="list_min"))
    assert by_max == pytest.approx({"a": 1 + 0.75, "b": 0.5 + 0.75, "c": 1 + 0.5})


def test_sum_is_the_raw_sum_with_the_list_minimum() -> None:
    lists = {"x": {"a": 4.0, "b": 2.0}, "y": {"c": 8.0, "a": 6.0}}
    weights = {"x": 2.0, "y": 1.0}

    assert scores(fused("sum", lists, weights)) == scores(
        fused("comb-sum", lists, weights, scaling="none", missing="list_min")
    )


def test_dividing_by_a_largest_score_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match=r"largest score of a list, which is -1 for query 'q'; choose min-max"):
        fused("comb-sum", {"x": {"a": -1.0, "b": -2.0}, "y": {"a": 1.0}}, scaling="max")


@settings(deadline=None, max_examples=40)
@given(
    scaling=st.sampled_from(["min-max", "sum", "z-score", "rank", "borda"]),
    factor=st.sampled_from([0.25, 2.0, 64.0]),
    shift=st.integers(-8, 8),
    own=st.lists(st.integers(0, 30), min_size=2, max_size=6, unique=True),
)
def test_scaled_scores_forget_unit_and_origin(scaling: str, factor: float, shift: int, own: list[int]) -> None:
    lists = {"x": {chr(97 + i): float(s) for i, s in enumerate(own)}, "y": {"a": 5.0, "b": 3.0, "z": 1.0}}
    moved = {**lists, "x": {d: factor * s + shift for d, s in lists["x"].items()}}

    one, other = (scores(fused("comb-sum", given_lists, scaling=scaling)) for given_lists in (lists, moved))

    assert one == pytest.approx(other, abs=1e-5)


# ties


def settled(frame: pl.DataFrame) -> Run:
    """Ties settled in a frame of query_id, doc_id, score, best."""
    frame = frame.sort("query_id", maintain_order=True)
    docs = frame["doc_id"].unique(maintain_order=True)
    doc = np.array([docs.to_list().index(doc_id) for doc_id in frame["doc_id"]])
    sizes = frame.group_by("query_id", maintain_order=True).len()["len"].to_numpy().astype(np.intp)
    standings = Standings(
        frame["score"].to_numpy().astype(np.float32),
        frame["best"].to_numpy().astype(np.intp),
        Candidates(np.arange(len(doc)), doc, sizes),
    )
    ids, scores_settled = settle(standings, docs)
    rank = np.concatenate([np.arange(1, size + 1) for size in sizes]).astype(np.int32)
    columns = {"query_id": frame["query_id"], "doc_id": ids, "score": scores_settled, "rank": rank}
    return Run("x", pl.DataFrame(columns))


def test_equal_scores_come_by_best_rank_and_then_by_descending_id() -> None:
    # min-max: a and b are first and get 1; y gets .5 on rank 3 as x on rank 2; m gets 0 on rank 3 and o on rank 4
    lists = {"x": {"a": 4.0, "x": 3.0, "m": 2.0}, "y": {"b": 9.0, "n": 8.0, "y": 7.0, "o": 5.0}}

    run = fused("comb-max", lists)

    assert run.doc_ids("q") == ["b", "a", "n", "x", "y", "m", "o"]


def test_a_tie_broken_by_rank_is_read_alike_by_whoever_sorts_scores() -> None:
    rows = [
        ("q", "a", 1.0, 1.0),
        ("q", "b", 1.0, 2.0),
        ("q", "c", 1.0, 2.0),
        ("q", "d", 0.0, 1.0),
        ("p", "z", -1.0, 1.0),
    ]
    frame = pl.DataFrame([*rows, ("p", "zz", -1.0, 3.0)], schema=["query_id", "doc_id", "score", "best"], orient="row")

    run = settled(frame)

    assert run.doc_ids("q") == ["a", "c", "b", "d"]
    assert run.doc_ids("p") == ["z", "zz"]
    assert_frame_equal(Run.of(run.frame, "x").frame, run.frame)
    np.testing.assert_allclose(run.frame.filter(query_id="q")["score"], [1, 1, 1, 0], atol=2e-7)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("pq"),
            st.sampled_from("abcdefgh"),
            st.sampled_from([-1.0, 0.0, 1e-45, 1.0]),
            st.integers(1, 3),
        ),
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_the_order_meant_is_the_order_of_the_run(rows: list[tuple[str, str, float, int]]) -> None:
    run = settled(pl.DataFrame(rows, schema=["query_id", "doc_id", "score", "best"], orient="row"))

    meant = sorted(
        sorted(rows, key=lambda row: row[1], reverse=True), key=lambda row: (row[0], -np.float32(row[2]), row[3])
    )
    assert run.frame.select("query_id", "doc_id").rows() == [row[:2] for row in meant]
    assert_frame_equal(Run.of(run.frame, "x").frame, run.frame)


# query sets, mistakes


def test_runs_with_different_queries_are_fused_of_those_who_answered_and_reported() -> None:
    def run(name: str, *rows: tuple[str, str, float]) -> Run:
        return Run.of(pl.DataFrame(list(rows), schema=SCORED, orient="row"), name)

    runs = {"x": run("x", ("p", "a", 1.0), ("q", "a", 1.0)), "y": run("y", ("q", "b", 1.0), ("r", "c", 1.0))}

    together = made("comb-sum", {}).fuse(runs, everybody(runs))

    assert {q: together.doc_ids(q) for q in "pqr"} == {"p": ["a"], "q": ["b", "a"], "r": ["c"]}
    assert QuerySets.of(runs) == QuerySets(3, 1, {"x": ("r",), "y": ("p",)})


def test_the_order_of_the_runs_changes_nothing() -> None:
    lists = {"x": {"a": 0.1, "b": 0.7, "c": 0.3}, "y": {"b": 0.2, "d": 0.6}, "z": {"c": 0.9, "a": 0.3, "d": 0.1}}
    for method in ("rrf", "borda", "condorcet", "comb-sum", "comb-mnz", "mixed"):
        backwards = dict(reversed(lists.items()))
        assert_frame_equal(fused(method, lists).frame, fused(method, backwards).frame)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("comb-sum", {"scaling": "minmax"}, "scaling is 'minmax'; did you mean 'min-max'"),
        ("comb-sum", {"missing": "drop"}, "missing is 'drop'; known: list_min, zero"),
        ("comb-sum", {"gamma": 1.0}, "'comb-sum' has no option 'gamma'"),
        ("comb-gmnz", {"gamma": -1.0}, "gamma is -1.0; it must be at least 0"),
        ("rbc", {"p": 1.0}, "p is 1.0; it must be between 0 and 1"),
        ("log-isr", {"sigma": 0.0}, "sigma is 0.0; it must be positive"),
        ("rrf", {"k": -1}, "k is -1"),
        ("calibrated", {}, "reads a file of its own"),
    ],
)
def test_a_mistake_is_named(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(method, options)


def test_every_scaling_is_tested_here() -> None:
    assert set(SCALINGS) == {"none", "min-max", "max", "sum", "z-score", "rank", "borda"}
