"""The bake-off in small: what is measured is right, and selectors stand in the order that is known of them."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest

from benchmarks.bakeoff_world import SHARES, World
from benchmarks.selection_bakeoff import (
    BETR,
    DSIR,
    FAILING,
    LENGTH,
    MEAN,
    ORACLE,
    ORDER,
    QUALITY,
    RANDOM,
    Contest,
    Measures,
    contest,
    table,
)

SEEDS = range(3)


@pytest.fixture(scope="module")
def small() -> Contest:
    return Contest(400, seed=0)


def test_a_pool_is_what_it_is_said_to_be(small: Contest) -> None:
    pool = small.pool

    assert np.mean(pool.topics < 0) == pytest.approx(0.1)
    assert len(set(pool.texts)) == 360  # a tenth are copies
    assert pool.wanted.mean() == pytest.approx(0.2, abs=0.05)
    np.testing.assert_allclose(np.linalg.norm(pool.vectors, axis=1), 1, atol=1e-5)
    assert int((~small.distinct).sum()) == 40


def test_topics_of_a_target_have_unequal_shares() -> None:
    texts = World(3).target(400).texts
    first = np.mean(["t0w" in text and "t1w" not in text for text in texts])

    assert first == pytest.approx(SHARES[0], abs=0.1)


def test_figures_of_a_choice_are_counted_right(small: Contest) -> None:
    wanted = np.flatnonzero(small.pool.wanted & small.distinct)[:10]
    unwanted = np.flatnonzero(~small.pool.wanted)[:10]
    copied = np.flatnonzero(~small.distinct)[:1]
    original = np.flatnonzero([text == small.pool.texts[copied[0]] for text in small.pool.texts])

    assert small.measured(np.concatenate([wanted, unwanted])).precision == 0.5
    assert small.measured(wanted).length == pytest.approx(
        np.mean([len(small.pool.texts[row].split()) for row in wanted])
    )
    assert small.measured(original).copies == pytest.approx(1 - 1 / len(original))
    # With a budget of 20 an even share is less than one document: one of a sub-topic covers it.
    assert small.measured(wanted).coverage == len(set(small.pool.parts[wanted].tolist())) / 25
    assert small.measured(unwanted).coverage == 0


def test_an_adapter_of_pairs_that_ask_alike_helps_and_one_of_garbage_does_not(small: Contest) -> None:
    base = small.ndcg(small.pool[np.zeros(0, int)])

    assert small.ndcg(small.pool[np.flatnonzero(small.pool.wanted)]) > base + 0.03
    assert small.ndcg(small.pool[np.flatnonzero(small.pool.topics < 0)]) < base + 0.01


def test_a_table_has_a_row_for_each_selector_and_target() -> None:
    one = {name: [Measures(0.5, 0.25, 0.1, 0.2, 20.0, 0.3)] for name in ORDER}

    assert table({5: one, 50: one}).count("\n") == 1 + 2 * len(ORDER)


@pytest.mark.slow
def test_selectors_stand_in_the_order_that_is_known_of_them() -> None:
    runs = [contest(2000, seed, examples=(5, 50)) for seed in SEEDS]

    def of(what: str, name: str, examples: int = 50) -> float:
        return mean(float(getattr(run[examples][name], what)) for run in runs)

    spread = f"{BETR} + dedup + quotas"
    assert of("ndcg", RANDOM) < of("ndcg", QUALITY) < of("ndcg", DSIR)
    assert of("ndcg", LENGTH) < min(of("ndcg", DSIR), of("ndcg", BETR))
    assert of("ndcg", BETR) <= of("ndcg", spread) + 0.02 <= of("ndcg", ORACLE) + 0.04
    assert of("precision", LENGTH) < 0.3
    assert 0.7 < of("precision", DSIR) < of("precision", BETR)
    assert of("coverage", MEAN) + 0.2 < of("coverage", BETR)
    assert of("coverage", f"{DSIR} + dedup") <= of("coverage", f"{DSIR} + dedup + quotas")
    assert of("copies", f"{DSIR} + dedup") == of("copies", spread) == 0 < of("copies", DSIR)
    assert of("kl_reduction", RANDOM) < of("kl_reduction", DSIR)
    # Five examples without smoothing: the shortest texts win.
    assert of("length", FAILING, 5) < 0.5 * of("length", RANDOM, 5)
    assert of("precision", FAILING, 5) < 0.75 * of("precision", DSIR, 5)
