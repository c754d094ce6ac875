"""Scorers on tables that can be followed by hand, and what all of them keep."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.errors import ConfigError, InputError
from periti.retrievers.routing.base import Explaining, Scorer
from periti.retrievers.routing.centroids import CentroidOptions, CentroidRouter, Centroids
from periti.retrievers.routing.nearest_example import NearestExample, NearestExampleOptions
from periti.retrievers.routing.neighbours import NeighbourOptions, NeighbourRouter, Neighbours
from periti.retrievers.routing.pilots import PilotOptions, PilotRouter, Pilots
from periti.retrievers.routing.ridge import Ridge, RidgeOptions, RidgeRouter
from periti.retrievers.routing.similarity import dots, nearest, unit
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries
from tests.retrievers.routing.toy import at, panel, scattered, table

COS = {degrees: math.cos(math.radians(degrees)) for degrees in (0, 10, 20, 30, 45, 60, 80, 90)}


def score(scorer: Scorer, *degrees: float) -> Any:
    return scorer.scores(at(*degrees), [str(d) for d in degrees]).tolist()


# similarities


def test_similarities_of_a_query_are_the_same_bits_in_every_batch() -> None:
    rng = np.random.default_rng(0)
    queries, vectors = rng.normal(size=(97, 384)).astype(np.float32), rng.normal(size=(53, 384))
    whole = dots(queries, vectors)

    for size in (1, 2, 3, 8, 31):
        parts = [dots(queries[i : i + size], vectors) for i in range(0, 97, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_allclose(whole, queries.astype(np.float64) @ vectors.T, rtol=1e-12, atol=1e-10)


def test_nearest_is_brute_force_and_the_same_in_every_batch() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(700, 64))).astype(np.float32)
    vectors[5] = vectors[500]
    queries = np.concatenate([unit(rng.normal(size=(300, 64))).astype(np.float32), vectors[500:501]])
    similarities, rows = nearest(queries, vectors, 25)

    full = (queries.astype(np.float64)[:, None] * vectors.astype(np.float64)).sum(axis=2)
    np.testing.assert_array_equal(rows, np.argsort(-full, axis=1, kind="stable")[:, :25])
    assert rows[300, :2].tolist() == [5, 500], "twins come by row number"
    for i in (0, 17, 299, 300):
        alone = nearest(queries[i : i + 1], vectors, 25)
        np.testing.assert_array_equal(alone[0][0], similarities[i])
        np.testing.assert_array_equal(alone[1][0], rows[i])


# pilots: dataset A at 0, 0, 20 degrees and B at 90, 90; a wins two of A and one of B, b the rest

HAND = table(
    [[1, 0], [1, 0], [0, 1], [1, 0], [0, 1]],
    degrees=[0, 0, 20, 90, 90],
    datasets="AAABB",
    homes={"A": "a", "B": "b"},
)


@pytest.mark.parametrize(
    ("agg", "expected"),
    [
        # pilots of a: (A, 0°, 2 queries), (B, 90°, 1); of b: (A, 20°, 1), (B, 90°, 1); the query lies at 10°
        ("mean", [(COS[10] + COS[80]) / 2, (COS[10] + COS[80]) / 2]),
        ("max", [COS[10], COS[10]]),
        ("count", [(2 * COS[10] + COS[80]) / 3, (COS[10] + COS[80]) / 2]),
    ],
)
def test_an_expert_s_pilots_are_averaged_maximised_or_weighted_by_count(agg: str, expected: list[float]) -> None:
    np.testing.assert_allclose(score(Pilots.fit(HAND, PilotOptions(agg=agg)), 10), [expected], rtol=1e-6)


def test_pilots_keep_who_what_and_how_many() -> None:
    pilots = Pilots.fit(HAND)

    assert pilots.owners.tolist() == [0, 1, 0, 1]
    assert pilots.datasets == ("A", "A", "B", "B")
    assert pilots.counts.tolist() == [2, 1, 1, 1]
    np.testing.assert_allclose(pilots.vectors, at(0, 20, 90, 90), atol=1e-7)


def test_the_defaults_are_count_own_cosine_and_one_centroid() -> None:
    options = PilotOptions()

    assert (options.agg, options.ties, options.sim, options.k) == ("count", "own", "cosine", 1)


def test_with_dot_products_a_broad_domain_is_short_and_loses() -> None:
    # a's queries lie at -60 and 60 degrees: its centroid points to 0 and is cos 60 = .5 long; b's is of length one.
    broad = table([[1, 0], [1, 0], [0, 1]], degrees=[-60, 60, 45], homes={})

    assert np.argmax(score(Pilots.fit(broad, PilotOptions(sim="cosine")), 10)) == 0
    dot = score(Pilots.fit(broad, PilotOptions(sim="dot")), 10)
    np.testing.assert_allclose(dot, [[COS[10] / 2, math.cos(math.radians(35))]], rtol=1e-5)


def test_tied_queries_are_owned_by_the_home_expert_or_dropped() -> None:
    tied = table([[1, 1], [1, 0]], degrees=[0, 90], homes={"A": "b"})

    assert Pilots.fit(tied).owners.tolist() == [0, 1]
    assert Pilots.fit(tied, PilotOptions(ties="drop")).owners.tolist() == [0]
    assert Pilots.fit(tied, PilotOptions(ties="first")).owners.tolist() == [0]
    assert score(Pilots.fit(tied, PilotOptions(ties="drop")), 90)[0][1] == -1, "no pilot: the lowest similarity"
    with pytest.raises(InputError, match="no query of the utility table has a unique best expert"):
        Pilots.fit(table([[1, 1]]), PilotOptions(ties="drop"))


def test_a_group_can_have_several_pilots() -> None:
    two = table([[1, 0]] * 4, degrees=[0, 1, 90, 91], homes={})
    pilots = Pilots.fit(two, PilotOptions(k=2))

    assert pilots.counts.tolist() == [2, 2]
    np.testing.assert_allclose(np.sort(pilots.vectors[:, 0]), np.sort(at(0.5, 90.5)[:, 0]), atol=1e-6)
    assert Pilots.fit(table([[1, 0]]), PilotOptions(k=5)).counts.tolist() == [1]


# datasets: no utilities are read

TWO = {"degrees": [0, 20, 90, 100], "datasets": "AABB", "homes": {"A": "b", "B": "a"}}


def test_centroids_send_a_query_home_and_read_no_utility() -> None:
    one = Centroids.fit(table([[1, 0]] * 4, **TWO))  # type: ignore[arg-type]
    other = Centroids.fit(table([[0, 1]] * 4, **TWO))  # type: ignore[arg-type]

    np.testing.assert_allclose(score(one, 10), [[math.cos(math.radians(85)), 1]], atol=1e-6)
    assert score(one, 10, 70) == score(other, 10, 70)


def test_datasets_without_a_home_are_left_out_or_count_for_the_generalist() -> None:
    made = table([[1, 0]] * 3, degrees=[0, 90, 90], datasets="ABB", homes={"A": "a"})

    assert score(Centroids.fit(made), 90)[0][1] == -1
    np.testing.assert_allclose(score(Centroids.fit(made, CentroidOptions(generalist="b")), 90), [[0, 1]], atol=1e-6)
    with pytest.raises(ConfigError, match="the generalist 'c' is no expert; known: a, b"):
        Centroids.fit(made, CentroidOptions(generalist="c"))
    with pytest.raises(InputError, match="no dataset of the utility table is the home of an expert"):
        Centroids.fit(table([[1, 0]]))


def test_the_nearest_example_decides_alone() -> None:
    made = NearestExample.fit(table([[1, 0]] * 4, **TWO))  # type: ignore[arg-type]

    # 56 degrees is nearer to the example at 90 (34) than to that at 20 (36), though A's centroid is as near as B's.
    np.testing.assert_allclose(score(made, 56), [[math.cos(math.radians(34)), math.cos(math.radians(36))]], rtol=1e-6)


def test_examples_are_drawn_by_seed_and_not_more_than_asked() -> None:
    big = scattered(300)
    one, same, other = (NearestExample.fit(big, NearestExampleOptions(samples=20, seed=s)) for s in (1, 1, 2))

    assert len(one.query_ids) == 60
    assert len(set(one.query_ids)) == 60
    assert one.query_ids == same.query_ids != other.query_ids


# neighbours


def test_neighbours_vote_by_the_exponential_kernel() -> None:
    made = Neighbours.fit(
        table([[1, 0], [0, 1], [0.5, 0.5]], degrees=[0, 60, 180], homes={}), NeighbourOptions(k=2, bandwidth=0.5)
    )
    weights = np.exp([(COS[10] - 1) / 0.5, (math.cos(math.radians(50)) - 1) / 0.5])

    np.testing.assert_allclose(score(made, 10), [weights / weights.sum()], rtol=1e-5)


def test_far_from_every_query_the_prior_decides_and_the_fall_back_is_counted(tmp_path: Path) -> None:
    made = table([[1, 0], [1, 0], [0, 1]], degrees=[0, 10, 60], datasets="AAB", homes={})
    made.write(tmp_path / "t")
    options = NeighbourOptions(table=tmp_path / "t", threshold=0.9)
    router = NeighbourRouter.open(panel(), options)
    queries = Queries.from_pairs([("near", "5"), ("far", "200")])

    told = router.explain(queries)
    assert [one["fallback"] for one in told] == [False, True]
    assert router.notes(queries) == {"fallback_queries": 1}
    assert router.notes(Queries.from_pairs([("near", "5")])) == {}
    assert told[0]["nearest"][0]["query_id"] == "q0"
    pilots = Pilots.fit(made).scores(at(200), ["200"])
    far = router.scores(queries)[1]
    assert (far[0] > far[1]) == (pilots[0, 0] > pilots[0, 1])


def test_the_prior_is_mixed_in_units_of_utility() -> None:
    made = scattered()
    queries = scattered(seed=5)
    alone, mixed, prior = (
        Neighbours.fit(made, NeighbourOptions(alpha=alpha, threshold=-1.0)).scores(queries.vectors, queries.texts)
        for alpha in (0.0, 0.25, 1.0)
    )

    np.testing.assert_allclose(mixed, 0.75 * alone + 0.25 * prior, atol=1e-6)
    assert prior.mean() == pytest.approx(made.utilities.mean(), abs=0.1)


def test_the_threshold_is_calibrated_on_the_table() -> None:
    made = Neighbours.fit(scattered(200), NeighbourOptions(quantile=0.25))
    similarities = nearest(made.table.vectors, made.table.vectors, 2)[0][:, 1]

    assert (similarities < made.threshold).mean() == pytest.approx(0.25, abs=0.01)


# ridge


def test_ridge_is_the_closed_form_with_a_free_intercept() -> None:
    made = scattered()
    x = np.column_stack([made.vectors.astype(np.float64), np.ones(len(made))])
    free = np.diag([2.0] * 8 + [0.0])
    weights = np.linalg.solve(x.T @ x + free, x.T @ made.utilities)
    queries = scattered(seed=3)

    expected = np.column_stack([queries.vectors, np.ones(60)]) @ weights
    found = Ridge.fit(made, RidgeOptions(strength=2.0)).scores(queries.vectors, queries.texts)
    np.testing.assert_allclose(found, expected, atol=1e-6)


COSTS = {"size": {"e0": 1.0, "e1": 2.0, "e2": 6.0}, "latency": {"e0": 5.0, "e1": 5.0, "e2": 5.0}}


def test_a_cost_is_scaled_to_standard_deviation_one_and_subtracted() -> None:
    free, paid = (
        Ridge.fit(scattered(), RidgeOptions(costs=COSTS, lambdas=lambdas)).scores(at_random(), [""] * 50)
        for lambdas in ({}, {"size": 0.5, "latency": 9.0})
    )

    sizes = np.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(free - paid, np.tile(0.5 * (sizes - 3) / sizes.std(), (50, 1)), atol=1e-6)


def test_at_lambda_zero_the_router_is_the_unconstrained_one() -> None:
    free, zero = (
        Ridge.fit(scattered(), options).scores(at_random(), [""] * 50)
        for options in (RidgeOptions(), RidgeOptions(costs=COSTS, lambdas={"size": 0.0}))
    )

    np.testing.assert_array_equal(free, zero)


def test_the_mean_cost_falls_as_lambda_rises() -> None:
    spent = []
    for weight in (0.0, 0.05, 0.1, 0.2, 0.5, 5.0):
        ridge = Ridge.fit(scattered(), RidgeOptions(costs=COSTS, lambdas={"size": weight}))
        chosen = ridge.scores(at_random(), [""] * 50).argmax(axis=1)
        spent.append(np.array([1.0, 2.0, 6.0])[chosen].mean())

    assert spent == sorted(spent, reverse=True)
    assert spent[0] > spent[-1] == 1.0


@pytest.mark.parametrize(
    ("lambdas", "costs", "message"),
    [
        ({"sise": 1.0}, COSTS, "cost flag 'sise' is unknown; did you mean 'size'. known: latency, size"),
        ({"size": 1.0}, {"size": {"e0": 1.0}}, "cost 'size' of expert 'e1' is None; give a number"),
        ({"size": 1.0}, {"size": {"e0": 1.0, "e1": "x", "e2": 1.0}}, "cost 'size' of expert 'e1' is 'x'"),
        ({"size": math.nan}, COSTS, "cost flag 'size' is nan; give a number"),
    ],
)
def test_a_flag_that_says_nothing_is_refused(lambdas: Any, costs: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Ridge.fit(scattered(), RidgeOptions(costs=costs, lambdas=lambdas))


def at_random(n: int = 50, d: int = 8) -> Any:
    return unit(np.random.default_rng(9).normal(size=(n, d))).astype(np.float32)


# what all scorers keep

SCORERS: dict[str, Any] = {
    "pilots": Pilots.fit,
    "centroids": Centroids.fit,
    "nearest-example": NearestExample.fit,
    "neighbours": Neighbours.fit,
    "ridge": Ridge.fit,
}


@pytest.fixture(params=sorted(SCORERS))
def fit(request: pytest.FixtureRequest) -> Any:
    return SCORERS[request.param]


def test_a_query_scores_the_same_alone_and_in_any_batch(fit: Any) -> None:
    scorer, vectors = fit(scattered()), at_random(33)
    texts = [f"word{i % 5} other" for i in range(33)]
    whole = scorer.scores(vectors, texts)

    assert whole.dtype == np.float32
    assert whole.shape == (33, 3)
    assert np.isfinite(whole).all()
    for size in (1, 5):
        parts = [scorer.scores(vectors[i : i + size], texts[i : i + size]) for i in range(0, 33, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert scorer.scores(vectors[:0], []).shape == (0, 3)


def test_a_panel_of_one_is_scored(fit: Any) -> None:
    scorer = fit(scattered(e=1))

    assert scorer.scores(at_random(4), list("abcd")).shape == (4, 1)


def test_a_query_far_from_everything_gets_finite_scores_and_an_explanation(fit: Any) -> None:
    made = scattered()
    far = unit(-made.vectors.mean(axis=0, keepdims=True)).astype(np.float32)
    scorer = fit(made)

    assert np.isfinite(scorer.scores(far, ["zzz"])).all()
    (told,) = scorer.explain(far, ["zzz"])
    similarities = [one["similarity"] for one in told["nearest"]]
    assert len(similarities) == 3
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize(
    "fit",
    [
        Centroids.fit,
        NearestExample.fit,
        Ridge.fit,
        # Without the prior, whose pilots an expert takes from the others.
        lambda table: Neighbours.fit(table, NeighbourOptions(threshold=-1.0)),
    ],
)
def test_adding_an_expert_leaves_the_scores_of_the_others(fit: Any) -> None:
    made = scattered()
    more = made.with_expert("new", np.linspace(0, 1, len(made)))
    before, after = (fit(one).scores(at_random(), ["x"] * 50) for one in (made, more))

    np.testing.assert_array_equal(after[:, :3], before)


# tables and panels


@pytest.mark.parametrize("kind", [PilotRouter, CentroidRouter, NeighbourRouter, RidgeRouter])
def test_a_router_speaks_of_its_panel_in_the_panel_s_order(kind: Any, tmp_path: Path) -> None:
    HAND.write(tmp_path / "t")
    one, other = (kind.open(panel(names), kind.Options(table=tmp_path / "t")) for names in ("ab", "ba"))
    queries = Queries.from_pairs([("x", "10"), ("y", "75")])
    first = one.scores(queries)[0].tolist()

    assert (one.experts, other.experts) == (("a", "b"), ("b", "a"))
    np.testing.assert_array_equal(one.scores(queries), other.scores(queries)[:, ::-1])
    told = one.explain(queries)
    assert isinstance(one, Explaining)
    assert [entry["query_id"] for entry in told] == ["x", "y"]
    assert told[0]["scores"] == dict(zip("ab", first, strict=True))
    assert told[0]["nearest"][0]["dataset"] == "A"
    assert told[1]["nearest"][0]["dataset"] == "B"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", "made for other experts .it lacks 'c'.; fit the router again"),
        ("a", "made for other experts .it has 'b' beside the panel."),
        ("ac", "it lacks 'c'; it has 'b' beside the panel"),
        ("aba", "the panel has two experts named 'a'; give each its own name"),
    ],
)
def test_a_table_of_another_panel_is_refused(tmp_path: Path, names: str, message: str) -> None:
    HAND.write(tmp_path / "t")

    with pytest.raises(ConfigError, match=message):
        PilotRouter.open(panel(names), PilotOptions(table=tmp_path / "t"))


def test_a_table_of_another_encoder_is_refused(tmp_path: Path) -> None:
    made = scattered(e=2)
    UtilityTable(
        made.query_ids, made.texts, made.vectors, made.datasets, ("a", "b"), made.utilities, homes={"A": "a"}
    ).write(tmp_path / "t")

    with pytest.raises(ConfigError, match="vectors of 8 dimensions, the panel's encoder 'angles' makes 2; fit the rou"):
        PilotRouter.open(panel(), PilotOptions(table=tmp_path / "t"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PilotOptions(agg="median"), "agg is 'median'; choose one of mean, max, count"),
        (lambda: PilotOptions(ties="home"), "ties is 'home'"),
        (lambda: PilotOptions(sim="l2"), "sim is 'l2'"),
        (lambda: PilotOptions(k=0), "k is 0"),
        (lambda: NearestExampleOptions(samples=0), "samples is 0"),
        (lambda: NeighbourOptions(k=0), "k is 0"),
        (lambda: NeighbourOptions(bandwidth=0.0), "bandwidth is 0.0"),
        (lambda: NeighbourOptions(alpha=1.5), "alpha is 1.5"),
        (lambda: RidgeOptions(strength=0.0), "strength is 0.0"),
    ],
)
def test_an_option_out_of_range_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
