"""Policies, each row by hand: who is asked, with what weight, and what happens at ties and at the edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from periti.errors import ConfigError, InputError
from periti.protocols import Policy
from periti.retrievers.policies import AllExperts
from periti.retrievers.policies.adaptive import EntropyGate, EntropyOptions, TopP, TopPOptions, tsallis
from periti.retrievers.policies.budget import Budget, BudgetOptions
from periti.retrievers.policies.fixed import Argmax, TopK, TopKOptions, Weighted, WeightedOptions
from periti.retrievers.policies.rows import Softening, shares
from periti.retrievers.policies.threshold import Threshold, ThresholdOptions, calibrated
from periti.types import Queries

NAMES = "abcdefgh"


def asked(policy: Policy, *rows: list[float]) -> Any:
    """The experts of every row with their weights, in the order of the plan; one row is given bare."""
    queries = Queries.from_pairs([(f"q{i}", "x") for i in range(len(rows))])
    scores = np.array(rows, np.float32)
    plan = policy.select(queries, NAMES[: scores.shape[1]], scores).frame
    each = [dict(plan.filter(pl.col("query_id") == q).select("expert", "weight").iter_rows()) for q in queries.ids]
    return each[0] if len(each) == 1 else each


def softmax(*values: float) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


# shares


def test_shares_are_the_softmax_of_standardised_scores() -> None:
    # (3, 1): mean 2, standard deviation 1.
    rows = np.array([[3.0, 1.0], [0.301, 0.299], [5.0, 5.0]])

    found = shares(rows, Softening(temperature=0.5))
    np.testing.assert_allclose(found, [softmax(2, -2), softmax(2, -2), [0.5, 0.5]])
    np.testing.assert_allclose(shares(rows[:2], Softening(scale=4.0)), [softmax(0.5, 0), softmax(0.0005, 0)])


# a fixed number


def test_argmax_asks_the_best_and_of_equals_the_first() -> None:
    assert asked(Argmax(), [1, 3, 2], [2, 2, 1], [-5, -4, -4]) == [{"b": 1}, {"a": 1}, {"b": 1}]


def test_top_k_asks_the_k_best_and_of_equals_the_first() -> None:
    policy = TopK(TopKOptions(k=2, weights="equal"))

    assert asked(policy, [1, 3, 2], [1, 1, 1], [0, 1, 1]) == [
        {"b": 0.5, "c": 0.5},
        {"a": 0.5, "b": 0.5},
        {"b": 0.5, "c": 0.5},
    ]
    assert asked(TopK(TopKOptions(k=9)), [1, 2]).keys() == {"a", "b"}


def test_top_k_weighs_by_shares_of_those_asked() -> None:
    sigma = math.sqrt(2 / 3)

    found = asked(TopK(TopKOptions(k=2)), [1, 2, 3])
    assert found == pytest.approx(dict(zip("bc", softmax(0, 1 / sigma), strict=True)), rel=1e-6)


def test_all_experts_are_asked_by_weight_however_small() -> None:
    found = asked(Weighted(WeightedOptions(temperature=1e-3)), [1, 2, 3])

    assert found["c"] == pytest.approx(1)
    assert 0 < found["a"] <= found["b"] < 1e-9
    assert asked(Weighted(WeightedOptions()), [2, 2]) == {"a": 0.5, "b": 0.5}


# top-p


def by_shares(*given: float) -> list[float]:
    """Scores whose softmax at scale 1 has these shares."""
    return [math.log(share) for share in given]


@pytest.mark.parametrize(
    ("p", "experts"),
    [
        (0.0, "a"),
        (0.45, "a"),
        (0.55, "ac"),  # .5 does not exceed .55, so the crossing expert c is kept
        (0.79, "ac"),
        (0.81, "acb"),
        (1.0, "abcd"),
    ],
)
def test_top_p_keeps_the_smallest_set_that_exceeds_p(p: float, experts: str) -> None:
    found = asked(TopP(TopPOptions(p=p, scale=1.0)), by_shares(0.5, 0.15, 0.3, 0.05))
    kept = dict(zip("abcd", (0.5, 0.15, 0.3, 0.05), strict=True))

    assert found.keys() == set(experts)
    total = sum(kept[name] for name in experts)
    assert found == pytest.approx({name: kept[name] / total for name in experts}, rel=1e-5)


def test_top_p_at_zero_is_argmax_and_at_one_all() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 5)).round(1).tolist()

    assert [*map(set, asked(TopP(TopPOptions(p=0.0)), *rows))] == [*map(set, asked(Argmax(), *rows))]
    assert all(len(one) == 5 for one in asked(TopP(TopPOptions(p=1.0)), *rows))


def test_top_p_keeps_within_its_bounds_and_breaks_ties_by_order() -> None:
    assert asked(TopP(TopPOptions(p=0.1, least=2)), [1, 1, 1]) == {"a": 0.5, "b": 0.5}
    assert asked(TopP(TopPOptions(p=0.9, most=2)), [1, 1, 1]) == {"a": 0.5, "b": 0.5}


# entropy


@pytest.mark.parametrize(("n", "largest"), [(2, 0.67), (4, 1.29), (6, 1.64), (8, 1.88), (16, 2.42)])
def test_the_largest_tsallis_entropy_is_what_the_reference_lists_and_becomes_one(n: int, largest: float) -> None:
    assert (1 - n ** (1 - 1.1)) / (1.1 - 1) == pytest.approx(largest, abs=0.005)
    assert tsallis(np.full((1, n), 1 / n), 1.1) == pytest.approx(1.0)
    assert tsallis(np.eye(n)[:1], 1.1) == pytest.approx(0.0)


def test_tsallis_entropy_by_hand_and_its_limit() -> None:
    row = np.array([[0.7, 0.3]])

    assert tsallis(row, 2.0) == pytest.approx((1 - 0.49 - 0.09) / 0.5)
    shannon = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3)) / math.log(2)
    assert tsallis(row, 1.0) == pytest.approx(shannon)
    assert tsallis(row, 1.0 + 1e-6) == pytest.approx(shannon, rel=1e-4)
    assert tsallis(np.ones((3, 1)), 1.1).tolist() == [0, 0, 0]


def test_an_uncertain_query_asks_all_and_a_certain_one_few() -> None:
    policy = EntropyGate(EntropyOptions(scale=1.0))

    flat, sharp = asked(policy, by_shares(0.3, 0.3, 0.2, 0.2), by_shares(0.97, 0.01, 0.01, 0.01))
    assert flat == pytest.approx({"a": 0.3, "b": 0.3, "c": 0.2, "d": 0.2}, rel=1e-5)
    assert sharp.keys() == {"a", "b"}, "at least two"


def test_the_gate_can_open_on_a_panel_of_two_where_the_paper_s_can_not() -> None:
    assert (1 - 2 ** (1 - 1.1)) / 0.1 < 0.9
    policy = EntropyGate(EntropyOptions(scale=1.0, least=1))

    assert asked(policy, by_shares(0.5, 0.5)).keys() == {"a", "b"}
    assert asked(policy, by_shares(0.95, 0.05)).keys() == {"a"}
    assert asked(policy, [0.3]) == {"a": 1}


# threshold


def test_below_the_threshold_the_fall_back_answers_and_is_counted() -> None:
    policy = Threshold(ThresholdOptions(fallback="c", score=0.5))
    queries = Queries.from_pairs([("x", "x"), ("y", "y"), ("z", "z")])
    scores = np.array([[0.6, 0.2, 0.1], [0.4, 0.3, 0.1], [0.5, 0.1, 0.2]], np.float32)

    assert asked(policy, *scores.tolist()) == [{"a": 1}, {"c": 1}, {"a": 1}]
    assert policy.fell_back(queries, "abc", scores).tolist() == [False, True, False]
    assert policy.notes(queries, "abc", scores) == {"fallback_queries": 1}
    assert policy.notes(Queries.from_pairs([("x", "x")]), "abc", scores[:1]) == {}


def test_the_best_must_exceed_the_fall_back_by_the_margin() -> None:
    policy = Threshold(ThresholdOptions(fallback="b", margin=0.25))
    rows = [[0.5, 0.25, 0], [0.5, 0.375, 0], [0.1, 0.9, 0]]

    assert asked(policy, *rows) == [{"a": 1}, {"b": 1}, {"b": 1}]
    queries = Queries.from_pairs([(str(i), "x") for i in range(3)])
    # That the fall-back is the best itself is no fall-back.
    assert policy.fell_back(queries, "abc", np.array(rows, np.float32)).tolist() == [False, True, False]


def test_without_a_gate_it_is_argmax_and_a_gate_needs_a_fall_back() -> None:
    assert asked(Threshold(ThresholdOptions()), [1, 2]) == {"b": 1}
    with pytest.raises(ConfigError, match="a threshold needs a fallback; name the expert"):
        ThresholdOptions(score=0.5)
    with pytest.raises(ConfigError, match="the fallback 'x' is no expert; known: a, b"):
        asked(Threshold(ThresholdOptions(fallback="x", score=0.5)), [1, 2])


def test_a_threshold_is_calibrated_to_the_highest_mean_utility() -> None:
    # Trusting the top two queries gains .3 and .1, the third would lose .2.
    scores = np.array([[0.9, 0], [0.7, 0], [0.5, 0]], np.float32)
    utilities = np.array([[0.8, 0.5], [0.6, 0.5], [0.3, 0.5]])

    assert calibrated(scores, utilities, 1) == pytest.approx(0.7)
    assert calibrated(scores, utilities[:, ::-1] * [1, 0], 1) == -math.inf, "always trusted"
    assert calibrated(scores, utilities - [1, 0], 1) == math.inf, "never trusted"
    chosen = Threshold(ThresholdOptions(fallback="b", score=calibrated(scores, utilities, 1)))
    assert asked(chosen, *scores.tolist()) == [{"a": 1}, {"a": 1}, {"b": 1}]
    with pytest.raises(InputError, match="calibrate on the same queries, at least one"):
        calibrated(scores[:0], utilities[:0], 1)


# budget


def test_a_budget_buys_the_largest_shares_for_their_cost() -> None:
    # Shares for cost: a .4 / 2 = .2, b .35 / 1, c .25 / 1. The budget of 2 buys b, then c; a does not fit.
    policy = Budget(BudgetOptions(budget=2.0, costs={"a": 2.0}, scale=1.0))

    assert asked(policy, by_shares(0.4, 0.35, 0.25)) == pytest.approx({"b": 0.35 / 0.6, "c": 0.25 / 0.6}, rel=1e-5)


def test_a_dear_expert_is_not_crowded_out_by_a_cheap_one() -> None:
    # Greedily b (.05 / .1) comes first and leaves too little for a (.95 / 2), which alone is worth far more.
    policy = Budget(BudgetOptions(budget=2.0, costs={"a": 2.0, "b": 0.1}, scale=1.0))

    assert asked(policy, by_shares(0.95, 0.05)) == {"a": 1}


def test_more_budget_never_asks_for_less_and_is_never_exceeded() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 5)).tolist()
    costs = dict(zip("abcde", [0.5, 1.0, 1.5, 2.0, 3.0], strict=True))
    mass = []
    for budget in (0.5, 1.0, 2.0, 4.0, 8.0):
        made = asked(Budget(BudgetOptions(budget=budget, costs=costs)), *rows)
        spent = [sum(costs[name] for name in one) for one in made]
        assert max(spent) <= budget
        mass.append(np.mean(spent))
    assert mass == sorted(mass)
    assert mass[-1] == 8.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0.5}, "the budget of 0.5 buys no expert, the cheapest costs 1; raise it"),
        ({"costs": {"x": 1.0}}, "the cost 'x' is nobody's; known: a, b"),
        ({"costs": {"a": 0.0}}, "the cost of 'a' is 0.0; it must be a positive number"),
        ({"budget": 0.0}, "budget is 0.0; it must be positive"),
    ],
)
def test_a_budget_that_buys_nothing_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asked(Budget(BudgetOptions(**options)), [1, 2])


# what all keep

EACH = [
    Argmax(),
    TopK(TopKOptions()),
    Weighted(WeightedOptions()),
    TopP(TopPOptions()),
    EntropyGate(EntropyOptions()),
    Threshold(ThresholdOptions(fallback="a", score=0.0)),
    Budget(BudgetOptions()),
]


@pytest.mark.parametrize("policy", EACH, ids=lambda policy: type(policy).__name__)
def test_a_policy_depends_on_the_row_alone(policy: Policy) -> None:
    rows = np.random.default_rng(1).normal(size=(70, 7)).tolist()

    assert asked(policy, *rows) == [asked(policy, row) for row in rows]


@pytest.mark.parametrize("policy", EACH, ids=lambda policy: type(policy).__name__)
def test_a_panel_of_one_is_asked(policy: Policy) -> None:
    assert asked(policy, [0.3], [-2.0]) == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize("policy", EACH, ids=lambda policy: type(policy).__name__)
@pytest.mark.parametrize(
    ("scores", "message"),
    [([[0.1, np.nan]], "the score of expert 'b' for query 'q' is nan; mend the router"), ([[1.0]], r"shape \(1, 1\)")],
)
def test_scores_that_say_nothing_are_refused(policy: Policy, scores: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        policy.select(Queries.from_pairs([("q", "x")]), "ab", np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopKOptions(k=0), "k is 0"),
        (lambda: TopKOptions(weights="raw"), "weights is 'raw'; choose equal or softmax"),
        (lambda: WeightedOptions(temperature=0.0), "temperature is 0.0; it must be positive"),
        (lambda: WeightedOptions(scale=-1.0), "scale is -1.0"),
        (lambda: TopPOptions(p=1.1), "p is 1.1; it must be between 0 and 1"),
        (lambda: TopPOptions(least=3, most=2), "least is 3 and most 2"),
        (lambda: EntropyOptions(q=0.0), "q is 0.0"),
        (lambda: EntropyOptions(gate=0.9 * 1.88), "gate is 1.69.*; it is a fraction, between 0 and 1"),
    ],
)
def test_an_option_out_of_range_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_package_offers_the_policy_that_asks_everybody() -> None:
    assert asked(AllExperts(), [0.5, 0.0, 0.25]) == {"a": 0.5, "c": 0.25}
