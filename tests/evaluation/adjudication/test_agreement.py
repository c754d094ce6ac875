from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.evaluation.adjudication.agreement import Categories, categories, compare_scores, rank_agreement
from periti.evaluation.adjudication.verdicts import TESTS, Verdict, pairs, verdict
from periti.evaluation.ranking import Values
from periti.evaluation.significance.blocks import hsd, two_way
from periti.evaluation.significance.corrections import of_family
from periti.evaluation.significance.paired import t_test


def told(rows: list[tuple[int, bool]]) -> Verdict:
    return Verdict(np.array([row[0] for row in rows], dtype=np.int8), np.array([row[1] for row in rows]))


# One pair of every kind: AA AD MA-missed MD-missed MA-spurious MD-spurious PA PD, and three ties.
GOLD = told([
    (1, True), (1, True), (1, True), (1, True), (1, False), (1, False), (1, False), (1, False),
    (1, True), (0, False), (0, False),
])  # fmt: skip
LOW = told([
    (1, True), (-1, True), (1, False), (-1, False), (1, True), (-1, True), (1, False), (-1, False),
    (0, False), (1, True), (0, False),
])  # fmt: skip


def test_every_pair_falls_into_its_category() -> None:
    found = categories(GOLD, LOW)
    assert found == Categories(
        aa=1, ad=1, ma_missed=1, md_missed=1, ma_spurious=1, md_spurious=1, pa=1, pd=1, ties=3, tied_missed=1,
        tied_spurious=1,
    )  # fmt: skip
    assert (found.pairs, found.gold, found.called, found.missed, found.spurious) == (11, 5, 5, 4, 3)


def test_shares_follow_from_the_categories() -> None:
    # 10 AA, 4 missed, 2 spurious, 20 PA, 1 AD: gold 15, called 13, tp 10, fp 2, fn 5, tn 37 - 17 = 20.
    found = Categories(10, 1, 4, 0, 2, 0, 20, 0, 0)
    assert found.precision == pytest.approx(10 / 13)
    assert found.recall == pytest.approx(10 / 15)
    assert found.f1 == pytest.approx(20 / 28)
    assert found.balanced_accuracy == pytest.approx((10 / 15 + 20 / 22) / 2)
    assert found.mcc == pytest.approx((10 * 20 - 2 * 5) / (12 * 15 * 22 * 25) ** 0.5)
    assert found.active_agreement == pytest.approx(20 / 26)
    assert found.passive_agreement == pytest.approx(40 / 46)
    assert found.publication_bias == pytest.approx(1 - 10 / 17)


def test_shares_without_a_denominator_are_not_numbers_and_null_in_data() -> None:
    silent = Categories(0, 0, 3, 0, 0, 0, 2, 0, 0)
    assert np.isnan(silent.precision)
    assert silent.as_data()["precision"] is None
    assert (silent.recall, silent.mcc, silent.balanced_accuracy) == (0, 0, 0.5)


def test_ranks_agree_by_hand() -> None:
    # gold A B C D E, low B A C E D: the toy of section 5.3.
    found = rank_agreement(np.array([5.0, 4, 3, 2, 1]), np.array([4.0, 5, 3, 1, 2]))
    assert (found.tau, found.tau_ap, found.rbo) == pytest.approx((0.6, 0.375, 0.881775), abs=1e-6)
    assert found.rmse == pytest.approx((4 / 5) ** 0.5)


def test_a_ranking_that_ties_all_runs_has_no_tau() -> None:
    assert np.isnan(rank_agreement(np.array([1.0, 2, 3]), np.zeros(3)).tau)


def reference(scores: Values, test: str, alpha: float) -> list[bool]:
    first, second = pairs(scores.shape[1])
    differences = scores[:, first] - scores[:, second]
    if test == "hsd":
        return list(hsd(differences.mean(axis=0), two_way(scores))[1] <= alpha)
    return list(of_family(t_test(differences).p, test.removeprefix("t+")) <= alpha)


@pytest.mark.parametrize("test", TESTS)
@given(seed=st.integers(0, 10_000), topics=st.integers(3, 30), systems=st.integers(2, 9))
def test_verdicts_are_those_of_the_significance_tests(test: str, seed: int, topics: int, systems: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(topics, 1)) + 0.3 * rng.normal(size=(topics, systems)) + 0.1 * np.arange(systems)
    found = verdict(scores, test)
    assert found.significant.tolist() == reference(scores, test, 0.05)
    first, second = pairs(systems)
    mean = scores.mean(axis=0)
    assert (found.direction == np.sign(mean[first] - mean[second])).all()


@pytest.mark.parametrize("test", TESTS)
def test_identical_runs_are_tied_and_never_significant(test: str) -> None:
    column = np.random.default_rng(0).random(20)
    found = verdict(np.column_stack([column, column, column + 10 * np.arange(20)]), test)
    assert found.direction.tolist()[0] == 0
    assert not found.significant[0]


def test_a_constant_difference_is_significant_under_t() -> None:
    column = np.random.default_rng(0).random(20)
    assert verdict(np.column_stack([column, column + 0.1]), "t+holm").significant.tolist() == [True]


def test_a_table_agrees_fully_with_itself_and_fully_not_with_its_mirror() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 4)) * 0.1 + np.arange(4)
    same, opposite = compare_scores(scores, scores, "hsd"), compare_scores(scores, -scores, "hsd")
    assert (same.aa, same.ad, opposite.aa, opposite.ad) == (6, 0, 0, 6)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: categories(GOLD, told([(1, True)])), "11 pairs in gold and 1 in low"),
        (lambda: verdict(np.zeros((1, 3)), "hsd"), "1 queries and 3 runs; significance needs two"),
        (lambda: verdict(np.zeros((3, 3)), "t+hol"), "no test of pairs named 't\\+hol'; did you mean 't\\+holm'"),
    ],
)
def test_what_can_not_be_compared_is_refused(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
