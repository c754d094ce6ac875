"""Fast fusion beside the same rules over dictionaries, one document at a time; and what makes it fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, sqrt
from statistics import median

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from periti.rankers.fusion import candidates, codes, parts, ties
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import made, weighted
from periti.types import SCORED, Run

Said = list[tuple[float, float, int]]
"""What the lists that have a document say of it: weight, scaled score, rank."""

RULES: Mapping[str, Callable[[Said], float]] = {
    "rrf": lambda said: sum(w / (60 + r) for w, _, r in said),
    "isr": lambda said: len(said) * sum(w / r**2 for w, _, r in said),
    "log-isr": lambda said: log(len(said) + 0.01) * sum(w / r**2 for w, _, r in said),
    "rbc": lambda said: sum(w * (1 - 0.8) * 0.8 ** (r - 1) for w, _, r in said),
    "comb-sum": lambda said: sum(w * s for w, s, _ in said),
    "comb-mnz": lambda said: len(said) * sum(w * s for w, s, _ in said),
    "comb-gmnz": lambda said: len(said) ** 1.5 * sum(w * s for w, s, _ in said),
    "comb-anz": lambda said: sum(w * s for w, s, _ in said) / sum(w for w, _, _ in said),
    "comb-max": lambda said: max(w * s for w, s, _ in said),
    "comb-min": lambda said: min(w * s for w, s, _ in said),
    "comb-med": lambda said: median(w * s for w, s, _ in said),
    "wmnz": lambda said: sum(s for _, s, _ in said) * sum(w for w, _, _ in said),
    "mixed": lambda said: sqrt(len(said)) * sum(w * s for w, s, _ in said),
}
"""Rule -> a document's score; scores min-max scaled, missing documents at 0."""

Lists = dict[str, dict[str, dict[str, float]]]
"""Expert -> query -> document -> score."""


def oracle(rule: str, lists: Lists, weights: Mapping[str, float]) -> dict[str, list[tuple[str, float]]]:
    """Query -> documents in order, with their scores in float64."""
    said: dict[str, dict[str, Said]] = {}
    for expert in sorted(lists):
        for query_id, own in lists[expert].items():
            low, high = min(own.values()), max(own.values())
            order = sorted(sorted(own, reverse=True), key=lambda doc_id: -own[doc_id])
            for rank, doc_id in enumerate(order, 1):
                value = 1.0 if high == low else (own[doc_id] - low) / (high - low)
                said.setdefault(query_id, {}).setdefault(doc_id, []).append((weights[expert], value, rank))
    fused = {}
    for query_id, documents in said.items():
        score = {doc_id: RULES[rule](each) for doc_id, each in documents.items()}
        best = {doc_id: min(rank for _, _, rank in each) for doc_id, each in documents.items()}
        by_id = sorted(documents, reverse=True)
        order = sorted(by_id, key=lambda doc_id: (-np.float32(score[doc_id]), best[doc_id]))
        fused[query_id] = [(doc_id, score[doc_id]) for doc_id in order]
    return fused


def runs_of(lists: Lists) -> dict[str, Run]:
    rows = {name: [(q, d, s) for q, own in lists[name].items() for d, s in own.items()] for name in lists}
    return {name: Run.of(pl.DataFrame(own, schema=SCORED, orient="row"), name) for name, own in rows.items()}


def agrees(rule: str, lists: Lists, weights: Mapping[str, float]) -> None:
    runs = runs_of(lists)
    fused = made(rule, {}).fuse(runs, weighted(everybody(runs), weights)).frame
    meant = oracle(rule, lists, weights)

    rows = [(query_id, doc_id) for query_id in sorted(meant) for doc_id, _ in meant[query_id]]
    assert fused.select("query_id", "doc_id").rows() == rows
    expected = [score for query_id in sorted(meant) for _, score in meant[query_id]]
    steps = 1.2e-7 * max(len(own) for own in meant.values())  # a tie of n is lowered by less than n float32 steps
    np.testing.assert_allclose(fused["score"], expected, rtol=1e-6 + steps, atol=1e-6)
    assert_frame_equal(Run.of(fused, "x").frame, fused)


DOCUMENTS = ["a", "b", "é", "a-long-identifier-1", "a-long-identifier-2", "Z", "z", "日本"]
# Scores and weights are small powers of two apart, so that sums are exact and ties in the oracle are ties.
LIST = st.dictionaries(st.sampled_from(DOCUMENTS), st.sampled_from([-2.0, 0.0, 2.0]), min_size=1)
LISTS = st.dictionaries(
    st.sampled_from("xyz"), st.dictionaries(st.sampled_from(["q", "p", "q10", "q2"]), LIST, min_size=1), min_size=1
)


