"""Every system on every collection over all training seeds, and whether the differences are more than luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.apart import apart
from periti.evaluation.routing.results import POINTS, RoutingStudy, StudiedCollection, StudiedSystem
from periti.evaluation.significance import Design, Scores, Study, compare
from periti.panels.choice import averaged, chosen
from periti.panels.config import BASE
from periti.panels.disturbed import DISTURBANCES, disturb
from periti.panels.expectations import expected
from periti.panels.luck import null_oracle
from periti.panels.material import TEST, Material
from periti.panels.panel import Panel
from periti.panels.rows import studied_oracles, studied_policies
from periti.panels.seeds import Outcomes, Seeded, gathered, mean_values, named, seeded
from periti.panels.systems import (
    CROSS_FITTED,
    DATASET_ORACLE,
    INSTANCE_ORACLE,
    MEAN_SINGLE,
    NULL_ORACLE,
    RANDOM,
    Outcome,
)
from periti.panels.tables import base_vectors
from periti.panels.tuning import ARGMAX, FALLBACK, FUSED
from periti.progress import Progress
from periti.retrievers.routing.base import Scorer

BOOTSTRAP = 2_000
MAPPED = 60
"""Queries of a collection on the map."""
DISTURBED = 50
"""Queries of a collection that are asked again with typos and in other words."""
ORACLES = (DATASET_ORACLE, INSTANCE_ORACLE, CROSS_FITTED, NULL_ORACLE)
CHOSEN = "chosen on held-out queries of train, at home and as strangers, of all that the table of policies lists"
NOTES = {
    NULL_ORACLE: (
        "the best training seed of one expert for each query, averaged over the experts; its gain over a random expert "
        "is luck alone, and says how much of the instance oracle's is"
    ),
    CROSS_FITTED: "the expert that is best for the query in other words, so that a lucky wording does not count",
}


def study(panel: Panel, progress: Progress, facts: Mapping[str, str]) -> RoutingStudy:
    """The whole study; experts must be trained.

    Raises:
        EncoderError: an expert is not trained yet.
    """
    config = panel.config
    seeds = [seeded(panel, seed, progress) for seed in config.seeds]
    found = gathered(panel, seeds, progress)
    promises = {system: averaged(by_seed) for system, by_seed in found.promises.items()}
    best = chosen(promises)
    if len(seeds) > 1:
        for name in seeds[0].asked:
            found.add(NULL_ORACLE, name, Outcome(null_oracle([one.asked[name] for one in seeds], config.routed[1:])[0]))
    shown = {system: of for system, of in found.outcomes.items() if system not in found.extra or system == best}
    collections = _collections(panel)
    return RoutingStudy(
        measure=config.measure,
        seeds=config.seeds,
        collections=collections,
        systems=_systems(panel, shown, collections, best),
        experts=config.routed,
        studies=_studies(panel, shown, collections, best),
        points=_points(seeds[0], found.outcomes[config.router]),
        stability=_stability(panel, found.fitted),
        facts={
            **facts,
            "tie rate of the utility table": f"{np.mean([s.table.tie_rate for s in seeds]):.3f}",
            **{f"left out, {router}": why for router, why in found.left_out.items()},
        },
        chosen=best,
        policies=studied_policies(found, promises, collections),
        luck=studied_oracles(seeds, collections),
        expectations=expected(panel, seeds, found, collections),
    )


def _collections(panel: Panel) -> tuple[StudiedCollection, ...]:
    """Seen ones first, as configured."""
    homes = panel.config.homes()
    found = [
        StudiedCollection(name, m.domain, homes.get(name, ""), len(m.slices[TEST].queries))
        for name, m in panel.materials.items()
        if TEST in m.slices
    ]
    return tuple(sorted(found, key=lambda one: not one.seen))


def _systems(
    panel: Panel, outcomes: Outcomes, collections: Sequence[StudiedCollection], best_policy: str
) -> tuple[StudiedSystem, ...]:
    best = {name: mean_values(of) for name, of in outcomes[INSTANCE_ORACLE].items()}
    made = []
    for system, found in outcomes.items():
        values = {name: mean_values(of) for name, of in found.items()}
        kind = _kind(panel, system)
        regret = float(np.mean(np.concatenate([best[name] - values[name] for name in values])))
        made.append(
            StudiedSystem(
                name=system,
                kind=kind,
                values={name: float(own.mean()) for name, own in values.items()},
                cost=float(np.mean([o.cost for of in found.values() for o in of])),
                shares={name: _shares(of) for name, of in found.items()} if found[next(iter(found))][0].shares else {},
                regret=None if kind == "oracle" else regret,
                gap=None if system in (BASE, DATASET_ORACLE, NULL_ORACLE) else _gap(outcomes, system, collections),
                note=CHOSEN if system == best_policy else NOTES.get(system, ""),
            )
        )
    order = ("base", "random", "expert", "control", "router", "oracle")
    return tuple(sorted(made, key=lambda one: order.index(one.kind)))


def _shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Routing shares, averaged over seeds."""
    names = sorted({name for one in outcomes for name in one.shares})
    return {name: float(np.mean([one.shares.get(name, 0.0) for one in outcomes])) for name in names}


