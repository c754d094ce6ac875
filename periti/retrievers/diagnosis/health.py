"""Expert health: the diseases of a panel, each with its number, its bound and a sentence.

HoME (Kuaishou 2024) names three diseases of mixtures: collapse (outputs differ in scale, or one expert takes the gate),
degradation (a shared expert serves one task) and underfitting (a sparse task ignores its own expert). For retrieval
their signs are score scales that do not match, exclusive shared experts and own experts that are not asked; dead
dimensions, low rank and clones are added. Nothing here needs a model: logs and outputs are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from periti.errors import InputError, UnknownName
from periti.retrievers.diagnosis import vitals
from periti.retrievers.diagnosis.arrays import Floats, distinct, matrix, vector
from periti.types import Run

Disease = Literal["collapse", "idle", "dead dimensions", "low rank", "score scale", "exclusive", "neglected", "clone"]

EXPERTS = pl.Schema(
    {
        "expert": pl.String,
        "load_share": pl.Float64,
        "dead_share": pl.Float64,
        "effective_rank": pl.Float64,
        "score_mean": pl.Float64,
        "score_std": pl.Float64,
        "exclusivity": pl.Float64,
    }
)
PAIRS = pl.Schema({"first": pl.String, "second": pl.String, "cosine": pl.Float64, "overlap": pl.Float64})
OWN = pl.Schema(
    {"dataset": pl.String, "expert": pl.String, "routed": pl.Float64, "wins": pl.Float64, "ratio": pl.Float64}
)


@dataclass(frozen=True)
class Evidence:
    """What is known of a panel of E experts; whatever is left empty is not examined, and `Health` says so.

    Args:
        experts: the panel, in the order of every expert axis below.
        datasets: names of the D datasets of the routing log.
        counts: (D, E), queries of each dataset that went to each expert (`vitals.traffic` makes it of a plan).
        own: dataset -> the expert trained for it.
        shared: experts meant for every dataset, such as the generalist.
        utilities: (n, E), utility of each expert for held-out queries.
        utility_datasets: (n,), the dataset of each row of `utilities`.
        embeddings: expert -> (n, d), its vectors of the same n queries.
        scores: expert -> (m,), a sample of the scores it gives.
        results: expert -> its run for the same queries.
    """

    experts: Sequence[str]
    datasets: Sequence[str] = ()
    counts: ArrayLike | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    shared: Sequence[str] = ()
    utilities: ArrayLike | None = None
    utility_datasets: Sequence[str] = ()
    embeddings: Mapping[str, ArrayLike] = field(default_factory=dict)
    scores: Mapping[str, ArrayLike] = field(default_factory=dict)
    results: Mapping[str, Run] = field(default_factory=dict)


@dataclass(frozen=True)
class Bounds:
    """Where a value becomes an alarm; each is a share unless it says otherwise."""

    collapse: float = 0.9
    """Load share of one expert."""
    dead: float = 0.1
    """Dead dimensions of an expert."""
    rank: float = 0.25
    """Effective rank of an expert over the panel's median."""
    scale: float = 3.0
    """Factor between an expert's score deviation and the panel's, or its mean's distance in panel deviations."""
    exclusive: float = 0.9
    """Traffic of a shared expert that comes from one dataset."""
    neglect: float = 0.5
    """Queries of a dataset routed to its own expert, over how often that expert is the best for them."""
    clone: float = 0.9
    """Common documents among two experts' first ten."""


DEFAULT = Bounds()


@dataclass(frozen=True)
class Alarm:
    """One finding: what, who, the value that crossed which bound, and a sentence for people."""

    kind: Disease
    experts: tuple[str, ...]
    value: float
    bound: float
    sentence: str


@dataclass(frozen=True)
class Health:
    """The examination of a panel.

    Args:
        routing_entropy: of the loads, in nats; None without a log.
        effective_experts: exp of it, from 1 (one takes all) to E (all alike).
        experts: one row an expert, schema EXPERTS, null where nothing was given.
        pairs: one row a pair of experts, schema PAIRS.
        own: one row a dataset with an expert of its own, schema OWN; `ratio` is null where that expert never wins.
        alarms: every disease found.
        unexamined: the diseases that could not be looked for, for want of evidence.
    """

    routing_entropy: float | None
    effective_experts: float | None
    experts: pl.DataFrame
    pairs: pl.DataFrame
    own: pl.DataFrame
    alarms: tuple[Alarm, ...]
    unexamined: tuple[Disease, ...]


