"""The synthetic settings S1 to S7: directions that were found over 60 seeds, asserted as means over a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest

from periti.retrievers.policies.adaptive import EntropyGate, EntropyOptions, TopP, TopPOptions, tsallis
from periti.retrievers.policies.rows import Softening, shares
from periti.retrievers.routing import oracles
from periti.retrievers.routing.base import Scorer
from periti.retrievers.routing.centroids import Centroids
from periti.retrievers.routing.classifiers import Classifier
from periti.retrievers.routing.nearest_example import NearestExample
from periti.retrievers.routing.neighbours import NeighbourOptions, Neighbours
from periti.retrievers.routing.pairwise import Pairwise
from periti.retrievers.routing.pilots import PilotOptions, Pilots
from periti.retrievers.routing.ridge import Ridge
from periti.retrievers.routing.similarity import dots, unit
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries
from tests.retrievers.routing.synthetic import SETTINGS, World, world

SEEDS = 4


def value(scorer: Scorer, test: UtilityTable) -> float:
    chosen = scorer.scores(test.vectors, test.texts).argmax(axis=1)
    return float(oracles.reached(test.utilities, chosen).mean())


def systems(made: World) -> dict[str, float]:
    """Mean nDCG@10 of every system on one world."""
    table, test = made.table, made.test
    best_single, instance = oracles.best_single(test.utilities), oracles.instance_oracle(test.utilities)
    dataset = oracles.dataset_oracle(test.utilities, test.datasets)
    return {
        "base": float(made.base.mean()),
        "multi-task": float(made.multi_task.mean()),
        "random": float(oracles.reached(test.utilities, oracles.random_choice(test.utilities, rng())).mean()),
        "best single": float(oracles.reached(test.utilities, best_single).mean()),
        "naive pilots": value(Pilots.fit(table, PilotOptions(agg="mean", ties="first", sim="dot")), test),
        "DatasetRouter": value(NearestExample.fit(table), test),
        "mean pilots": value(Pilots.fit(table, PilotOptions(agg="mean")), test),
        "pilots": value(Pilots.fit(table), test),
        "centroids": value(Centroids.fit(table), test),
        "ridge": value(Ridge.fit(table), test),
        "neighbours": value(Neighbours.fit(table, NeighbourOptions(threshold=-1.0)), test),
        "DatasetOracle": float(oracles.reached(test.utilities, dataset).mean()),
        "InstanceOracle": float(oracles.reached(test.utilities, instance).mean()),
    }


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@cache
def means(setting: str) -> Mapping[str, float]:
    made = [systems(world(SETTINGS[setting], seed)) for seed in range(SEEDS)]
    return {name: float(np.mean([one[name] for one in made])) for name in made[0]}


@pytest.mark.parametrize("setting", ["S1", "S2", "S3", "S4"])
def test_systems_come_in_the_order_that_the_reference_found(setting: str) -> None:
    found = means(setting)
    order = ["base", "best single", "DatasetRouter", "pilots", "InstanceOracle"]

    assert [found[name] for name in order] == sorted(found[name] for name in order)
    assert found["random"] < found["DatasetRouter"]
    assert found["multi-task"] < found["pilots"]


@pytest.mark.parametrize("setting", ["S1", "S2", "S3", "S4", "S7"])
def test_unweighted_means_of_unnormalised_pilots_of_first_winners_lose_a_tenth(setting: str) -> None:
    found = means(setting)

    assert found["naive pilots"] < found["pilots"] - 0.1
    assert found["mean pilots"] < found["pilots"]


@pytest.mark.parametrize("setting", ["S1", "S2", "S3", "S4", "S7"])
def test_ridge_beats_the_dataset_router(setting: str) -> None:
    assert means(setting)["ridge"] > means(setting)["DatasetRouter"] + 0.03


def test_neighbours_win_where_domains_speak_each_other_s_language() -> None:
    assert means("S6")["neighbours"] > means("S6")["pilots"] + 0.01


def test_an_expert_that_is_added_to_neighbours_takes_no_query_it_is_not_best_for_and_can_be_removed() -> None:
    kept, gains = [], []
    for seed in range(SEEDS):
        made = world(SETTINGS["S1"], seed)
        few = made.table.without_expert("E3")
        more = few.with_expert("E3", made.table.utilities[:, 3], home=("D3",))
        texts, vectors = made.test.texts, made.test.vectors
        before, after, again = (
            Neighbours.fit(one).scores(vectors, texts) for one in (few, more, more.without_expert("E3"))
        )
        near = ~Neighbours.fit(few).fell_back(vectors, texts)
        old = np.array(made.test.datasets) != "D3"

        np.testing.assert_array_equal(again, before)
        # Only far queries rest on the prior, whose pilots an expert may take from the others.
        np.testing.assert_array_equal(after[near, :3], before[near])
        kept.append((before.argmax(axis=1) == after.argmax(axis=1))[old].mean())
        reached = [oracles.reached(made.test.utilities, one.argmax(axis=1)) for one in (before, after)]
        gains.append([(reached[1] - reached[0])[rows].mean() for rows in (old, ~old)])

    assert np.mean(kept) > 0.85, "one query in ten speaks another domain's language"
    assert np.mean(gains, axis=0)[0] > -0.01, "the neighbours of the new expert lose nothing"
    assert np.mean(gains, axis=0)[1] > 0.3, "its own domain gains"


def test_the_gap_to_plain_centroids_is_reported_not_asserted(
    record_property: Callable[[str, object], None],
) -> None:
    for setting in SETTINGS:
        gap = means(setting)["pilots"] - means(setting)["centroids"]
        record_property(f"{setting}: pilots minus centroids", round(gap, 4))

        assert means(setting)["centroids"] > means(setting)["naive pilots"]


def test_the_instance_oracle_gains_over_mere_copies_of_one_expert() -> None:
    made = world(SETTINGS["S1"], 0)
    copies = oracles.reached(made.clones, oracles.null_oracle(made.clones)).mean() - made.clones.mean()

    assert copies > 0.01, "a maximum of noise rises by itself"
    test = made.test.utilities
    assert oracles.reached(test, oracles.instance_oracle(test)).mean() - test.mean() > 10 * copies


def test_trained_heads_route_in_the_easy_setting() -> None:
    made = world(SETTINGS["S1"], 0)
    random = made.test.utilities.mean()

    for scorer in (Pairwise.fit(made.table), Classifier.fit(made.table), Classifier.fit(made.table, joint=False)):
        assert value(scorer, made.test) > random + 0.4


# policies over scorers


def queries(n: int) -> Queries:
    return Queries.from_pairs([(str(i), "x") for i in range(n)])


def test_top_p_asks_more_experts_the_further_a_query_is_from_every_pilot() -> None:
    correlations = []
    for seed in range(SEEDS):
        made = world(SETTINGS["S4"], seed)
        pilots = Pilots.fit(made.table)
        scores = pilots.scores(made.test.vectors, made.test.texts)
        plan = TopP(TopPOptions(p=0.6, scale=0.1)).select(queries(len(scores)), pilots.experts, scores)
        asked = plan.frame.group_by("query_id", maintain_order=True).len()["len"].to_numpy()
        distance = 1 - dots(made.test.vectors, pilots.vectors).max(axis=1)
        correlations.append(np.corrcoef(asked, distance)[0, 1])

    assert np.mean(correlations) > 0.1


def test_queries_between_two_domains_pass_the_entropy_gate_more_often() -> None:
    made = world(SETTINGS["S1"], 0)
    pilots = Pilots.fit(made.table)
    clean = made.test.vectors
    # Each query half of its own domain and half of another's.
    mixed = unit(clean + clean[(np.arange(len(clean)) + 100) % len(clean)]).astype(np.float32)
    gate = EntropyGate(EntropyOptions(gate=0.75, scale=0.1))

    uncertain = [
        gate.uncertain(queries(len(x)), pilots.experts, pilots.scores(x, [""] * len(x))).mean() for x in (clean, mixed)
    ]
    assert uncertain[0] < uncertain[1]


def test_argmax_loses_more_to_the_best_expert_where_the_entropy_gate_sees_doubt() -> None:
    gains = []
    for seed in range(SEEDS):
        made = world(SETTINGS["S6"], seed)
        pilots = Pilots.fit(made.table)
        scores = pilots.scores(made.test.vectors, made.test.texts)
        soft = shares(scores.astype(np.float64), Softening(scale=0.1))
        doubt = tsallis(soft, 1.1)
        best = oracles.reached(made.test.utilities, scores.argmax(axis=1))
        lost = made.test.utilities.max(axis=1) - best
        gains.append(lost[doubt > np.median(doubt)].mean() - lost[doubt <= np.median(doubt)].mean())

    assert np.mean(gains) > 0.02, "argmax loses more where the gate sees doubt"
