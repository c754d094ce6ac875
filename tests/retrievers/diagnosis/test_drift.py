"""Drift: silence on stationary streams, an alarm soon after a switch, and a proposal for what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats
from periti.retrievers.diagnosis.drift import DriftMonitor, DriftOptions
from periti.retrievers.diagnosis.proposals import distinguishing, propose

Draw = Callable[[int], Floats]
SWITCH = 2000


def domains(seed: int) -> tuple[Draw, Draw]:
    """Largest similarity to eight pilots, of queries near one of them and of queries near a ninth domain."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((9, 32))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)

    def similarity(which: Floats) -> Floats:
        queries = which + 0.25 * rng.standard_normal(which.shape)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        largest: Floats = (queries @ centres[:8].T).max(axis=1)
        return largest

    return (
        lambda n: similarity(centres[rng.integers(0, 8, n)]),
        lambda n: similarity(np.tile(centres[8], (n, 1))),
    )


def one_deviation(seed: int) -> tuple[Draw, Draw]:
    """Normal similarities that fall by one standard deviation."""
    rng = np.random.default_rng(seed)
    return lambda n: rng.normal(0.7, 0.1, n), lambda n: rng.normal(0.6, 0.1, n)


def clicks(seed: int) -> tuple[Draw, Draw]:
    """A yes-or-no utility that falls from 90 % to 40 %."""
    rng = np.random.default_rng(seed)
    return lambda n: (rng.random(n) < 0.9).astype(float), lambda n: (rng.random(n) < 0.4).astype(float)


STREAMS = [domains, one_deviation, clicks]


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stationary_stream_raises_no_false_alarm(stream: Callable[[int], tuple[Draw, Draw]]) -> None:
    # Promised: .01 in 10,000 queries; seen here: 60 streams of 2,000.
    false = 0
    for seed in range(60):
        usual, _ = stream(seed)
        monitor = DriftMonitor(usual(500))
        false += [monitor.observe(value) for value in usual(2000)][-1].drifted

    assert false == 0


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(10))
def test_a_switch_at_step_2000_is_found_within_100(stream: Callable[[int], tuple[Draw, Draw]], seed: int) -> None:
    usual, other = stream(seed)
    monitor = DriftMonitor(usual(500))
    before = [monitor.observe(value) for value in usual(SWITCH)]
    after = [monitor.observe(value) for value in other(100)]

    assert not before[-1].drifted
    assert after[-1].drifted
    first = next(reading for reading in after if reading.drifted)
    assert first.since is not None
    assert SWITCH - 60 <= first.since <= first.step, "the drop began at the switch, or a little before it by chance"
    assert first.signal == "similarity"
    assert after[-1].z < -4


def test_the_bound_by_hand() -> None:
    # Reference of ±1 around 0.5 in equal numbers: drops are ±1 deviations; slack .2 + 2/√400 = .3, increments +.7 and
    # -1.3. A promise of e^-9 at one step is kept by level 9/θ with (e^{.7θ} + e^{-1.3θ})/2 = 1, θ = .63933;
    # a tenth is added for the uncertainty of 400 values.
    reference = np.tile([-0.5, 1.5], 200)
    monitor = DriftMonitor(reference, options=DriftOptions(slack=0.2, false_alarms=float(np.exp(-9)), horizon=1))
    theta = 0.63933
    assert (np.exp(0.7 * theta) + np.exp(-1.3 * theta)) / 2 == pytest.approx(1, abs=1e-3)

    needed = int(np.ceil(1.1 * 9 / theta / 0.7))
    readings = [monitor.observe(-0.5) for _ in range(needed)]

    assert [reading.drifted for reading in readings] == [False] * (needed - 1) + [True]
    assert readings[0].level == pytest.approx(0.7 * theta / 9.9, rel=1e-3)
    assert readings[-1].since == 1
    assert readings[0].z == pytest.approx(-1)


def test_a_fallen_utility_raises_the_alarm_where_similarity_is_as_ever() -> None:
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(rng.normal(0.7, 0.1, 500), rng.uniform(0, 1, 500))
    for _ in range(500):
        assert not monitor.observe(rng.normal(0.7, 0.1), rng.uniform(0, 1)).drifted
    for _ in range(100):
        last = monitor.observe(rng.normal(0.7, 0.1), rng.uniform(0, 0.3))

    assert last.drifted
    assert last.signal == "utility"


def test_one_strange_query_is_no_drift_and_better_queries_are_none_either() -> None:
    rng = np.random.default_rng(4)
    monitor = DriftMonitor(rng.normal(0.7, 0.1, 500))

    assert not monitor.observe(-1e9).drifted
    assert not any(monitor.observe(0.99).drifted for _ in range(1000))


