from __future__ import annotations

import numpy as np
import pytest

from periti.errors import InputError
from periti.evaluation.adjudication.orders import Budget, Mode, Order, follow, inclusion, judged_grades, prefixes
from tests.evaluation.adjudication.toy import toy_pool, toy_topic


def order(docs: list[int], urgency: list[float]) -> Order:
    return Order(np.array(docs), np.array(urgency))


@pytest.mark.parametrize(
    ("amount", "mode", "size", "documents"),
    [
        (0.25, "per_topic_share", 6, 2),  # 1.5, half up
        (0.1, "per_topic_share", 6, 1),  # .6
        (0.01, "per_topic_share", 6, 1),  # at least one
        (0.3, "per_topic_share", 5, 2),  # 1.5 - 2e-16 in float64
        (1.0, "per_topic_share", 6, 6),
        (0.5, "per_topic_share", 0, 0),
        (4, "per_topic_fixed", 6, 4),
    ],
)
def test_a_budget_pays_for_a_share_rounded_half_up_or_a_number(
    amount: float, mode: Mode, size: int, documents: int
) -> None:
    assert Budget(amount, mode).most(size) == documents


def test_a_global_budget_goes_to_the_most_urgent_query_and_ties_to_the_first() -> None:
    # Urgencies q1 .9 .2 .8, q2 .9 .5 .1: q1 (tie), q2, q2, q1 (.2), q1 (.8).
    orders = [order([0, 1, 2], [0.9, 0.2, 0.8]), order([0, 1, 2], [0.9, 0.5, 0.1])]
    pool = toy_pool()
    spent = [prefixes(pool, orders, Budget(amount, "global")).tolist() for amount in (2, 3, 4, 5)]
    assert spent == [[1, 1], [1, 2], [2, 2], [3, 2]]


def test_a_global_share_counts_the_whole_pool() -> None:
    orders = [follow("depth", topic, seed=0, limit=6) for topic in toy_pool().topics]
    # Half of twelve; depth goes rank by rank over queries: both have best ranks 1 1 1 2 3 4.
    assert prefixes(toy_pool(), orders, Budget(0.5, "global")).tolist() == [3, 3]


def test_grades_outside_the_prefix_are_not_known() -> None:
    orders = [order([1, 0], [0, 0]), order([2], [0])]
    grades = judged_grades(toy_pool(), orders, np.array([1, 1]))
    assert grades.tolist() == [-1, 1, -1, -1, -1, -1, -1, -1, 2, -1, -1, -1]


@pytest.mark.parametrize(
    ("amount", "mode", "sentence"),
    [
        (0, "per_topic_share", "the budget is 0; give a positive number"),
        (float("nan"), "global", "give a positive number"),
        (1.5, "per_topic_share", "the budget is 1.5 of every query's pool, larger than the pool; give a share"),
        (2.5, "per_topic_fixed", "the budget is 2.5 documents; give a whole number"),
    ],
)
def test_a_budget_that_is_none_is_refused(amount: float, mode: Mode, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Budget(amount, mode)


def test_another_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no budget mode named 'per_topic'; did you mean"):
        Budget(1, "per_topic")  # type: ignore[arg-type]


def test_a_budget_larger_than_the_pool_is_refused() -> None:
    with pytest.raises(InputError, match="7 documents a query, but the pool of query 'q1' holds 6; give at most that"):
        Budget(7, "per_topic_fixed").require(toy_pool())
    with pytest.raises(InputError, match="13 documents, but the pool of all queries holds 12; give at most that"):
        Budget(13, "global").require(toy_pool())
    Budget(12, "global").require(toy_pool())
    Budget(6, "per_topic_fixed").require(toy_pool())


def test_budgets_are_prefixes_of_one_order() -> None:
    for method in ("ts", "hedge", "active", "mtf"):
        short, long = (follow(method, toy_topic(), seed=3, limit=limit).docs.tolist() for limit in (3, 6))
        assert long[:3] == short


def test_only_active_sampling_knows_its_chances() -> None:
    with pytest.raises(InputError, match="choose method active"):
        inclusion(follow("mtf", toy_topic(), seed=0, limit=2), 2, np.array([0]))
