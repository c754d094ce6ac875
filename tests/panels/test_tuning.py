"""Policies tuned to a mean number of experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from periti.panels import tuning
from periti.panels.choice import Promise, averaged, chosen, held_out_scores
from periti.panels.tuning import policies_of, tuned_gate, tuned_top_p, usual_spread
from periti.protocols import Policy, Vectors
from periti.retrievers.policies.adaptive import EntropyGate, TopP
from periti.retrievers.routing.base import Explanation, Scorer, Scores
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries
from tests.retrievers.routing.toy import scattered

EXPERTS = ("base", "a", "b", "c", "d")


def rows(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, i + 1, (size, len(EXPERTS))) for i, size in enumerate(sizes)]


def asked(policy: Policy, scores: list[np.ndarray]) -> float:
    """Experts asked, the mean over collections."""
    counts = []
    for own in scores:
        queries = Queries.from_pairs([(str(i), "x") for i in range(len(own))])
        counts.append(policy.select(queries, EXPERTS, own.astype(np.float32)).frame.height / len(own))
    return float(np.mean(counts))


@pytest.mark.parametrize("wanted", [1.5, 2.0, 3.0])
def test_a_tuned_policy_asks_as_many_experts_on_average_of_collections_as_wanted(wanted: float) -> None:
    scores = rows(900, 90)

    assert asked(TopP(tuned_top_p(scores, wanted)), scores) == pytest.approx(wanted, abs=0.01)
    assert asked(EntropyGate(tuned_gate(scores, wanted)), scores) == pytest.approx(wanted, abs=0.03)


def test_the_usual_spread_is_the_median_deviation_of_a_query() -> None:
    scores = [np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([[0.0, 6.0]])]

    assert usual_spread(scores) == 1.0


def test_a_flat_query_asks_more_experts_than_a_sharp_one_since_the_scale_is_one_for_all() -> None:
    policy = TopP(tuned_top_p(rows(200, 200)))
    flat, sharp = [np.array([[0.03, 0.0, 0.01, 0.02, 0.0]]), np.array([[9.0, 0.0, 3.0, 6.0, 0.0]])]

    assert asked(policy, [flat]) > asked(policy, [sharp])


def test_the_best_is_asked_beside_the_base_and_costs_one_encoding() -> None:
    policy = policies_of(rows(50))[tuning.BEST_AND_BASE]
    queries = Queries.from_pairs([("q", "x"), ("r", "x")])
    plan = policy.select(queries, EXPERTS, np.array([[0, 0, 5, 1, 1], [9, 1, 2, 3, 0]], np.float32))

    assert sorted(plan.frame.select("query_id", "expert").iter_rows()) == [
        ("q", "b"),
        ("q", "base"),
        ("r", "base"),
        ("r", "c"),
    ]


def test_a_panel_of_two_has_every_policy() -> None:
    for policy in policies_of([rows(40)[0][:, :2]]).values():
        queries = Queries.from_pairs([("q", "x")])
        assert policy.select(queries, EXPERTS[:2], np.array([[0.1, 0.2]], np.float32)).frame.height in (1, 2)


# held-out scores


def test_held_out_scores_never_come_from_a_router_that_was_fitted_on_the_query() -> None:
    table = scattered(60)
    seen: list[bool] = []

    @dataclass(frozen=True, eq=False)
    class Remembering(Scorer):
        experts: tuple[str, ...]
        fitted: frozenset[bytes]

        def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:
            seen.append(any(row.tobytes() in self.fitted for row in vectors))
            return np.zeros((len(texts), len(self.experts)), np.float32)

        def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:
            raise NotImplementedError

    def fit(known: UtilityTable) -> Scorer:
        return Remembering(known.experts, frozenset(row.tobytes() for row in known.vectors))

    found = held_out_scores(fit, table)

    assert seen
    assert not any(seen)
    assert {name: len(one.scores) for name, one in found.home.items()} == {"A": 20, "B": 20, "C": 20}
    assert all(one.experts == table.experts for one in found.home.values())
    # Strangers do not meet the expert of their own collection; e0, the fall-back, stays.
    assert {name: one.experts for name, one in found.strangers.items()} == {
        "A": ("e0", "e1", "e2"),
        "B": ("e0", "e2"),
        "C": ("e0", "e1"),
    }


def test_the_choice_is_by_the_mean_of_both_sides_and_takes_the_first_of_equals() -> None:
    promises = {"a": Promise(0.6, 0.2), "b": Promise(0.5, 0.4), "c": Promise(0.4, 0.5)}

    assert chosen(promises) == "b"
    assert Promise(0.6, None).value == 0.6
    assert averaged([Promise(0.6, None), Promise(0.4, 0.3)]) == Promise(0.5, 0.3)
