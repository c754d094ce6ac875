"""Drawing from scores: against a sort, by hand, and the published trade of quality against diversity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.bits import Bits
from periti.datasets.selection.budget import Budget
from periti.datasets.selection.quotas import Quota, divided
from periti.datasets.selection.sampler import Sampling, sample
from periti.datasets.selection.threshold import Keyed, best_within
from periti.errors import InputError


def column(*scores: float) -> NDArray[np.float64]:
    return np.array(scores, np.float64)[:, None]


def chosen(scores: NDArray[np.float64], budget: str, **options: object) -> list[int]:
    arrays = {key: options.pop(key) for key in ("tokens", "groups", "open") if key in options}
    drawn = sample(scores, Sampling(Budget.parse(budget), **options), **arrays)  # type: ignore[arg-type]
    return [int(row) for row in drawn.rows]


# budgets


@pytest.mark.parametrize(
    ("text", "documents", "tokens", "amount"),
    [
        ("500", 1000, 9, 500),
        ("5%", 1000, 9, 50),
        ("5 %", 19, 9, 1),
        ("29%", 100, 9, 29),
        ("7%", 100, 9, 7),
        ("100%", 7, 9, 7),
        ("12.5%", 80, 9, 10),
        ("10,000 tokens", 3, 20_000, 10_000),
        ("5% tokens", 3, 1000, 50),
        ("3 documents", 3, 9, 3),
        ("1_0 docs", 30, 9, 10),
    ],
)
def test_a_budget_is_read_as_people_write_it(text: str, documents: int, tokens: int, amount: int) -> None:
    assert Budget.parse(text).of(documents, tokens) == amount


@pytest.mark.parametrize("text", ["", "0", "-3", "101%", "0%", "2.5", "five", "5 %%", "5 words", "nan", "1e9", "inf"])
def test_a_budget_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="budget"):
        Budget.parse(text)


def test_a_budget_above_what_is_there_is_refused_in_either_unit() -> None:
    with pytest.raises(InputError, match=r"budget is 11 documents, and only 10 of the pool may be chosen"):
        Budget.parse("11").of(10, 99)
    with pytest.raises(InputError, match=r"budget is 100 tokens, and only 99"):
        Budget.parse("100 tokens").of(10, 99)
    with pytest.raises(InputError, match="no document of the pool may be chosen"):
        Budget.parse("5%").of(0, 0)


# the best that fit


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_threshold_search_chooses_what_a_sort_would(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 60))
    value = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 2.0])
    keys = np.array(data.draw(st.lists(value, min_size=size, max_size=size)))
    costs = np.array(data.draw(st.lists(st.integers(1, 5), min_size=size, max_size=size)))
    groups = np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    free = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    budgets = np.array(data.draw(st.lists(st.integers(0, 40), min_size=3, max_size=3)))
    expected = set()
    for group in range(3):
        left = int(budgets[group])
        for row in sorted(np.flatnonzero(free & (groups == group)), key=lambda row: (-keys[row], row)):
            left -= int(costs[row])
            if left < 0:
                break
            expected.add(int(row))
    marks = Bits(size)
    stretch = 8 * data.draw(st.integers(1, 3))

    best_within(
        lambda: (
            Keyed(first, *(array[first : first + stretch] for array in (keys, costs, groups, free)))
            for first in range(0, size, stretch)
        ),
        budgets,
        marks,
    )

    assert set(marks.rows().tolist()) == expected


def test_bits_are_counted_and_read_in_stretches() -> None:
    bits = Bits(21)
    bits.mark(8, np.array([True, False, True] + [False] * 9 + [True]))
    bits.mark_rows(np.array([0, 7, 7], np.int64))

    assert bits.rows().tolist() == [0, 7, 8, 10, 20]
    assert bits.count() == 5
    assert np.flatnonzero(bits.stretch(8, 13)).tolist() == [0, 2, 12]


# top-k


def test_the_best_are_chosen_and_equal_ones_in_the_pool_s_order() -> None:
    assert chosen(column(1, 3, 2, 3, 3), "2") == [1, 3]
    assert chosen(column(0, 0, 0, 0), "50%") == [0, 1]


def test_a_budget_in_tokens_takes_the_beginning_of_the_order_that_fits() -> None:
    scores, tokens = column(5, 4, 3, 2, 1), [10, 10, 30, 5, 5]

    assert chosen(scores, "25 tokens", tokens=tokens) == [0, 1], "the third does not fit, so no cheaper one slips in"
    assert chosen(scores, "55 tokens", tokens=tokens) == [0, 1, 2, 3]
    with pytest.raises(InputError, match="no document is as short as the 9 tokens"):
        chosen(scores, "9 tokens", tokens=tokens)


def test_what_is_closed_or_minus_infinite_is_never_chosen() -> None:
    scores = column(9, -math.inf, 1, 2)

    assert chosen(scores, "2", open=np.array([False, True, True, True])) == [2, 3]
    for temperature in (0.0, 1.0, math.inf):
        assert chosen(scores, "3", temperature=temperature) == [0, 2, 3]
    with pytest.raises(InputError, match="only 3 of the pool may be chosen"):
        chosen(scores, "4")


def test_the_seed_decides_and_the_same_seed_repeats() -> None:
    scores = np.random.default_rng(0).normal(size=(400, 1))
    draws = [tuple(chosen(scores, "40", temperature=1.0, seed=seed)) for seed in (1, 1, 2)]

    assert draws[0] == draws[1] != draws[2]
    assert chosen(scores, "40", seed=1) == chosen(scores, "40", seed=2), "top-k draws nothing"


def test_noise_is_as_large_beside_scores_of_any_scale() -> None:
    # The trap of unit noise on raw sums: there a scale of 500 would be top-k, one of .001 chance.
    scores = np.random.default_rng(0).normal(size=(3000, 1))
    draws = {tuple(chosen(scale * scores + 7, "150", temperature=0.5, seed=3)) for scale in (1 / 1024, 1.0, 512.0)}

    assert len(draws) == 1
    best = set(chosen(scores, "150"))
    assert 0.2 < len(best & set(draws.pop())) / 150 < 0.95


def test_infinite_temperature_is_chance_and_zero_spread_too() -> None:
    scores = np.linspace(0, 1, 2000)[:, None]

    assert abs(np.mean(chosen(scores, "500", temperature=math.inf)) - 1000) < 80
    flat = chosen(np.zeros((2000, 1)), "500", temperature=0.5)
    assert flat != list(range(500))
    assert abs(np.mean(flat) - 1000) < 80


def test_gumbel_top_k_is_sampling_by_the_softmax() -> None:
    # Of three, with z in (-1.22, 0, 1.22): each of 3,000 such groups chooses one, as softmax(z / temperature) says.
    scores = np.tile([0.0, 1.0, 2.0], 3000)[:, None]
    names = [f"group {row // 3}" for row in range(9000)]
    z = (np.arange(3) - 1) / math.sqrt(2 / 3)
    expected = np.exp(z / 2) / np.exp(z / 2).sum()

    rows = chosen(scores, "3000", temperature=2.0, seed=1, groups=names, quota=Quota("equal"))

    assert np.abs(np.bincount(np.array(rows) % 3, minlength=3) / 3000 - expected).max() < 0.03


def effective(groups: NDArray[np.int64]) -> float:
    """exp of the entropy: how many equally large groups would be as mixed."""
    p = np.bincount(groups, minlength=20) / len(groups)
    return float(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum()))


def test_the_curve_of_quality_against_diversity() -> None:
    # The reference's figures for QuRating's sampler: 20,000 items of 20 clusters, offset N(0, 1), keep 5 %, 10 seeds:
    # effective clusters 7.8, 16.4, 18.7 and mean quality z 2.0, 0.9, 0.5 at top-k, tau 1 and tau 2.
    found: dict[float, list[tuple[float, float]]] = {0.0: [], 1.0: [], 2.0: []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        cluster = rng.integers(0, 20, 20_000)
        quality = rng.normal(size=20)[cluster] + rng.normal(size=20_000)
        z = (quality - quality.mean()) / quality.std()
        for temperature, rows in found.items():
            taken = chosen(quality[:, None], "5%", temperature=temperature, seed=seed)
            rows.append((effective(cluster[taken]), float(z[taken].mean())))
    means = {temperature: np.mean(rows, axis=0) for temperature, rows in found.items()}

    for temperature, clusters, level in ((0.0, 7.8, 2.0), (1.0, 16.4, 0.9), (2.0, 18.7, 0.5)):
        assert abs(means[temperature][0] - clusters) < 1.2, means
        assert abs(means[temperature][1] - level) < 0.1, means


@pytest.mark.parametrize("temperature", [-1.0, math.nan])
def test_a_temperature_must_be_one(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature"):
        Sampling(Budget(5), temperature=temperature)


# several columns


def test_criteria_are_standardised_and_summed() -> None:
    # The second is in thousands and would decide alone if summed raw; by z row 0 (1.22 + 0) wins.
    scores = np.array([[2.0, 2000.0], [0.0, 3000.0], [1.0, 1000.0]])

    drawn = sample(scores, Sampling(Budget(1)))

    assert drawn.rows.tolist() == [0]
    assert drawn.columns == ("all criteria",)
    np.testing.assert_allclose(drawn.moments, [[1, math.sqrt(2 / 3)], [2000, 1000 * math.sqrt(2 / 3)]])


def test_targets_choose_in_turn_and_never_the_same_row() -> None:
    scores = np.array([[9.0, 9.0], [8.0, 8.0], [7.0, 1.0], [1.0, 7.0], [0.0, 0.0]])

    drawn = sample(scores, Sampling(Budget(3), shares=(2, 1)))

    assert [marks.rows().tolist() for marks in drawn.marks] == [[0, 1], [3]]
    assert drawn.chooser(0, 5).tolist() == [0, 0, -1, 1, -1]
    assert drawn.budgets == (2, 1)


def test_a_target_that_finds_too_few_says_so() -> None:
    scores = np.array([[1.0, -math.inf], [2.0, 5.0], [3.0, -math.inf]])

    with pytest.raises(InputError, match=r"1 may choose only 0 documents of those that are left"):
        sample(scores[:, [0, 1]], Sampling(Budget(3), shares=(2, 1)))


# quotas


def groups(text: str) -> Sequence[str]:
    return list(text)


def test_a_quota_gives_each_group_its_best() -> None:
    scores = column(9, 8, 7, 3, 2, 1)

    assert chosen(scores, "2", groups=groups("aaabbb")) == [0, 1], "without a quota all compete"
    assert chosen(scores, "2", groups=groups("aaabbb"), quota=Quota("equal")) == [0, 3]
    assert chosen(scores, "3", groups=groups("aaaabb"), quota=Quota("pool")) == [0, 1, 4]
    assert chosen(scores, "3", groups=groups("aaabbb"), quota=Quota.parse("b=2,a=1")) == [0, 3, 4]
    assert chosen(scores, "2", groups=groups("aaabbb"), quota=Quota.parse("b=1")) == [3, 4]


def test_what_a_group_lacks_goes_to_the_others() -> None:
    assert divided(9, Quota("equal"), "abc", np.array([1, 10, 10])).tolist() == [1, 4, 4]
    assert divided(21, Quota("equal"), "abc", np.array([1, 10, 10])).tolist() == [1, 10, 10]
    assert divided(4, Quota.parse("a=3,b=1"), "abc", np.array([2, 9, 9])).tolist() == [2, 2, 0]


def test_a_quota_that_can_not_be_filled_is_refused() -> None:
    with pytest.raises(InputError, match=r"groups a have 2 to choose from and shall give 3"):
        divided(3, Quota.parse("a=1"), "ab", np.array([2, 9]))
    with pytest.raises(InputError, match=r"group 'aa', which the pool does not have; did you mean 'a'\? known: a, b"):
        divided(3, Quota.parse("aa=1"), "ab", np.array([2, 9]))


@pytest.mark.parametrize("text", ["some", "a=1,a=2", "a=x", "a=0", "a=-1", "=1", "a=nan", "shares"])
def test_a_quota_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="quota"):
        Quota.parse(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 60), st.sampled_from(["equal", "pool"]))
def test_a_division_is_whole_and_within_its_room(room: list[int], total: int, kind: str) -> None:
    total = min(total, sum(room))

    given_ = divided(total, Quota(kind), [f"g{i}" for i in range(len(room))], np.array(room))

    assert given_.sum() == total
    assert (given_ <= np.array(room)).all()
    assert (given_ >= 0).all()


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="2 rows have 3 token counts"):
        chosen(column(1, 2), "1", tokens=[1, 1, 1])
