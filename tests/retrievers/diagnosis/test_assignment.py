"""Assignment of domains to fewer experts: by hand, against brute force, and never against its bounds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, Ints
from periti.retrievers.diagnosis.assignment import assign, random_start, worth


def test_without_bounds_every_domain_has_its_best_expert() -> None:
    found = assign([[1, 2], [3, 1], [0, 5]], seed=1)

    assert found.experts.tolist() == [1, 0, 1]
    assert found.value == found.greedy == 10


def test_a_swap_escapes_the_greedy_start_by_hand() -> None:
    # One place each: greedy takes 10 and is left with 0; the swap has 9 + 9.
    found = assign([[10, 9], [9, 0]], most=1, restarts=0, seed=1)

    assert found.experts.tolist() == [1, 0]
    assert (found.greedy, found.value) == (10, 18)


def test_affinity_by_hand() -> None:
    # Apart the two domains have 1 + 1; together on expert 0, 1 + 0 + 3.
    found = assign([[1, 0], [0, 1]], [[0, 3], [3, 0]], seed=1)

    assert len(set(found.experts.tolist())) == 1
    assert found.value == 4
    assert worth(np.array([0, 0]), np.eye(2), np.array([[0.0, 3], [3, 0]])) == 4


def balanced(domains: int, experts: int, room: int) -> Ints:
    """Every assignment that gives no expert more than `room`, int64 (m, domains)."""
    rows = np.zeros((1, 0), np.int64)
    for _ in range(domains):
        rows = np.concatenate([np.column_stack([rows, np.full(len(rows), expert)]) for expert in range(experts)])
        counts = np.stack([(rows == expert).sum(axis=1) for expert in range(experts)])
        rows = rows[(counts <= room).all(axis=0)]
    return rows


def planted(seed: int) -> tuple[Floats, Floats]:
    """12 domains of four kinds, 4 experts: random utilities, .3 more in the block, and likings within a kind."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(4), 3))
    utilities = rng.uniform(0, 0.6, (12, 4))
    utilities[np.arange(12), kind] += 0.3
    affinity = np.triu(rng.normal(0, 0.05, (12, 12)), 1) + 0.1 * np.triu(kind[:, None] == kind[None, :], 1)
    return utilities, affinity + affinity.T


def test_local_search_reaches_brute_force_on_planted_blocks_and_random_starts_do_not() -> None:
    every = balanced(12, 4, 3)
    assert len(every) == 369_600  # 12! / 3!⁴
    searched, random = [], []
    for seed in range(3):
        utilities, affinity = planted(seed)
        values = utilities[np.arange(12), every].sum(axis=1)
        for one in range(12):
            for two in range(one):
                values += affinity[one, two] * (every[:, one] == every[:, two])
        # Seeds far from the plant's own: the same permutation would find it by itself.
        found = assign(utilities, affinity, most=3, seed=1000 + seed)
        assert np.bincount(found.experts).tolist() == [3] * 4
        searched.append(found.value / values.max())
        starts = [random_start(12, 4, 3, np.random.default_rng([2000 + seed, start])) for start in range(20)]
        random.append(np.mean([worth(start, utilities, affinity) for start in starts]) / values.max())

    assert min(searched) >= 0.99
    assert max(searched) <= 1 + 1e-9
    assert max(random) < 0.9


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_small_tables_are_solved_as_by_brute_force(seed: int, room: int) -> None:
    rng = np.random.default_rng(seed)
    utilities, noise = rng.normal(0, 1, (4, 2)), rng.normal(0, 1, (4, 4))
    affinity = noise + noise.T
    every = [np.array(row) for row in product(range(2), repeat=4) if max(np.bincount(row, minlength=2)) <= room]

    found = assign(utilities, affinity, room, seed=1)

    assert found.value == pytest.approx(max(worth(row, utilities, affinity) for row in every))
    assert found.value == pytest.approx(worth(found.experts, utilities, affinity))
    assert found.value >= found.greedy
    assert np.bincount(found.experts, minlength=2).max() <= room


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"utilities": [[np.nan]]}, "missing or not finite"),
        ({"utilities": [[1], [1]], "most": 1}, "1 experts with room for 1 can not serve 2 domains"),
        ({"utilities": [[1], [1]], "affinity": [[0, 1], [2, 0]]}, "not symmetric"),
        ({"utilities": [[1]], "restarts": -1}, "restarts is -1"),
    ],
)
def test_what_can_not_be_assigned_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign(**arguments, seed=1)  # type: ignore[arg-type]
