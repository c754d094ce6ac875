"""Distributions from counts, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.datasets.selection.features import HashedNgrams
from periti.datasets.selection.interpolation import left_out_share
from periti.datasets.selection.smoothing import Smoothing, kl_reduction
from periti.errors import ConfigError, InputError

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any).map(np.array)


@pytest.mark.parametrize(
    ("smoothing", "target"),
    [
        ("none", [0.75, 0.25, 0.0]),
        ("laplace:1", [4 / 7, 2 / 7, 1 / 7]),
        ("jm:0.5", [0.625, 0.25, 0.125]),
        ("jm:0", [0.75, 0.25, 0.0]),
    ],
)
def test_log_ratios_by_hand(smoothing: str, target: list[float]) -> None:
    raw = [0.5, 0.25, 0.25]
    found = Smoothing.parse(smoothing).log_ratio(np.array([3, 1, 0]), np.array([4, 2, 2]))

    np.testing.assert_allclose(found, [math.log((p + 1e-8) / (q + 1e-8)) for p, q in zip(target, raw, strict=True)])


@pytest.mark.parametrize(
    "text", ["", "jm", "jm:", "jm:1", "jm:-0.1", "jm:x", "laplace:inf", "laplace:-1", "none:1", "laplace:auto"]
)
def test_a_smoothing_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="smoothing"):
        Smoothing.parse(text)


def test_a_share_to_be_found_is_no_share() -> None:
    assert Smoothing.parse("jm:auto") == Smoothing("jm", None)
    with pytest.raises(ConfigError, match="left_out_share"):
        Smoothing.parse("jm:auto").log_ratio(np.array([1]), np.array([1]))


def test_nothing_counted_is_refused() -> None:
    for target, raw in (([0, 0], [1, 1]), ([1, 1], [0, 0])):
        with pytest.raises(InputError):
            Smoothing.parse("none").log_ratio(np.array(target), np.array(raw))


def test_kl_reduction_without_backoff_is_the_difference_of_divergences() -> None:
    target, raw, selected = np.array([6, 3, 1]), np.array([1, 1, 2]), np.array([2, 1, 1])
    p, q, s = target / 10, raw / 4, selected / 4
    divergences = (p * np.log(p / q)).sum() - (p * np.log(p / s)).sum()

    assert kl_reduction(target, raw, selected, backoff=1e-12) == pytest.approx(divergences)


def test_kl_reduction_of_the_pool_itself_is_nothing_and_of_the_target_most() -> None:
    target, raw = np.array([6, 3, 1]), np.array([1, 1, 2])

    assert kl_reduction(target, raw, raw) == pytest.approx(0.0, abs=1e-12)
    others = [np.array([a, b, 10 - a - b]) for a in range(11) for b in range(11 - a)]
    best = max(others, key=lambda selected: kl_reduction(target, raw, selected, backoff=1e-12))
    assert best.tolist() == [6, 3, 1]


@given(COUNTS, COUNTS, COUNTS)
def test_kl_reduction_is_bounded_however_sparse_the_selection(
    target: np.ndarray, raw: np.ndarray, selected: np.ndarray
) -> None:
    assert math.log(0.1) - 1e-9 <= kl_reduction(target, raw, selected) < math.inf


@pytest.mark.parametrize("backoff", [0.0, 1.0, -1.0])
def test_a_backoff_that_means_nothing_is_refused(backoff: float) -> None:
    with pytest.raises(ConfigError):
        kl_reduction(np.array([1]), np.array([1]), np.array([1]), backoff)


FEATURES = HashedNgrams(1, 1 << 20)


def counts(*texts: str) -> np.ndarray:
    return FEATURES.of(texts).counts(FEATURES.buckets)


def test_the_share_is_the_best_for_left_out_examples() -> None:
    examples, raw = ["a b a c", "a d", "b a e"], counts("a b c d e f g h a b")

    def likelihood(share: float) -> float:
        total = 0.0
        for i, text in enumerate(examples):
            rest = " ".join(examples[:i] + examples[i + 1 :]).split()
            for word in text.split():
                pool = ["a", "b", "c", "d", "e", "f", "g", "h", "a", "b"]
                p, q = rest.count(word) / len(rest), pool.count(word) / len(pool)
                total += math.log((1 - share) * p + share * q)
        return total

    best = left_out_share(examples, raw, FEATURES)

    assert 0 < best < 0.95
    assert all(likelihood(best) >= likelihood(best + step) for step in (-0.02, 0.02))


def test_few_examples_need_more_of_the_pool_than_many() -> None:
    rng = np.random.default_rng(0)
    draw = [" ".join(f"w{i}" for i in rng.zipf(1.3, 50) % 1000) for _ in range(300)]
    raw = counts(*[" ".join(f"w{i}" for i in rng.integers(0, 1000, 50)) for _ in range(300)], *draw)
    shares = [left_out_share(draw[:m], raw, FEATURES) for m in (3, 30, 300)]

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[2] + 0.1


def test_copies_of_an_example_teach_nothing() -> None:
    raw = counts("a b c d e f g h a b")
    examples = ["a b a c", "a d", "b a e"]

    assert left_out_share(examples * 5, raw, FEATURES) == left_out_share(examples, raw, FEATURES)


@pytest.mark.parametrize("examples", [["x y z"], ["only"], ["a b", "c d"]])
def test_examples_that_share_nothing_leave_little_of_themselves(examples: list[str]) -> None:
    assert left_out_share(examples, counts("a b c d only x y z"), FEATURES) == pytest.approx(0.95)


def test_one_example_is_cut_in_two() -> None:
    share = left_out_share(["a b a c d a b a"], counts("a b c d e f g h a b"), FEATURES)

    assert share == left_out_share(["a b a c", "d a b a"], counts("a b c d e f g h a b"), FEATURES)
    assert share < 0.95