def test_the_alarm_stays_until_reset() -> None:
    rng = np.random.default_rng(5)
    monitor = DriftMonitor(rng.normal(0.7, 0.1, 500))
    for _ in range(50):
        monitor.observe(0.0)
    assert monitor.observe(0.7).drifted

    monitor.reset()

    reading = monitor.observe(0.7)
    assert (reading.drifted, reading.since, reading.step) == (False, None, 1)


@given(st.floats(0.1, 100), st.floats(-100, 100))
def test_readings_know_no_scale_nor_offset(scale: float, offset: float) -> None:
    rng = np.random.default_rng(6)
    reference, stream = rng.normal(0, 1, 200), rng.normal(-0.5, 1, 40)
    plain, moved = DriftMonitor(reference), DriftMonitor(reference * scale + offset)

    for value in stream:
        one, other = plain.observe(value), moved.observe(value * scale + offset)
        assert other.z == pytest.approx(one.z, abs=1e-6)
        assert other.level == pytest.approx(one.level, abs=1e-6)


def test_what_can_not_be_monitored_is_refused() -> None:
    with pytest.raises(InputError, match="199 values; give at least 200"):
        DriftMonitor(np.arange(199))
    with pytest.raises(InputError, match="all values are 1; a signal that never varies"):
        DriftMonitor(np.arange(200), np.ones(200))
    with pytest.raises(InputError, match="false_alarms is 0"):
        DriftMonitor(np.arange(200), options=DriftOptions(false_alarms=0))
    monitor = DriftMonitor(np.arange(200))
    with pytest.raises(InputError, match="similarity of query 1 is nan"):
        monitor.observe(float("nan"))
    with pytest.raises(InputError, match="has a utility but the monitor no reference"):
        monitor.observe(1, 1)


# proposals

WORDS = {
    "tax": ["levy", "income", "deduction", "refund"],
    "ships": ["cargo", "harbour", "vessel", "demurrage"],
    "known": ["patient", "dose", "trial", "therapy"],
}


def queries(topic: str, n: int, rng: np.random.Generator) -> tuple[list[str], Floats]:
    centre = np.random.default_rng(sum(map(ord, topic))).standard_normal(96)
    vectors = centre / np.linalg.norm(centre) + 0.06 * rng.standard_normal((n, 96))
    return [f"what is the {' '.join(rng.choice(WORDS[topic], 2, replace=False))}" for _ in range(n)], vectors


@pytest.mark.parametrize("seed", range(5))
def test_two_new_domains_are_two_proposals_named_by_their_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (tax, taxed), (ships, shipped), (known, _) = (
        queries(topic, n, rng) for topic, n in zip(WORDS, (40, 25, 80), strict=True)
    )
    texts, vectors = tax + ships, np.vstack([taxed, shipped])

    first, second = propose(texts, vectors, known, seed)

    assert sorted(first.members.tolist()) == list(range(40))
    assert sorted(second.members.tolist()) == list(range(40, 65))
    assert set(first.terms) == set(WORDS["tax"])
    assert set(second.terms) == set(WORDS["ships"])
    assert (first.size, len(first.examples)) == (40, 5)
    assert first.examples[0] == texts[first.members[0]]
    assert np.linalg.norm(first.centroid) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_one_new_domain_is_one_proposal(seed: int) -> None:
    texts, vectors = queries("tax", 60, np.random.default_rng(seed))

    (only,) = propose(texts, vectors, [], seed)

    assert only.size == 60


def test_a_cluster_too_small_is_not_proposed() -> None:
    texts, vectors = queries("tax", 9, np.random.default_rng(1))

    assert propose(texts, vectors, [], 1) == ()
    assert len(propose(texts, vectors, [], 1, least=9)) == 1
    assert len(propose(["a query"] * 12, np.ones((12, 3)), [], 1)) == 1


def test_distinguishing_words_are_neither_everywhere_nor_once() -> None:
    inside = Counter({"levy": 20, "the": 30, "once": 1})
    outside = Counter({"the": 60, "dose": 40})

    terms = distinguishing(inside, outside)

    assert terms[0] == "levy"
    assert "the" not in terms
    assert "dose" not in terms
    assert distinguishing(inside, outside, most=1) == ("levy",)
    assert distinguishing(inside, Counter()) == ()
    assert distinguishing(Counter({"the": 3}), Counter({"the": 1})) == ()


def test_drifting_queries_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"drifting vectors: the shape is \(2, 3\), expected \(1, at least 1\)"):
        propose(["a"], np.ones((2, 3)), [], 1)
    with pytest.raises(InputError, match="one is zero"):
        propose(["a"], np.zeros((1, 3)), [], 1)
    with pytest.raises(InputError, match="least is 0"):
        propose(["a"], np.ones((1, 3)), [], 1, least=0)