def _kind(panel: Panel, system: str) -> str:
    fixed = {BASE: "base", RANDOM: "random", MEAN_SINGLE: "expert"} | dict.fromkeys(ORACLES, "oracle")
    if system in fixed:
        return fixed[system]
    entry = panel.config.experts.get(system)
    return "router" if entry is None else "control" if entry.control else "expert"


def _gap(
    outcomes: Outcomes, system: str, collections: Sequence[StudiedCollection]
) -> tuple[float, float, float] | None:
    """Share of the gap from base to dataset oracle that is closed on the seen macro mean; percentile bootstrap."""
    names = [one.name for one in collections if one.seen]
    if not names:
        return None
    rng = np.random.default_rng(1)
    columns = [BASE, system, DATASET_ORACLE]
    grids = [np.column_stack([mean_values(outcomes[c][name]) for c in columns]) for name in names]
    point = np.mean([grid.mean(axis=0) for grid in grids], axis=0)
    if point[2] - point[0] <= 0:
        return None
    draws = np.zeros((BOOTSTRAP, 3))
    for grid in grids:
        rows = rng.integers(len(grid), size=(BOOTSTRAP, len(grid)))
        draws += grid[rows].mean(axis=1) / len(grids)
    ratios = (draws[:, 1] - draws[:, 0]) / np.where(draws[:, 2] > draws[:, 0], draws[:, 2] - draws[:, 0], np.nan)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float((point[1] - point[0]) / (point[2] - point[0])), float(low), float(high)


def _studies(
    panel: Panel, outcomes: Outcomes, collections: Sequence[StudiedCollection], best_policy: str
) -> dict[str, Study]:
    """Corrected comparisons: everything against the base, the router against its rivals; one family each."""
    controls = [name for name, one in panel.config.experts.items() if one.control]
    main = panel.config.router
    variants = [named(main, label) for label in (ARGMAX, FALLBACK, FUSED)]
    contenders = [*variants, *[name for name in (best_policy,) if name not in variants]]
    design = {
        "test": "randomization",
        "correction": "holm",
        "family": "all",
        "permutations": 20_000,
        "bootstrap": 2_000,
    }
    against_base = [BASE, *contenders, *controls, MEAN_SINGLE]
    made = {}
    for title, seen in (("seen collections, against the base", True), ("unseen collections, against the base", False)):
        names = [one.name for one in collections if one.seen is seen and one.queries > 1]
        if names:
            tables = [_scores(panel, outcomes, name, against_base) for name in names]
            made[title] = compare(tables, Design(baseline=BASE, seed=1, **design))  # type: ignore[arg-type]
    others = [name for name in ("centroids", "nearest-example") if name != main and name in outcomes]
    rivals = [main, *controls, MEAN_SINGLE, *others]
    seen_names = [one.name for one in collections if one.seen and one.queries > 1]
    if seen_names:
        tables = [_scores(panel, outcomes, name, rivals) for name in seen_names]
        made[f"seen collections, rivals against {main}"] = compare(tables, Design(baseline=main, seed=1, **design))  # type: ignore[arg-type]
    return made


def _scores(panel: Panel, outcomes: Outcomes, name: str, systems: Sequence[str]) -> Scores:
    """The table of a collection, topics × systems, seeds averaged per topic."""
    columns = {system: mean_values(outcomes[system][name]) for system in dict.fromkeys(systems)}
    ids = panel.materials[name].slices[TEST].queries.ids
    return Scores.of(pl.DataFrame({"query_id": ids, **columns}), panel.config.measure, collection=name)


def _points(first: Seeded, router: Mapping[str, list[Outcome]]) -> pl.DataFrame:
    """Base vectors of some queries of every collection on their two principal axes, with the expert chosen."""
    vectors, names, experts = [], [], []
    for name, asked in first.asked.items():
        rows = _some(len(asked.vectors), MAPPED)
        chosen = router[name][0].chosen
        if chosen is None:
            continue
        vectors.append(asked.vectors[rows])
        names += [name] * len(rows)
        experts += [first.table.experts[chosen[row]] for row in rows]
    stacked = np.concatenate(vectors).astype(np.float64)
    centred = stacked - stacked.mean(axis=0)
    _, _, axes = apart(np.linalg.svd, centred, full_matrices=False)
    plane = centred @ axes[:2].T
    return pl.DataFrame({"x": plane[:, 0], "y": plane[:, 1], "collection": names, "expert": experts}, schema=POINTS)


def _some(count: int, most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _stability(panel: Panel, fitted: Mapping[str, Scorer]) -> dict[str, dict[str, float]]:
    """Share of queries whose best expert stays the same when they are asked with typos or in other words."""
    texts = [text for material in panel.materials.values() if TEST in material.slices for text in _sample(material)]
    plain = base_vectors(panel.vectors, texts)
    made: dict[str, dict[str, float]] = {name: {} for name in fitted}
    for kind in DISTURBANCES:
        other = [disturb(text, kind) for text in texts]
        moved = base_vectors(panel.vectors, other)
        for name, scorer in fitted.items():
            same = scorer.scores(plain, texts).argmax(axis=1) == scorer.scores(moved, other).argmax(axis=1)
            made[name][kind] = float(same.mean())
    return made


def _sample(material: Material) -> list[str]:
    texts = material.slices[TEST].queries.texts
    return [texts[row] for row in _some(len(texts), DISTURBED)]
