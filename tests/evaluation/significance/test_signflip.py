"""The sign-flip test: exact against brute force, reproducible, never 0."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from periti.errors import InputError
from periti.evaluation.significance.signflip import Flips, max_t, sign_flip

RNG = np.random.default_rng(11)
LATTICE = st.lists(st.integers(-10, 10), min_size=1, max_size=9)


@given(tenths=LATTICE)
@settings(max_examples=60)
def test_the_exact_test_counts_what_brute_force_counts(tenths: list[int]) -> None:
    # Tenths have no exact float64, so that sums which are equal differ in their last bits.
    differences = np.array(tenths) / 10
    sums = [
        abs(sum(s * d for s, d in zip(signs, tenths, strict=True))) for signs in product((1, -1), repeat=len(tenths))
    ]
    expected = sum(size >= abs(sum(tenths)) for size in sums) / len(sums)
    flips = Flips.of(len(tenths), 1000, 1)
    assert flips.exact
    assert sign_flip(differences[:, None], flips).tolist() == [expected]


def test_random_flips_agree_with_the_exact_test_within_chance() -> None:
    columns = RNG.normal(0.05, 0.1, (14, 20))
    exact = sign_flip(columns, Flips.of(14, 1, 1))
    flips = Flips(14, 20_000, exact=False, seed=3)
    error = np.sqrt(exact * (1 - exact) / 20_000)
    assert (np.abs(sign_flip(columns, flips) - exact) <= 5 * error + 1 / 20_000).all()


def test_the_exact_test_agrees_with_scipy() -> None:
    column = RNG.normal(0.05, 0.1, 10)
    theirs = stats.permutation_test((column,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(column[:, None], Flips.of(10, 1, 1)).tolist() == [theirs]


def test_p_is_never_zero_however_large_the_difference() -> None:
    certain = np.full((40, 1), 0.5)
    assert sign_flip(certain, Flips.of(40, 999, 1)).tolist() == [1 / 1000]
    assert sign_flip(certain[:10], Flips.of(10, 999, 1)).tolist() == [2 / 1024]


def test_identical_systems_have_p_one() -> None:
    for topics in (6, 40):
        flips = Flips.of(topics, 999, 1)
        assert sign_flip(np.zeros((topics, 1)), flips).tolist() == [1.0]
        assert max_t(np.zeros((topics, 1)), flips).tolist() == [1.0]


def test_a_pair_has_the_same_p_whatever_else_is_compared_and_whichever_comes_first() -> None:
    columns = RNG.normal(0.02, 0.1, (30, 700))
    flips = Flips.of(30, 3000, 5)
    together = sign_flip(columns, flips)
    assert sign_flip(columns[:, 650:651], flips).tolist() == [together[650]]
    assert (sign_flip(-columns, flips) == together).all()


def test_the_unit_of_the_scores_changes_nothing() -> None:
    columns = RNG.normal(0.02, 0.1, (30, 5))
    flips = Flips.of(30, 3000, 5)
    assert (sign_flip(columns * 1024, flips) == sign_flip(columns, flips)).all()


def test_another_seed_draws_other_flips() -> None:
    columns = RNG.normal(0.02, 0.1, (30, 5))
    assert (sign_flip(columns, Flips.of(30, 3000, 1)) != sign_flip(columns, Flips.of(30, 3000, 2))).any()


def test_more_topics_than_a_machine_word_has_bits_are_all_flipped() -> None:
    signs = np.concatenate(list(Flips.of(150, 500, 1).blocks()))
    assert signs.shape == (500, 150)
    assert set(np.unique(signs).tolist()) == {-1.0, 1.0}
    assert (np.abs(signs.mean(axis=0)) < 0.2).all()


def test_exact_up_to_15_topics_or_as_many_as_asked_for_and_never_beyond_20() -> None:
    found = [Flips.of(n, b, 1).exact for n, b in ((15, 10), (16, 10), (16, 100_000), (20, 2**20), (21, 2**30))]
    assert found == [True, False, True, True, False]


def test_a_step_down_over_one_pair_is_the_test_itself() -> None:
    column = RNG.normal(0.05, 0.1, (30, 1))
    flips = Flips.of(30, 2000, 1)
    assert max_t(column, flips).tolist() == sign_flip(column, flips).tolist()


def test_maxt_agrees_with_its_definition_by_brute_force() -> None:
    columns = RNG.normal([0.12, 0.05, 0.03], 0.1, (8, 3))
    signs = np.array(list(product((1, -1), repeat=8)))
    size = np.abs(signs @ columns) / np.sqrt((columns**2).sum(axis=0))
    order = np.argsort(-size[0])
    expected, largest = np.empty(3), 0.0
    for place, pair in enumerate(order):
        rest = size[:, order[place:]].max(axis=1)
        largest = max(largest, (rest >= size[0, pair] - 1e-12).mean())
        expected[pair] = largest
    assert max_t(columns, Flips.of(8, 1, 1)).tolist() == expected.tolist()


def test_maxt_never_falls_below_the_single_test() -> None:
    columns = RNG.normal(0.04, 0.1, (30, 40))
    flips = Flips.of(30, 2000, 1)
    assert (max_t(columns, flips) >= sign_flip(columns, flips)).all()


def test_maxt_is_sharper_than_bonferroni_for_copies() -> None:
    copies = np.repeat(RNG.normal(0.04, 0.1, (30, 1)), 50, axis=1)
    flips = Flips.of(30, 2000, 1)
    assert max_t(copies, flips).tolist() == sign_flip(copies, flips).tolist()


@pytest.mark.parametrize(("permutations", "seed"), [(0, 1), (10, -1)])
def test_impossible_numbers_are_refused(permutations: int, seed: int) -> None:
    with pytest.raises(InputError, match="give 1 or more and a seed of 0 or more"):
        Flips.of(30, permutations, seed)