def examine(evidence: Evidence, bounds: Bounds = DEFAULT) -> Health:
    """Measure a panel and raise an alarm for every disease (HoME).

    Raises:
        InputError: arrays that do not fit the panel or each other, or that hold values which are not finite.
        UnknownName: evidence about an expert outside the panel, or an own expert's dataset that the log lacks.
    """
    names = distinct(evidence.experts, "experts")
    _known(evidence, names)
    counts = _counts(evidence, len(names))
    own, alarms = _neglect(evidence, names, counts, bounds)
    columns: dict[str, list[float | None]] = {name: [None] * len(names) for name in EXPERTS if name != "expert"}
    mass = None if counts is None else counts.sum(axis=0)
    if counts is not None and mass is not None:
        columns["load_share"] = list(mass / mass.sum())
        columns["exclusivity"] = _exclusivity(counts)
        neglected = {name for alarm in alarms for name in alarm.experts}
        alarms += _load_alarms(names, columns["load_share"], neglected, bounds)
        alarms += _exclusive_alarms(evidence, names, columns["exclusivity"], bounds)
    vectors = {name: matrix(evidence.embeddings[name], f"embeddings of {name!r}") for name in evidence.embeddings}
    if len({len(rows) for rows in vectors.values()}) > 1:
        raise InputError("embeddings: the experts' numbers of rows differ; encode the same queries with each")
    columns["dead_share"] = [vitals.dead_share(vectors[name]) if name in vectors else None for name in names]
    columns["effective_rank"] = [vitals.effective_rank(vectors[name]) if name in vectors else None for name in names]
    samples = {name: vector(evidence.scores[name], f"scores of {name!r}") for name in evidence.scores}
    columns["score_mean"] = [float(samples[name].mean()) if name in samples else None for name in names]
    columns["score_std"] = [float(samples[name].std()) if name in samples else None for name in names]
    pairs = _pairs(names, vectors, evidence.results)
    alarms += _dimension_alarms(names, columns["dead_share"], columns["effective_rank"], bounds)
    alarms += _scale_alarms(samples, bounds) + _clone_alarms(pairs, bounds)
    spread = None if mass is None else vitals.entropy(mass)
    return Health(
        routing_entropy=spread,
        effective_experts=None if spread is None else float(np.exp(spread)),
        experts=pl.DataFrame({"expert": list(names), **columns}, schema=EXPERTS),
        pairs=pairs,
        own=own,
        alarms=tuple(alarms),
        unexamined=_unexamined(evidence),
    )


def _known(evidence: Evidence, names: tuple[str, ...]) -> None:
    spoken = {*evidence.own.values(), *evidence.shared, *evidence.embeddings, *evidence.scores, *evidence.results}
    strangers = sorted(spoken - set(names))
    if strangers:
        raise UnknownName(
            f"the evidence speaks of expert {strangers[0]!r}, the panel has {list(names)}; add or drop it"
        )


def _counts(evidence: Evidence, experts: int) -> Floats | None:
    """The routing log as float64 (D, E), or None without one."""
    if evidence.counts is None:
        return None
    datasets = distinct(evidence.datasets, "datasets of the routing log")
    counts = matrix(evidence.counts, "routing log", len(datasets), experts)
    if (counts < 0).any() or counts.sum() <= 0:
        raise InputError("routing log: a count is negative or there is no query at all; give counts of queries")
    return counts


def _rates(counts: Floats) -> Floats:
    """Each dataset's traffic brought to sum 1; rows without traffic stay 0."""
    totals = counts.sum(axis=1, keepdims=True)
    return counts / np.where(totals > 0, totals, 1)