@pytest.mark.parametrize("rule", sorted(RULES))
@settings(deadline=None, max_examples=15)
@given(lists=LISTS, weight=st.sampled_from([1.0, 2.0, 0.25]))
def test_every_rule_and_its_ties_are_those_of_the_oracle(rule: str, lists: Lists, weight: float) -> None:
    agrees(rule, lists, {"x": 1.0, "y": weight, "z": 1.0})


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rule", ["rrf", "comb-sum", "comb-max", "comb-mnz"])
def test_many_queries_of_many_documents_are_fused_as_the_oracle_does(rule: str, tied: bool) -> None:
    rng = np.random.default_rng(7)
    lists: Lists = {}
    for name in "xyz":
        for query in range(60):
            own = rng.choice(900, int(rng.integers(1, 300)), replace=False)
            # Of eighths between 0 and 1 min-max makes exact numbers, so sums tie; others do not.
            score = (
                np.append([0, 1], rng.integers(0, 9, len(own)) / 8) if tied else rng.permutation(len(own) + 2) / 1000
            )
            lists.setdefault(name, {})[f"q{query}"] = {
                f"d{i}": float(np.float32(s)) for i, s in zip([900, 901, *own.tolist()], score, strict=True)
            }

    assert sum(len(own) for own in lists["x"].values()) > candidates._BLOCK / 2
    agrees(rule, lists, dict.fromkeys("xyz", 1.0))


# the ways in which it is fast


@settings(deadline=None, max_examples=15)
@given(lists=LISTS, rows=st.integers(1, 5), rule=st.sampled_from(["rrf", "comb-sum", "borda", "condorcet", "sum"]))
def test_parts_change_nothing(lists: Lists, rows: int, rule: str) -> None:
    runs = runs_of(lists)
    plan = everybody(runs)
    whole = made(rule, {}).fuse(runs, plan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_ROWS", rows)
        assert_frame_equal(made(rule, {}).fuse(runs, plan).frame, whole.frame)
        for name, run in runs.items():
            assert_frame_equal(pl.concat([part[name].frame for part in parts.split(runs)]), run.frame)


IDS = st.lists(st.sampled_from(DOCUMENTS), max_size=30).map(lambda ids: pl.Series(ids, dtype=pl.String))


@pytest.mark.parametrize("few", [0, 100])
@settings(deadline=None, max_examples=25)
@given(ids=IDS)
def test_codes_are_equal_where_ids_are(few: int, ids: pl.Series) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "_FEW", few)
        places, distinct = codes.coded(ids)

    assert distinct[places].to_list() == ids.to_list()
    assert sorted(distinct) == sorted(set(ids))


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "_FEW", 0)
    monkeypatch.setattr(codes, "first_of", lambda hashes: np.zeros(len(hashes), np.intp))
    ids = pl.Series(["a", "b", "a"])

    places, distinct = codes.coded(ids)

    assert distinct[places].to_list() == ["a", "b", "a"]
    assert len(distinct) == 2


@settings(deadline=None, max_examples=25)
@given(hashes=st.lists(st.sampled_from([0, 1, 2, 1 << 63, (1 << 64) - 1, 1 << 40]), max_size=40))
def test_rows_of_one_hash_find_one_of_them(hashes: list[int]) -> None:
    given_hashes = np.array(hashes, np.uint64)

    first = codes.first_of(given_hashes)

    np.testing.assert_array_equal(given_hashes[first], given_hashes)
    assert len(set(first.tolist())) == len(set(hashes))


@pytest.mark.parametrize(("block", "table"), [(1, 1), (5, 7), (1 << 13, 1 << 24)])
def test_candidates_do_not_depend_on_how_many_are_grouped_at_once(
    block: int, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_BLOCK", block)
    monkeypatch.setattr(candidates, "_TABLE", table)

    found = candidates.Candidates.of(np.array([3, 2, 4]), np.array([1, 0, 1, 2, 2, 0, 2, 1, 0]), 3)

    assert found.of_row.tolist() == [1, 0, 1, 2, 2, 3, 5, 4, 3]
    assert found.doc.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.sizes.tolist() == [2, 1, 3]


@pytest.mark.parametrize("few", [0, 100])
def test_ranks_that_do_not_fit_one_integer_are_sorted_all_the_same(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "_FEW", few)
    docs, deep = pl.Series(["b", "a", "c", "d"]), 1 << 31
    found = candidates.Candidates(np.arange(5), np.array([0, 1, 2, 3, 0]), np.array([4, 1]))
    score = np.array([1, 1, 1, 2, 5], np.float32)

    for scale in (1, deep // 4):
        ids, _ = ties.settle(ties.Standings(score, np.array([1, 1, 3, 4, 2]) * scale, found), docs)
        assert ids.to_list() == ["d", "b", "a", "c", "b"]
