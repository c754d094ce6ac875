"""How much of an oracle is luck: by hand, and over experts that differ in nothing but luck."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.panels.luck import Halves, halves_of, instance_oracle_of, null_oracle
from periti.panels.material import Slice
from periti.types import Qrels, Queries


class Answered:
    """What one seed's experts are worth, without a collection."""

    def __init__(self, **values: list[float]) -> None:
        self.values = {name: np.array(own) for name, own in values.items()}


def seeds_of(*given_: Any) -> Any:
    return [Answered(**one) for one in given_]


def test_the_null_oracle_takes_the_best_seed_of_each_expert_and_averages_experts() -> None:
    seeds = seeds_of({"a": [0.2, 0.8], "b": [0.5, 0.5]}, {"a": [0.6, 0.4], "b": [0.5, 0.1]})
    best, mean = null_oracle(seeds, ["a", "b"])

    np.testing.assert_allclose(best, [(0.6 + 0.5) / 2, (0.8 + 0.5) / 2])
    np.testing.assert_allclose(mean, [(0.4 + 0.5) / 2, (0.6 + 0.3) / 2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 6))
def test_the_instance_oracle_of_some_experts_is_the_mean_over_all_sets_of_so_many(row: list[float], size: int) -> None:
    size = min(size, len(row))
    expected = np.mean([max(some) for some in combinations(row, size)])

    np.testing.assert_allclose(instance_oracle_of(np.array([row]), size), [expected], atol=1e-12)


def test_over_lucky_clones_only_the_cross_fitted_half_stays_at_chance() -> None:
    rng = np.random.default_rng(0)
    clones = Halves(rng.random((3000, 6)), rng.random((3000, 6)))
    skill = np.linspace(0, 1, 6)
    skilled = Halves(clones.first + skill, clones.second + skill)

    assert clones.same.mean() - clones.mean.mean() > 0.3
    assert abs((clones.other - clones.mean).mean()) < 0.02
    assert (skilled.other - skilled.mean).mean() > 0.2


def judged(*rows: tuple[str, str, int]) -> Slice:
    frame = pl.DataFrame(rows, schema=["query_id", "doc_id", "relevance"], orient="row")
    ids = frame["query_id"].unique(maintain_order=True).to_list()
    return Slice(Queries.from_pairs([(query, "x") for query in ids]), Qrels.of(frame))


def test_halves_share_no_document_and_are_of_queries_with_two() -> None:
    part = judged(
        *(("many", f"d{i}", 1) for i in range(5)), ("one", "d0", 1), ("one", "d1", 0), ("two", "a", 2), ("two", "b", 1)
    )
    found = halves_of(part, 1)

    assert found is not None
    queries, (first, second) = found
    assert queries.ids == ["many", "two"]
    sizes = {half.filter(pl.col("query_id") == "many").height for half in (first, second)}
    assert sizes == {2, 3}
    assert first.join(second, on=["query_id", "doc_id"], how="inner").is_empty()
    together = pl.concat([first, second]).sort("query_id", "doc_id")
    assert together.equals(part.qrels.frame.filter(pl.col("query_id") != "one").sort("query_id", "doc_id"))


@pytest.mark.parametrize("least", [1, 2])
def test_without_a_query_with_two_relevant_documents_there_are_no_halves(least: int) -> None:
    part = judged(("a", "d", 2), ("a", "e", least - 1), ("b", "d", 2))

    assert halves_of(part, least) is None
