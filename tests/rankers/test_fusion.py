"""Runs of several experts to one run, by hand."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, InputError
from periti.rankers.fusion import ReciprocalRankFusion, RrfOptions
from periti.rankers.identity import IdentityRanker
from periti.types import PLAN, Plan, Queries, Run

Q = Queries.from_pairs([("q", "text")])


def run_of(name: str, ids: str, query_id: str = "q") -> Run:
    """A run that ranks the letters as written."""
    rows = [(query_id, doc_id, 10.0 - i) for i, doc_id in enumerate(ids)]
    return Run.of(pl.DataFrame(rows, schema=["query_id", "doc_id", "score"], orient="row"), name)


def plan(**weights: float) -> Plan:
    rows = [("q", expert, weight) for expert, weight in weights.items()]
    return Plan.of(pl.DataFrame(rows, schema=PLAN, orient="row"), Q)


def scores(run: Run) -> dict[str, float]:
    return dict(zip(run.frame["doc_id"], run.frame["score"], strict=True))


def test_each_document_gets_the_sum_of_its_reciprocal_ranks() -> None:
    fused = ReciprocalRankFusion().fuse({"x": run_of("x", "abc"), "y": run_of("y", "ca")}, plan(x=1, y=1))

    # a: 1/61 + 1/62, c: 1/63 + 1/61, b: 1/62
    assert scores(fused) == pytest.approx({"a": 1 / 61 + 1 / 62, "c": 1 / 63 + 1 / 61, "b": 1 / 62}, rel=1e-6)
    assert fused.doc_ids("q") == ["a", "c", "b"]
    assert fused.name == "rrf(k=60)"


def test_weights_multiply_and_k_is_the_one_asked_for() -> None:
    fused = ReciprocalRankFusion(RrfOptions(k=1)).fuse(
        {"x": run_of("x", "ab"), "y": run_of("y", "ba")}, plan(x=1.0, y=3.0)
    )

    # a: 1/2 + 3/3 = 1.5, b: 1/3 + 3/2 = 1.8333
    assert scores(fused) == pytest.approx({"b": 1 / 3 + 3 / 2, "a": 1.5}, rel=1e-6)
    assert fused.doc_ids("q") == ["b", "a"]


def test_documents_with_mirrored_ranks_tie_and_come_by_descending_id() -> None:
    fused = ReciprocalRankFusion().fuse({"x": run_of("x", "abz"), "y": run_of("y", "bay")}, plan(x=1, y=1))

    assert fused.doc_ids("q") == ["b", "a", "z", "y"]
    assert scores(fused)["a"] == scores(fused)["b"]


def test_an_expert_that_was_not_asked_about_a_query_has_no_say_in_it() -> None:
    both = Queries.from_pairs([("p", "one"), ("q", "two")])
    frame = pl.DataFrame([("p", "x", 1.0), ("q", "x", 1.0), ("q", "y", 1.0)], schema=PLAN, orient="row")
    runs = {
        "x": Run.of(pl.concat([run_of("x", "a", "p").frame, run_of("x", "a", "q").frame]).drop("rank"), "x"),
        "y": Run.of(pl.concat([run_of("y", "b", "p").frame, run_of("y", "b", "q").frame]).drop("rank"), "y"),
    }

    fused = ReciprocalRankFusion().fuse(runs, Plan.of(frame, both))

    assert fused.doc_ids("p") == ["a"]
    assert fused.doc_ids("q") == ["b", "a"]


def test_an_expert_that_found_nothing_changes_nothing() -> None:
    alone = ReciprocalRankFusion().fuse({"x": run_of("x", "ab")}, plan(x=1))
    beside = ReciprocalRankFusion().fuse({"x": run_of("x", "ab"), "y": Run.empty("y")}, plan(x=1, y=1))

    assert_frame_equal(alone.frame, beside.frame)


def test_when_nobody_found_anything_the_run_is_empty() -> None:
    assert ReciprocalRankFusion().fuse({"x": Run.empty("x"), "y": Run.empty("y")}, plan(x=1, y=1)).frame.height == 0


RANKING = st.permutations("abcdefg").map(lambda letters: "".join(letters[:5]))


@settings(deadline=None, max_examples=50)
@given(first=RANKING, second=RANKING, third=RANKING, weights=st.tuples(*[st.floats(0.125, 5, width=32)] * 3))
def test_the_order_of_the_experts_changes_nothing(
    first: str, second: str, third: str, weights: tuple[float, float, float]
) -> None:
    runs = {"x": run_of("x", first), "y": run_of("y", second), "z": run_of("z", third)}
    weighted = plan(**dict(zip("xyz", weights, strict=True)))
    backwards: Mapping[str, Run] = dict(reversed(runs.items()))

    one, other = (ReciprocalRankFusion().fuse(given_runs, weighted) for given_runs in (runs, backwards))

    assert_frame_equal(one.frame, other.frame)


def test_no_runs_can_not_be_fused() -> None:
    with pytest.raises(InputError, match="no runs; ask at least one expert"):
        ReciprocalRankFusion().fuse({}, plan(x=1))


def test_a_negative_k_is_refused() -> None:
    with pytest.raises(ConfigError, match="rrf: k is -1; it must be at least 0"):
        RrfOptions(k=-1)


def test_the_identity_ranker_returns_the_run_itself() -> None:
    run = run_of("x", "cab")

    assert IdentityRanker().rerank(Q, run, corpus=()) is run  # type: ignore[arg-type]
