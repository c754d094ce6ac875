"""Expert health: measures by hand, and every disease injected into a panel that is well."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError, UnknownName
from periti.retrievers.diagnosis import vitals
from periti.retrievers.diagnosis.health import Bounds, Evidence, examine
from periti.types import Plan, Queries, Run
from tests.retrievers.diagnosis.panel import EXPERTS, evidence, starved, world

# measures


def test_entropy_by_hand() -> None:
    assert vitals.entropy([2, 2, 0]) == pytest.approx(math.log(2))
    assert vitals.entropy([7]) == 0
    assert vitals.entropy([0, 0]) == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_effective_members_lie_between_one_and_all(masses: list[float]) -> None:
    assert 1 - 1e-9 <= math.exp(vitals.entropy(masses)) <= len(masses) + 1e-9


def test_dead_dimensions_by_hand() -> None:
    # Deviations 1, 1, 0.005, 0 (all zero), 0 (a constant): the last three of five are dead, the median of the four
    # that are not zero is .5025.
    rows = np.array([[1.0, 1, 0.005, 0, 3], [-1, -1, -0.005, 0, 3]])

    assert vitals.dead_share(rows) == pytest.approx(3 / 5)
    assert vitals.dead_share(np.zeros((3, 4))) == 1
    assert vitals.dead_share(rows[:, :2]) == 0


def test_effective_rank_by_hand() -> None:
    # Centred already; singular values √2·(2, 1): shares 2/3 and 1/3.
    rows = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])

    expected = math.exp(-(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)))
    assert vitals.effective_rank(rows) == pytest.approx(expected)
    assert vitals.effective_rank(rows + 100) == pytest.approx(expected)
    assert vitals.effective_rank(np.ones((5, 3))) == 0


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_effective_rank_is_at_most_the_rank_and_knows_no_rotation(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d))
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]

    rank = vitals.effective_rank(rows)
    assert 1 - 1e-9 <= rank <= min(n - 1, d) + 1e-9
    assert vitals.effective_rank(rows @ turn * 3) == pytest.approx(rank)


def run(**lists: str) -> Run:
    rows = [(query, doc, float(-i)) for query, docs in lists.items() for i, doc in enumerate(docs)]
    return Run.of(pl.DataFrame(rows, schema=["query_id", "doc_id", "score"], orient="row"), "r")


def test_overlap_by_hand() -> None:
    # a: {x, y} and {y, z} share 1 of 2; b: 1 of max(1, 2); c: only one run answers.
    first, second = run(a="xy", b="x"), run(a="yz", b="xy", c="x")

    assert vitals.overlap(first, second) == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert vitals.overlap(second, first) == vitals.overlap(first, second)
    assert vitals.overlap(first, second, depth=1) == pytest.approx((0 + 1 + 0) / 3)
    assert vitals.overlap(Run.empty("a"), Run.empty("b")) == 0


@given(st.dictionaries(st.sampled_from("pqr"), st.text("abcdefghijklmno", min_size=1), min_size=1))
def test_a_run_overlaps_itself_wholly(lists: dict[str, str]) -> None:
    whole = run(**{query: "".join(sorted(set(docs))) for query, docs in lists.items()})

    assert vitals.overlap(whole, whole) == 1


def test_mean_cosine_by_hand() -> None:
    assert vitals.mean_cosine([[1, 0], [1, 1]], [[0, 2], [3, 3]]) == pytest.approx(0.5)
    assert vitals.mean_cosine([[0, 0]], [[1, 1]]) == 0


def test_wins_are_shared_by_ties() -> None:
    wins = vitals.win_shares(np.array([[1.0, 1, 0], [0, 2, 1]]))

    assert wins.tolist() == [0.25, 0.75, 0]


def test_traffic_counts_queries_by_weight() -> None:
    queries = Queries.from_pairs([("1", "a"), ("2", "b"), ("3", "c")])
    rows = [("1", "x", 3.0), ("1", "y", 1.0), ("2", "y", 0.2), ("3", "x", 5.0)]
    plan = Plan.of(pl.DataFrame(rows, schema=["query_id", "expert", "weight"], orient="row"), queries)

    datasets, counts = vitals.traffic(plan, {"1": "d", "2": "d", "3": "c"}, ["x", "y", "z"])

    assert datasets == ("c", "d")
    assert counts.tolist() == [[1, 0, 0], [0.75, 1.25, 0]]
    with pytest.raises(InputError, match="query '3' of the plan has no dataset"):
        vitals.traffic(plan, {"1": "d", "2": "d"}, ["x", "y"])
    with pytest.raises(UnknownName, match="asks expert 'y'"):
        vitals.traffic(plan, {}, ["x"])


# examination


def test_a_panel_of_two_by_hand() -> None:
    health = examine(
        Evidence(
            experts=["a", "b"],
            datasets=["d", "e"],
            counts=[[30, 10], [10, 30]],
            own={"d": "a", "e": "b"},
            utilities=[[1, 0], [1, 0], [0, 1], [1, 0], [0, 1], [0, 1]],
            utility_datasets=["d", "d", "d", "d", "e", "e"],
        )
    )

    assert health.routing_entropy == pytest.approx(math.log(2))
    assert health.effective_experts == pytest.approx(2)
    assert health.experts["load_share"].to_list() == [0.5, 0.5]
    assert health.experts["exclusivity"].to_list() == [0.75, 0.75]
    assert health.own.rows() == [("d", "a", 0.75, 0.75, 1.0), ("e", "b", 0.75, 1.0, 0.75)]
    assert health.alarms == ()
    assert health.unexamined == ("dead dimensions", "low rank", "score scale", "exclusive", "clone")


SEEDS = [1, 2, 3]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_panel_raises_no_alarm(seed: int) -> None:
    health = examine(evidence(seed))

    assert health.alarms == ()
    assert health.unexamined == ()
    assert health.pairs.height == 10
    assert health.pairs["overlap"].max() < 0.9  # type: ignore[operator]


@pytest.mark.parametrize("seed", SEEDS)
def test_half_the_units_zeroed_raises_dead_dimensions_alone(seed: int) -> None:
    vectors = world(seed).embeddings
    vectors["law"][:, ::2] = 0

    (alarm,) = examine(evidence(seed, vectors)).alarms

    assert (alarm.kind, alarm.experts, alarm.value) == ("dead dimensions", ("law",), 0.5)
    assert alarm.sentence == "50% of the dimensions of expert 'law' are dead (bound 10%); retrain it"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clone_raises_clone_alone(seed: int) -> None:
    vectors = world(seed).embeddings
    vectors["medicine"] = vectors["law"] * 1.0001

    (alarm,) = examine(evidence(seed, vectors)).alarms

    assert (alarm.kind, alarm.experts) == ("clone", ("law", "medicine"))
    assert alarm.value == pytest.approx(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_times_five_raise_score_scale_alone(seed: int) -> None:
    vectors = world(seed).embeddings
    vectors["science"] = vectors["science"] * 5

    (alarm,) = examine(evidence(seed, vectors)).alarms

    assert (alarm.kind, alarm.experts) == ("score scale", ("science",))
    assert alarm.value == pytest.approx(5, rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_starved_domain_raises_neglected_alone(seed: int) -> None:
    (alarm,) = examine(starved(evidence(seed))).alarms

    assert (alarm.kind, alarm.experts) == ("neglected", ("finance",))
    assert alarm.value < 0.1
    assert "4% of 'fin_qa' go to its own expert 'finance'" in alarm.sentence


def test_shifted_scores_are_a_mismatch_too() -> None:
    healthy = evidence(1)
    shifted = {name: np.array(sample) + (1000 if name == "base" else 0) for name, sample in healthy.scores.items()}

    (alarm,) = examine(replace(healthy, scores=shifted)).alarms

    assert (alarm.kind, alarm.experts) == ("score scale", ("base",))
    assert "deviations from the panel's" in alarm.sentence


def test_of_two_experts_nobody_knows_whose_scale_is_off() -> None:
    (alarm,) = examine(Evidence(experts=["a", "b"], scores={"a": [0, 1, 2], "b": [0, 5, 10]})).alarms

    assert (alarm.kind, alarm.experts) == ("score scale", ("a", "b"))
    assert alarm.value == pytest.approx(5)


def test_constant_scores_have_a_finite_value() -> None:
    panel = Evidence(experts=["a", "b", "c"], scores={"a": [1, 1], "b": [1, 1], "c": [0, 2]})

    assert [(alarm.experts, alarm.value) for alarm in examine(panel).alarms] == [(("a",), 0), (("b",), 0)]
    assert examine(replace(panel, scores={name: [1, 1] for name in "abc"})).alarms == ()


def test_collapsed_embeddings_are_low_rank() -> None:
    vectors = world(1).embeddings
    vectors["law"] = vectors["law"][:, :1] * np.ones(32) + 0.02 * vectors["law"]

    kinds = {(alarm.kind, alarm.experts) for alarm in examine(evidence(1, vectors)).alarms}

    assert ("low rank", ("law",)) in kinds


def test_one_expert_that_takes_the_gate_is_a_collapse_and_the_rest_idle() -> None:
    counts = np.zeros((2, 3))
    counts[:, 0] = 50

    health = examine(Evidence(experts=["a", "b", "c"], datasets=["d", "e"], counts=counts))

    assert [(a.kind, a.experts) for a in health.alarms] == [("collapse", ("a",)), ("idle", ("b",)), ("idle", ("c",))]
    assert health.effective_experts == 1


def test_a_shared_expert_that_one_dataset_uses_is_exclusive_whatever_the_datasets_sizes() -> None:
    panel = Evidence(experts=["a", "base"], datasets=["big", "small"], counts=[[800, 8], [0, 200]], shared=["base"])

    (alarm,) = examine(panel).alarms

    assert (alarm.kind, alarm.experts) == ("exclusive", ("base",))
    assert alarm.value == pytest.approx(1 / (1 + 8 / 808))
    assert examine(replace(panel, counts=[[500, 500], [5, 5]])).alarms == ()


def test_bounds_are_arguments() -> None:
    assert {alarm.kind for alarm in examine(evidence(1), Bounds(clone=0.2)).alarms} == {"clone"}


@pytest.mark.parametrize("size", [1, 5])
def test_a_panel_without_evidence_is_unexamined(size: int) -> None:
    health = examine(Evidence(experts=EXPERTS[:size]))

    assert health.alarms == ()
    assert len(health.unexamined) == 8
    assert health.routing_entropy is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experts": []}, "there are none"),
        ({"experts": ["law", "law"]}, "'law' occurs more than once"),
        ({"shared": ("nobody",)}, "speaks of expert 'nobody'"),
        ({"counts": np.ones((4, 3))}, r"the shape is \(4, 3\), expected \(4, 5\)"),
        ({"counts": np.zeros((4, 5))}, "no query at all"),
        (
            {"utilities": np.full((200, 5), np.nan)},
            r"1000 of 1000 cells are missing or not finite, the first is \(0, 0\)",
        ),
        ({"utility_datasets": ["law_qa"]}, "200 rows, 1 datasets"),
        ({"own": {"else": "law"}}, "dataset 'else' has own expert 'law' but no log"),
        ({"scores": {"law": [math.inf]}}, "scores of 'law': 1 of 1 cells"),
        ({"embeddings": {"law": np.ones((3, 2)), "base": np.ones((4, 2))}}, "numbers of rows differ"),
    ],
)
def test_evidence_that_does_not_fit_is_one_sentence(change: dict[str, object], message: str) -> None:
    with pytest.raises((InputError, UnknownName), match=message):
        examine(replace(evidence(1), **change))  # type: ignore[arg-type]