def _exclusivity(counts: Floats) -> list[float | None]:
    """The largest share that one dataset has in each expert's traffic.

    Every dataset weighs the same, so that a log in which one collection is large does not look like an exclusive one.
    """
    rates = _rates(counts)
    totals = rates.sum(axis=0)
    return [float(rates[:, e].max() / totals[e]) if totals[e] > 0 else None for e in range(counts.shape[1])]


def _exclusive_alarms(
    evidence: Evidence, names: Sequence[str], exclusivity: Sequence[float | None], bounds: Bounds
) -> list[Alarm]:
    if len(evidence.datasets) < 2:  # the only dataset there is has all the traffic
        return []
    return [
        Alarm(
            "exclusive",
            (name,),
            value,
            bounds.exclusive,
            f"shared expert {name!r} gets {value:.0%} of its traffic from one dataset (bound {bounds.exclusive:.0%}); "
            "it is no longer shared",
        )
        for name, value in zip(names, exclusivity, strict=True)
        if name in evidence.shared and value is not None and value > bounds.exclusive
    ]


def _load_alarms(
    names: Sequence[str], shares: Sequence[float | None], neglected: Iterable[str], bounds: Bounds
) -> list[Alarm]:
    """One expert takes the gate, or one gets nothing (unless the neglect alarm already says why)."""
    alarms = []
    for name, share in zip(names, shares, strict=True):
        if share is not None and share > bounds.collapse and len(names) > 1:
            sentence = (
                f"expert {name!r} takes {share:.0%} of the queries (bound {bounds.collapse:.0%}); routing collapsed"
            )
            alarms.append(Alarm("collapse", (name,), share, bounds.collapse, sentence))
        if share == 0 and name not in neglected:
            alarms.append(Alarm("idle", (name,), 0.0, 0.0, f"expert {name!r} gets no query; remove it or train it"))
    return alarms


def _neglect(
    evidence: Evidence, names: tuple[str, ...], counts: Floats | None, bounds: Bounds
) -> tuple[pl.DataFrame, list[Alarm]]:
    """Share routed to the own expert over its win rate, for every dataset that has an own expert."""
    if counts is None or evidence.utilities is None or not evidence.own:
        return OWN.to_frame(), []
    utilities = matrix(evidence.utilities, "utilities", columns=len(names))
    if len(evidence.utility_datasets) != len(utilities):
        raise InputError(
            f"utilities: {len(utilities)} rows, {len(evidence.utility_datasets)} datasets; name the dataset of each row"
        )
    rates = _rates(counts)
    of_row = np.array(evidence.utility_datasets)
    rows: list[tuple[str, str, float, float, float | None]] = []
    alarms = []
    for dataset, expert in evidence.own.items():
        if dataset not in evidence.datasets or not (of_row == dataset).any():
            raise UnknownName(
                f"dataset {dataset!r} has own expert {expert!r} but no log or no utilities; give both or leave it out"
            )
        column = names.index(expert)
        routed = float(rates[list(evidence.datasets).index(dataset), column])
        wins = float(vitals.win_shares(utilities[of_row == dataset])[column])
        ratio = routed / wins if wins > 0 else None
        rows.append((dataset, expert, routed, wins, ratio))
        # An expert that wins less often than chance is poor, not neglected.
        if ratio is not None and ratio < bounds.neglect and wins >= 1 / len(names):
            sentence = (
                f"{routed:.0%} of {dataset!r} go to its own expert {expert!r}, which is the best for {wins:.0%} "
                f"(ratio {ratio:.2f}, bound {bounds.neglect:.2f}); the router neglects it"
            )
            alarms.append(Alarm("neglected", (expert,), ratio, bounds.neglect, sentence))
    return pl.DataFrame(rows, schema=OWN, orient="row"), alarms


