"""Glider's two regimes on synthetic domains: where cards help, where they harm, and a scale that tells which is which.

Three domains have an expert each with a card near the domain's mean, and few, noisy utilities to learn from. A fourth
has no expert and no card: there a hidden direction says whether the second or the third expert is good, which only
utilities can teach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.protocols import Vectors
from periti.retrievers.routing import oracles
from periti.retrievers.routing.base import Scorer
from periti.retrievers.routing.neighbours import NeighbourOptions, Neighbours
from periti.retrievers.routing.prior import Prior, PriorOptions
from periti.retrievers.routing.similarity import unit
from periti.retrievers.routing.table import UtilityTable

D, EXPERTS, SEEDS = 32, ("a", "b", "c"), 8
LARGE = 10.0


@dataclass(frozen=True)
class Part:
    """Queries of one regime, and what each expert is truly worth on them, float64 (n, 3)."""

    vectors: Vectors
    worth: NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """One seed: what is learnt from, the cards, and test queries of both regimes."""

    table: UtilityTable
    known: UtilityTable
    cards: Vectors
    seen: Part
    unseen: Part


def table_of(part: Part, name: str, rng: np.random.Generator, noise: float) -> UtilityTable:
    ids = tuple(f"{name}{i}" for i in range(len(part.vectors)))
    utilities = part.worth + rng.normal(0, noise, part.worth.shape)
    return UtilityTable(ids, ids, part.vectors, (name,) * len(ids), EXPERTS, utilities)


def joined(*tables: UtilityTable) -> UtilityTable:
    return UtilityTable(
        sum((one.query_ids for one in tables), ()),
        sum((one.texts for one in tables), ()),
        np.concatenate([one.vectors for one in tables]),
        sum((one.datasets for one in tables), ()),
        EXPERTS,
        np.concatenate([one.utilities for one in tables]),
    )


def world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    means = unit(rng.normal(size=(4, D)))
    hidden = unit(rng.normal(size=(1, D)))[0]

    def ask(domain: int, count: int) -> Part:
        offsets = rng.normal(0, 0.15, (count, D))
        side = rng.random(count) < 0.5
        if domain == 3:
            offsets += np.where(side, 0.5, -0.5)[:, None] * hidden
            best = np.where(side, 1, 2)
        else:
            best = np.full(count, domain)
        worth = np.where(best[:, None] == np.arange(3), 0.8, 0.3)
        return Part(unit(means[domain] + offsets).astype(np.float32), worth)

    known = joined(*(table_of(ask(domain, 4), f"D{domain}", rng, 0.5) for domain in range(3)))
    strange = table_of(ask(3, 60), "D3", rng, 0.1)
    seen = [ask(domain, 60) for domain in range(3)]
    return World(
        joined(known, strange),
        known,
        unit(means[:3] + rng.normal(0, 0.05, (3, D))).astype(np.float32),
        Part(np.concatenate([one.vectors for one in seen]), np.concatenate([one.worth for one in seen])),
        ask(3, 180),
    )


def reached(scorer: Scorer, part: Part) -> float:
    chosen = scorer.scores(part.vectors, [""] * len(part.vectors)).argmax(axis=1)
    return float(oracles.reached(part.worth, chosen).mean())


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[float, float]]:
    """System -> what it reaches on known domains and on the unseen one, means over seeds."""
    values: dict[str, list[tuple[float, float]]] = {}
    for seed in range(SEEDS):
        made = world(seed)
        local = Neighbours.fit(made.table, NeighbourOptions(k=5, threshold=-1.0))
        systems: dict[str, Scorer] = {
            "local": local,
            "always large": Prior.fit(local, made.cards, made.known, PriorOptions(large=LARGE, small=LARGE)),
            "by confidence": Prior.fit(local, made.cards, made.known, PriorOptions(large=LARGE)),
        }
        for name, scorer in systems.items():
            values.setdefault(name, []).append((reached(scorer, made.seen), reached(scorer, made.unseen)))
    return {
        name: (float(np.mean([a for a, _ in own])), float(np.mean([b for _, b in own]))) for name, own in values.items()
    }


def test_on_known_domains_cards_and_local_scores_beat_local_scores(found: dict[str, tuple[float, float]]) -> None:
    assert found["by confidence"][0] > found["local"][0] + 0.05


def test_on_an_unseen_domain_a_large_scale_harms(found: dict[str, tuple[float, float]]) -> None:
    assert found["always large"][1] < found["local"][1] - 0.1


def test_on_an_unseen_domain_the_scale_chosen_by_confidence_does_not(found: dict[str, tuple[float, float]]) -> None:
    assert found["by confidence"][1] > found["local"][1] - 0.02
    assert found["by confidence"][0] == pytest.approx(found["always large"][0], abs=0.05)
