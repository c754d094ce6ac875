"""Workload profiles and the working set: LRU by hand, many threads, and what preloading is worth."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import ConfigError, FormatError, InputError
from periti.retrievers.diagnosis.arrays import Floats
from periti.retrievers.diagnosis.working_set import WorkingSet
from periti.retrievers.diagnosis.workload import WorkloadProfile, nearest, read_profiles, write_profiles
from periti.types import Plan, Queries

HAND = WorkloadProfile("monday", ("a", "b", "c", "d"), (0.2, 0.5, 0.3, 0.0))

# profiles


def test_coverage_by_hand() -> None:
    assert HAND.covering(0.5) == ("b",)
    assert HAND.covering(0.51) == ("b", "c")
    assert HAND.covering(0.8) == ("b", "c")
    assert HAND.covering(1) == ("b", "c", "a"), "nobody uses d"
    assert HAND.covering(0) == ()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any), st.floats(0, 1))
def test_what_covers_does_cover_and_no_fewer_would(counts: list[int], coverage: float) -> None:
    names = tuple("abcdefgh"[: len(counts)])
    profile = WorkloadProfile.of_counts("w", names, counts)
    share = dict(zip(names, profile.usage, strict=True))

    masses = [share[name] for name in profile.covering(coverage)]
    assert sum(masses) >= coverage - 1e-6
    assert sum(masses[:-1]) <= coverage


def test_a_profile_of_a_plan_counts_by_weight() -> None:
    queries = Queries.from_pairs([("1", "x"), ("2", "y")])
    rows = [("1", "a", 1.0), ("1", "b", 3.0), ("2", "b", 9.0)]
    plan = Plan.of(pl.DataFrame(rows, schema=["query_id", "expert", "weight"], orient="row"), queries)

    profile = WorkloadProfile.of_plan("w", ["a", "b", "c"], plan, scores=[[1, 2, 3], [3, 2, 1]])

    assert profile.usage == (0.125, 0.875, 0)
    assert profile.scores == (2, 2, 2)


def test_the_nearest_profile_knows_no_scale_nor_offset_nor_order_of_experts() -> None:
    tuesday = WorkloadProfile("tuesday", ("d", "c", "b", "a"), (0.6, 0.2, 0.1, 0.1))

    assert nearest([HAND, tuesday], ["a", "b", "c", "d"], [0.2, 0.5, 0.3, 0]).name == "monday"
    assert nearest([HAND, tuesday], ["a", "b", "c", "d"], [10.1, 10.1, 10.2, 10.9]).name == "tuesday"
    scored = WorkloadProfile("kept", ("a", "b", "c", "d"), (1, 0, 0, 0), scores=(0.1, 0.2, 0.3, 0.9))
    assert nearest([HAND, scored], ["a", "b", "c", "d"], [1, 2, 3, 9]).name == "kept"


def test_profiles_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "workloads.json"
    other = WorkloadProfile("tuesday", ("a", "b"), (1 / 3, 2 / 3), scores=(0.1, -7))
    write_profiles(path, [HAND, other])

    assert read_profiles(path) == (HAND, other)
    with pytest.raises(InputError, match="'monday' occurs more than once"):
        write_profiles(path, [HAND, HAND])
    path.write_text('{"format": "periti-workloads-1", "workloads": [{"name": "x", "experts": ["a"], "usage": [2]}]}')
    with pytest.raises(FormatError, match="can not be read"):
        read_profiles(path)


def test_profiles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="sum to 1"):
        WorkloadProfile("w", ("a",), (0.5,))
    with pytest.raises(InputError, match=r"usage: the shape is \(1,\), expected \(2\)"):
        WorkloadProfile("w", ("a", "b"), (1.0,))
    with pytest.raises(InputError, match="no query was answered"):
        WorkloadProfile.of_counts("w", ["a"], [0])
    with pytest.raises(InputError, match="no workload is stored"):
        nearest([], ["a"], [1])
    with pytest.raises(InputError, match="is of experts"):
        nearest([HAND], ["a"], [1])
    with pytest.raises(InputError, match="coverage is 2"):
        HAND.covering(2)


# working set


def test_the_least_recently_used_leaves_first_by_hand() -> None:
    loads: list[str] = []
    working = WorkingSet(lambda name: loads.append(name) or name.upper(), lambda _: 1, budget=2)  # type: ignore[func-returns-value]

    assert [working.get(name) for name in "abacab"] == list("ABACAB")
    # a, b loaded; a hit; c puts b out; a hit; b loaded, puts c out.
    assert loads == ["a", "b", "c", "b"]
    assert working.names == ("a", "b")
    counts = working.counts
    assert (counts.hits, counts.misses, counts.evicted, counts.preloaded) == (2, 4, 2, 0)
    assert counts.hit_rate == pytest.approx(1 / 3)
    working.clear()
    assert not working.names
    assert working.used == 0


def test_preloading_covers_a_workload_and_its_most_used_leave_last() -> None:
    working = WorkingSet(str.upper, lambda _: 1, budget=3)

    report = working.preload(HAND, coverage=0.95)

    assert report.loaded == ("b", "c", "a")
    assert report.covered == pytest.approx(1)
    assert report.left_out == ()
    assert working.names == ("a", "c", "b")
    working.get("b")
    assert (working.counts.hits, working.counts.misses, working.counts.preloaded) == (1, 0, 3)


def test_what_has_no_room_is_named_and_smaller_ones_are_still_taken() -> None:
    sizes = {"a": 2, "b": 6, "c": 9, "d": 1}
    working = WorkingSet(str.upper, sizes.__getitem__, budget=8)

    report = working.preload(HAND, coverage=1)

    assert (report.loaded, report.left_out) == (("b", "a"), ("c",))
    assert report.covered == pytest.approx(0.7)
    assert working.used == 8
    with pytest.raises(ConfigError, match="expert 'c' takes 9 bytes, the memory budget is 8"):
        working.get("c")
    with pytest.raises(ConfigError, match="budget is 0"):
        WorkingSet(str.upper, len, 0)


def test_a_load_that_fails_leaves_nothing_behind() -> None:
    fail = [True]

    def load(name: str) -> str:
        if fail.pop():
            raise OSError(name)
        return name

    working = WorkingSet(load, lambda _: 1, budget=1)
    with pytest.raises(OSError, match="a"):
        working.get("a")
    assert working.used == 0
    fail.append(False)
    assert working.get("a") == "a"


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(3, 12))
def test_it_agrees_with_a_plain_model_of_lru(requests: list[str], budget: int) -> None:
    sizes = dict(zip("abcdef", (1, 2, 3, 1, 2, 3), strict=True))
    working = WorkingSet(str.upper, sizes.__getitem__, budget)
    model: OrderedDict[str, int] = OrderedDict()
    hits = 0
    for name in requests:
        hits += name in model
        size = model.pop(name, sizes[name])
        while sum(model.values()) + size > budget:
            model.popitem(last=False)
        model[name] = size
        working.get(name)
        assert working.names == tuple(model)
        assert working.used == sum(model.values()) <= budget
    assert working.counts.hits == hits


def test_many_threads_load_each_expert_once_at_a_time_and_stay_within_the_budget() -> None:
    lock, loading, over = threading.Lock(), Counter[str](), []
    working: WorkingSet[str]

    def load(name: str) -> str:
        with lock:
            loading[name] += 1
            over.append(loading[name] > 1 or working.used > 5)
        time.sleep(0.0005)
        with lock:
            loading[name] -= 1
        return name * 2

    working = WorkingSet(load, lambda name: 1 + ord(name) % 3, budget=5)

    def ask(seed: int) -> bool:
        rng = random.Random(seed)
        return all(working.get(name) == name * 2 for name in rng.choices("abcdef", k=100))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))

    assert not any(over)
    counts = working.counts
    assert counts.hits + counts.misses == 800
    assert counts.misses == len(over)


def test_threads_that_want_the_same_expert_wait_for_one_load() -> None:
    started, finish, loads = threading.Event(), threading.Event(), []

    def load(name: str) -> str:
        loads.append(name)
        started.set()
        assert finish.wait(10)
        return name

    working = WorkingSet(load, lambda _: 1, budget=2)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(working.get, "a")
        assert started.wait(10)
        others = [pool.submit(working.get, "a") for _ in range(3)]
        finish.set()
        assert {future.result(10) for future in (first, *others)} == {"a"}

    assert loads == ["a"]


# what preloading is worth

EXPERTS = [f"expert{number:02}" for number in range(16)]


def router_scores(asked: Floats, rng: np.random.Generator) -> Floats:
    """Noisy scores, a unit higher for the expert that a query is for."""
    scores = 0.3 * rng.standard_normal((len(asked), 16))
    scores[np.arange(len(asked)), asked.astype(int)] += 1
    return scores


def test_half_the_experts_answer_95_percent_of_a_zipf_workload_and_global_popularity_does_worse() -> None:
    by_workload: list[float] = []
    by_popularity: list[float] = []
    masses = 1 / np.arange(1, 17) ** 2.2
    for seed in range(8):
        rng = np.random.default_rng(seed)
        workloads = [masses[rng.permutation(16)] / masses.sum() for _ in range(4)]
        profiles = []
        for number, shares in enumerate(workloads):
            log = rng.choice(16, 1000, p=shares).astype(float)
            counts = np.bincount(log.astype(int), minlength=16)
            profiles.append(WorkloadProfile.of_counts(str(number), EXPERTS, counts, router_scores(log, rng)))
        everywhere = np.sum([profile.usage for profile in profiles], axis=0)
        popular = WorkloadProfile.of_counts("all", EXPERTS, everywhere)
        for shares in workloads:
            batch = router_scores(rng.choice(16, 100, p=shares).astype(float), rng).mean(axis=0)
            stream = [EXPERTS[number] for number in rng.choice(16, 200, p=shares)]
            for profile, rates in ((nearest(profiles, EXPERTS, batch), by_workload), (popular, by_popularity)):
                working = WorkingSet(str.upper, lambda _: 1, budget=8)
                working.preload(profile, coverage=0.97)
                for name in stream:
                    working.get(name)
                rates.append(working.counts.hit_rate)

    assert np.mean(by_workload) >= 0.95
    assert np.mean(by_workload) > np.mean(by_popularity) + 0.005