def _dimension_alarms(
    names: Sequence[str], dead: Sequence[float | None], ranks: Sequence[float | None], bounds: Bounds
) -> list[Alarm]:
    alarms = []
    known = [rank for rank in ranks if rank is not None]
    usual = float(np.median(known)) if known else 0.0
    for name, share, rank in zip(names, dead, ranks, strict=True):
        if share is not None and share > bounds.dead:
            sentence = (
                f"{share:.0%} of the dimensions of expert {name!r} are dead (bound {bounds.dead:.0%}); retrain it"
            )
            alarms.append(Alarm("dead dimensions", (name,), share, bounds.dead, sentence))
        if rank is not None and usual > 0 and rank < bounds.rank * usual:
            sentence = (
                f"expert {name!r} has effective rank {rank:.1f}, the panel's median is {usual:.1f} (bound "
                f"{bounds.rank:.0%} of it); its vectors hardly tell queries apart"
            )
            alarms.append(Alarm("low rank", (name,), rank / usual, bounds.rank, sentence))
    return alarms


def _scale_alarms(samples: Mapping[str, Floats], bounds: Bounds) -> list[Alarm]:
    """Experts whose scores are wider, narrower or elsewhere than the panel's.

    The panel's scale is the median. Of two experts nobody can say which is off: the alarm names both.
    """
    if len(samples) < 2:
        return []
    spread = {name: float(sample.std()) for name, sample in samples.items()}
    means = {name: float(sample.mean()) for name, sample in samples.items()}
    if not any(spread.values()):
        return []
    both = tuple(samples) if len(samples) == 2 else None
    usual = float(np.median(list(spread.values()))) if both is None else min(spread.values())
    # Most of the panel may be constant; then the narrowest expert that is not stands for it.
    usual = usual if usual > 0 else min(value for value in spread.values() if value > 0)
    centre = float(np.median(list(means.values()))) if both is None else min(means.values())
    alarms = []
    for name in samples:
        ratio, shift = spread[name] / usual, abs(means[name] - centre) / usual
        if 1 / bounds.scale <= ratio <= bounds.scale and shift <= bounds.scale:
            continue
        spread_off = not 1 / bounds.scale <= ratio <= bounds.scale
        value = ratio if spread_off else shift
        what = f"vary {ratio:.2g} times as much as" if spread_off else f"lie {shift:.1f} deviations from"
        rest = "the other's" if both else "the panel's"
        sentence = (
            f"scores of expert {name!r} {what} {rest} (bound {bounds.scale:g}); fuse by rank or calibrate before mixing"
        )
        alarms.append(Alarm("score scale", both or (name,), value, bounds.scale, sentence))
    return alarms[:1] if both else alarms


def _pairs(names: Sequence[str], vectors: Mapping[str, Floats], results: Mapping[str, Run]) -> pl.DataFrame:
    rows = []
    for first, second in combinations(names, 2):
        cosine = common = None
        # Vectors of foreign encoders have other dimensions: they have no cosine, but their results overlap.
        if {first, second} <= set(vectors) and vectors[first].shape == vectors[second].shape:
            cosine = vitals.mean_cosine(vectors[first], vectors[second])
        if {first, second} <= set(results):
            common = vitals.overlap(results[first], results[second])
        rows.append((first, second, cosine, common))
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def _clone_alarms(pairs: pl.DataFrame, bounds: Bounds) -> list[Alarm]:
    """By results, not by cosine: adapters of one base have alike vectors and yet find other documents."""
    return [
        Alarm(
            "clone",
            (first, second),
            common,
            bounds.clone,
            f"experts {first!r} and {second!r} share {common:.0%} of their first ten (bound {bounds.clone:.0%}); "
            "merge them or drop one",
        )
        for first, second, common in pairs.select("first", "second", "overlap").iter_rows()
        if common is not None and common > bounds.clone
    ]


def _unexamined(evidence: Evidence) -> tuple[Disease, ...]:
    lacking: list[Disease] = []
    if evidence.counts is None:
        lacking += ["collapse", "idle"]
    if any(name not in evidence.embeddings for name in evidence.experts):
        lacking += ["dead dimensions", "low rank"]
    if any(name not in evidence.scores for name in evidence.experts):
        lacking.append("score scale")
    if evidence.counts is None or not evidence.shared:
        lacking.append("exclusive")
    if evidence.counts is None or evidence.utilities is None or not evidence.own:
        lacking.append("neglected")
    if any(name not in evidence.results for name in evidence.experts):
        lacking.append("clone")
    return tuple(lacking)
