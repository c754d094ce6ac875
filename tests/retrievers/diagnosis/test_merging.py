"""Merging: the mean of deltas by hand, blind to the gauge, free for clones, dear for strangers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats
from periti.retrievers.diagnosis.merging import (
    Merged,
    delta_similarity,
    group,
    merge_lora,
    merge_masses,
    output_similarity,
)

Adapter = dict[str, tuple[Floats, Floats]]
SEEDS = st.integers(0, 2**32 - 1)


def delta(merged: Merged, layer: str) -> Floats:
    a, b = merged.layers[layer]
    product: Floats = b.astype(float) @ a.astype(float)
    return product


def adapter(rng: np.random.Generator, rank: int = 2) -> Adapter:
    return {
        "query": (rng.standard_normal((rank, 6)), rng.standard_normal((5, rank))),
        "value": (rng.standard_normal((rank, 4)), rng.standard_normal((7, rank))),
    }


def regauged(one: Adapter, rng: np.random.Generator) -> Adapter:
    """The same adapter by other factors: (R·A, B·R⁻¹)."""
    turned = {}
    for layer, (a, b) in one.items():
        mix = rng.standard_normal((len(a), len(a))) + 3 * np.eye(len(a))
        turned[layer] = (mix @ a, b @ np.linalg.inv(mix))
    return turned


def test_the_weighted_mean_of_deltas_by_hand() -> None:
    # Deltas diag(4, 0) and diag(0, 4), used 3 : 1, give diag(3, 1); rank 1 keeps diag(3, 0), 9 of 10 parts.
    one = {"w": (np.array([[1.0, 0]]), np.array([[4.0], [0]]))}
    two = {"w": (np.array([[0, 2.0]]), np.array([[0], [2.0]]))}

    assert delta(merge_lora([one, two], [3, 1], rank=2), "w") == pytest.approx(np.diag([3.0, 1]), abs=1e-6)
    merged = merge_lora([one, two], [3, 1])
    assert delta(merged, "w") == pytest.approx(np.diag([3.0, 0]), abs=1e-6)
    assert merged.kept["w"] == pytest.approx(0.9)
    a, b = merged.layers["w"]
    assert a.shape == (1, 2)
    assert b.shape == (2, 1)
    assert a.dtype == b.dtype == np.float32


@given(SEEDS, st.integers(1, 12))
def test_the_refactored_delta_is_the_best_of_its_rank(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = adapter(rng), adapter(rng, 3)
    merged = merge_lora([one, two], [1, 2], rank)

    for layer in one:
        mean = (one[layer][1] @ one[layer][0] + 2 * two[layer][1] @ two[layer][0]) / 3
        u, s, vt = np.linalg.svd(mean, full_matrices=False)
        best = (u[:, :rank] * s[:rank]) @ vt[:rank]
        assert delta(merged, layer) == pytest.approx(best, abs=1e-4)
        assert merged.kept[layer] == pytest.approx((s[:rank] ** 2).sum() / (s**2).sum())
        assert merged.layers[layer][0].shape[0] == rank


@given(SEEDS)
def test_the_gauge_changes_neither_merging_nor_likeness(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = adapter(rng), adapter(rng)
    turned = regauged(one, rng)

    plain, other = merge_lora([one, two], [2, 1]), merge_lora([turned, two], [2, 1])
    assert delta(other, "query") == pytest.approx(delta(plain, "query"), abs=1e-4)
    assert delta_similarity(one, turned) == pytest.approx(1)
    assert delta_similarity(turned, two) == pytest.approx(delta_similarity(one, two))
    flat = np.concatenate([(b @ a).ravel() for a, b in one.values()])
    others = np.concatenate([(b @ a).ravel() for a, b in two.values()])
    assert delta_similarity(one, two) == pytest.approx(
        flat @ others / np.linalg.norm(flat) / np.linalg.norm(others), abs=1e-9
    )


def test_a_cosine_of_raw_factors_would_be_fooled() -> None:
    one = adapter(np.random.default_rng(1))
    turned = {layer: (-a, -b) for layer, (a, b) in one.items()}
    a, other = one["query"][0].ravel(), turned["query"][0].ravel()

    assert a @ other / np.linalg.norm(a) / np.linalg.norm(other) == pytest.approx(-1)
    assert delta_similarity(one, turned) == pytest.approx(1)


def test_an_adapter_that_does_nothing_is_like_nothing() -> None:
    nothing = {"w": (np.zeros((1, 2)), np.zeros((2, 1)))}

    assert delta_similarity(nothing, nothing) == 0
    assert merge_lora([nothing], [1]).kept == {"w": 1.0}
    assert not delta(merge_lora([nothing], [1]), "w").any()


# what merging costs


def ndcg(similarity: Floats, relevant: Floats) -> float:
    """Mean nDCG@10 with one relevant document for each query."""
    own = similarity[np.arange(len(similarity)), relevant.astype(int)]
    rank = 1 + (similarity > own[:, None]).sum(axis=1)
    return float(np.where(rank <= 10, 1 / np.log2(1 + rank), 0).mean())


def domain(seed: int, d: int = 24) -> tuple[Adapter, Floats, Floats, Floats]:
    """A domain whose queries lie in a low-rank distortion of their documents, and the adapter that undoes it."""
    rng = np.random.default_rng(seed)
    documents = rng.standard_normal((300, d))
    a, b = rng.standard_normal((4, d)) / np.sqrt(d), rng.standard_normal((d, 4))
    relevant = rng.integers(0, 300, 400).astype(float)
    undone = documents[relevant.astype(int)] + 1.6 * rng.standard_normal((400, d))
    queries = undone @ np.linalg.inv(np.eye(d) + b @ a).T
    return {"q": (a, b)}, queries, documents, relevant


def quality(adapter: Adapter | Merged, queries: Floats, documents: Floats, relevant: Floats) -> float:
    a, b = adapter.layers["q"] if isinstance(adapter, Merged) else adapter["q"]
    return ndcg((queries + queries @ (np.asarray(b) @ np.asarray(a)).T) @ documents.T, relevant)


@pytest.mark.parametrize("seed", range(5))
def test_clones_merge_for_nothing_and_strangers_at_a_price(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, *own = domain(seed)
    noisy = {layer: (a, b + 0.005 * rng.standard_normal(b.shape)) for layer, (a, b) in first.items()}
    clone = regauged(noisy, rng)
    second, *others = domain(seed + 100)

    merged = merge_lora([first, clone], [1, 1])
    assert abs(quality(first, *own) - quality(merged, *own)) < 0.005
    assert merged.layers["q"][0].size == first["q"][0].size, "one adapter's memory for two"

    mixed = merge_lora([first, second], [1, 1])
    lost = (quality(first, *own) - quality(mixed, *own) + quality(second, *others) - quality(mixed, *others)) / 2
    assert lost > 0.02

    embeddings = [own[0] + own[0] @ (b @ a).T for a, b in (first["q"], clone["q"], second["q"])]
    for likeness in (
        output_similarity(embeddings),
        np.array([[delta_similarity(x, y) for x in (first, clone, second)] for y in (first, clone, second)]),
    ):
        assert likeness[0, 1] > 0.99
        assert likeness[0, 2] < 0.95
        assert group([5, 3, 2], likeness, count=1, least=0.95) == ((0, 1), (2,))


# groups and masses


def test_groups_by_hand() -> None:
    # Most used are 2 and 0. Expert 1 is nearer to 0, expert 3 to 2.
    similarity = np.array([[1, 0.8, 0.1, 0.2], [0.8, 1, 0.3, 0.1], [0.1, 0.3, 1, 0.6], [0.2, 0.1, 0.6, 1]])

    assert group([30, 5, 40, 10], similarity, count=2) == ((2, 3), (0, 1))
    assert group([30, 5, 40, 10], similarity, count=2, least=0.7) == ((2,), (0, 1), (3,))
    assert group([30, 5, 40, 10], similarity, count=4) == ((2,), (0,), (3,), (1,))


def test_masses_are_summed_before_top_k() -> None:
    # Each clone alone is behind expert 2; together they are before it, and the top two hold each once.
    masses = merge_masses([[0.3, 0.3, 0.4]], [(0, 1), (2,)])

    assert masses.tolist() == [[0.6, 0.4]]
    assert merge_masses(np.log([[0.3, 0.3, 0.4]]), [(2,), (0, 1)], logits=True) == pytest.approx(np.log([[0.4, 0.6]]))


@given(SEEDS)
def test_merging_keeps_the_mass_and_logits_agree_with_probabilities(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 5, (4, 5))
    masses = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    groups = [(3, 0), (1,), (4, 2)]

    merged = merge_masses(masses, groups)
    from_logits = np.exp(merge_masses(logits, groups, logits=True))
    assert merged.sum(axis=1) == pytest.approx(1)
    assert from_logits / from_logits.sum(axis=1, keepdims=True) == pytest.approx(merged)


def test_what_can_not_be_merged_is_refused() -> None:
    rng = np.random.default_rng(1)
    one = adapter(rng)
    with pytest.raises(InputError, match=r"differs in layers \['value'\]"):
        merge_lora([one, {"query": one["query"]}], [1, 1])
    with pytest.raises(InputError, match=r"adapter 1, layer 'query': A is \(2, 5\) and B \(5, 2\), expected \(r, 6\)"):
        merge_lora([one, one | {"query": (np.ones((2, 5)), np.ones((5, 2)))}], [1, 1])
    with pytest.raises(InputError, match="not all 0"):
        merge_lora([one], [0])
    with pytest.raises(InputError, match="missing or not finite"):
        merge_lora([one | {"query": (np.full((2, 6), np.nan), np.ones((5, 2)))}], [1])
    with pytest.raises(InputError, match="rank is 0"):
        merge_lora([one], [1], rank=0)
    with pytest.raises(InputError, match="count is 3, the panel has 2"):
        group([1, 1], np.eye(2), 3)
    with pytest.raises(InputError, match="do not hold each of 2 experts once"):
        merge_masses([[0.5, 0.5]], [(0,), (0, 1)])
    with pytest.raises(InputError, match="-1 is negative"):
        merge_masses([[-1, 1]], [(0, 1)])
