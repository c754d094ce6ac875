"""Tables of scores and a design to a study: every comparison with its interval, effect, power and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from periti.errors import InputError
from periti.evaluation.significance import cautions, corrections, effects, intervals
from periti.evaluation.significance.blocks import TwoWay, hsd, randomized_hsd, two_way
from periti.evaluation.significance.design import Design
from periti.evaluation.significance.friedman import OverCollections, friedman
from periti.evaluation.significance.grid import Ints, Values
from periti.evaluation.significance.paired import TestResult, t_test, wilcoxon, wins_ties_losses, without_noise
from periti.evaluation.significance.results import (
    Comparison,
    ComparisonTable,
    Effect,
    Equivalence,
    Standing,
    Study,
)
from periti.evaluation.significance.runs import Evidence
from periti.evaluation.significance.scores import Scores
from periti.evaluation.significance.signflip import Flips, max_t, sign_flip
from periti.evaluation.significance.tiers import Place, places


def compare(scores: Sequence[Scores], design: Design | None = None, evidence: Evidence | None = None) -> Study:
    """Compare the systems of every table under one design.

    Args:
        scores: one table a measure and collection.
        design: test, family, correction and the rest; by default paired t, all pairs, Holm.
        evidence: of the runs the scores come from, for warnings.

    Raises:
        InputError: no table, one system, one topic, an unknown baseline, a table given twice, or a family over
            other topics under MaxT.
    """
    design = design or Design()
    _require_tables(scores)
    prepared = [_Prepared.of(table, design) for table in scores]
    results = [_tested(one, design) for one in prepared]
    adjusted = _adjusted(prepared, [result.p for result in results], design)
    equivalences = _equivalences(prepared, design)
    tables = tuple(
        _table(one, (result, own), equivalence, design, evidence or Evidence())
        for one, result, own, equivalence in zip(prepared, results, adjusted, equivalences, strict=True)
    )
    sizes = [one.differences.shape[1] for one in prepared]
    size = sum(sizes) if design.family == "all" else max(sizes)
    return Study(
        design=design,
        tables=tables,
        sentences=design.sentences(_resampling(prepared, design), size),
        family_size=size,
        over_collections=_over_collections(scores, design.alpha),
    )


@dataclass(frozen=True)
class _Prepared:
    """A table with the pairs to compare: columns of a and b, int64 (m,), and differences, float64 (n, m)."""

    scores: Scores
    order: tuple[int, ...]
    pairs: tuple[Ints, Ints]
    differences: Values
    anova: TwoWay

    @classmethod
    def of(cls, scores: Scores, design: Design) -> _Prepared:
        means = scores.values.mean(axis=0)
        # Columns are sorted by name, so that equal means stand in that order.
        order = np.argsort(-means, kind="stable")
        if design.baseline is None:
            first, second = np.triu_indices(len(order), 1)
            pairs = order[first], order[second]
        else:
            baseline = scores.column(design.baseline)
            others = order[order != baseline]
            pairs = others, np.full(len(others), baseline)
        a, b = scores.values[:, pairs[0]], scores.values[:, pairs[1]]
        differences = without_noise(a - b, np.maximum(np.abs(a), np.abs(b)))
        return cls(scores, tuple(order.tolist()), pairs, differences, two_way(scores.values))

    def flips(self, design: Design) -> Flips:
        """The sign flips of this table's topics."""
        return Flips.of(len(self.differences), design.permutations, design.seed)


def _require_tables(scores: Sequence[Scores]) -> None:
    """Refuse what can not be compared, in one sentence each."""
    if not scores:
        raise InputError("there is no table of scores to compare; give one or more")
    keys = [(table.collection, table.measure) for table in scores]
    if len(set(keys)) < len(keys):
        twice = max(keys, key=keys.count)
        raise InputError(f"two tables are both {twice[1]} on {twice[0]}; give each once or rename one")
    for table in scores:
        if len(table.systems) < 2:
            raise InputError(f"{table.measure}: only {table.systems[0]!r} is given; a comparison needs two systems")
        if len(table.query_ids) < 2:
            raise InputError(
                f"{table.measure}: there is one topic, {table.query_ids[0]!r}, and one difference has no variance; "
                "significance needs two topics, and says little below thirty"
            )


def _tested(one: _Prepared, design: Design, test: str | None = None) -> TestResult:
    """Statistic and p-value of every pair under the design's test, or another."""
    test = test or design.test
    means = one.differences.mean(axis=0)
    if test == "t":
        return t_test(one.differences)
    if test == "randomization":
        return TestResult(means, sign_flip(one.differences, one.flips(design)))
    if test == "wilcoxon":
        return wilcoxon(one.differences, zeros=design.zeros, null=design.null, ties_within=design.ties_within)
    statistic, p = hsd(means, one.anova)
    if test == "randomized-hsd":
        p = randomized_hsd(one.scores.values, one.pairs, design.permutations, design.seed)
    return TestResult(statistic, p)


def _adjusted(prepared: Sequence[_Prepared], p: Sequence[Values], design: Design) -> list[Values]:
    """The p-values after correction, each table its own family or all one."""
    if design.family == "measure":
        return [_of_family([one], own, design) for one, own in zip(prepared, p, strict=True)]
    return _split(_of_family(prepared, np.concatenate(p), design), p)


def _of_family(members: Sequence[_Prepared], p: Values, design: Design) -> Values:
    """The adjusted p-values of one family, p in the order of its members' pairs."""
    if design.correction != "maxt":
        return corrections.of_family(p, design.correction)
    if len({one.scores.query_ids for one in members}) > 1:
        raise InputError("MaxT over all measures flips the same topics in each; give tables of the same topics")
    together = max_t(np.concatenate([one.differences for one in members], axis=1), members[0].flips(design))
    return np.maximum(together, p)


def _equivalences(prepared: Sequence[_Prepared], design: Design) -> list[list[Equivalence | None]]:
    """TOST of every pair, corrected within the family."""
    if design.margin is None:
        return [[None] * one.differences.shape[1] for one in prepared]
    margin = design.margin
    raw = [effects.equivalence_p(one.differences, margin) for one in prepared]
    if design.family == "measure":
        adjusted = [corrections.of_family(p, design.tost_correction) for p in raw]
    else:
        adjusted = _split(corrections.of_family(np.concatenate(raw), design.tost_correction), raw)
    return [
        [
            Equivalence(margin, float(one), float(other), bool(other <= design.alpha))
            for one, other in zip(p, after, strict=True)
        ]
        for p, after in zip(raw, adjusted, strict=True)
    ]


def _split(together: Values, parts: Sequence[Values]) -> list[Values]:
    """The values of one family, back in the tables they came from."""
    return np.split(together, np.cumsum([len(part) for part in parts])[:-1])


def _table(
    one: _Prepared,
    tested: tuple[TestResult, Values],
    equivalences: Sequence[Equivalence | None],
    design: Design,
    evidence: Evidence,
) -> ComparisonTable:
    """Everything about one measure."""
    scores = one.scores
    known = evidence.grouped(scores.seeds)
    bare = _comparisons(one, tested, equivalences, design)
    standings = _standings(one, bare, known, everyone=design.baseline is None)
    topics = len(scores.query_ids)
    comparisons = tuple(replace(pair, cautions=cautions.of_pair(pair, topics, known, standings)) for pair in bare)
    return ComparisonTable(
        measure=scores.measure,
        collection=scores.collection,
        scores=scores,
        standings=standings,
        comparisons=comparisons,
        anova=one.anova,
        critical_difference=one.anova.critical_difference(design.alpha),
        detectable_d_z=effects.detectable_d_z(topics, design.alpha),
        rules={"n": f"{topics} topics, {len(scores.systems)} systems", **scores.rules},
        cautions=cautions.of_table(scores, comparisons, standings, design, known),
    )


def _comparisons(
    one: _Prepared, tested: tuple[TestResult, Values], equivalences: Sequence[Equivalence | None], design: Design
) -> list[Comparison]:
    """Every pair, without cautions yet."""
    result, adjusted = tested
    differences, names, topics = one.differences, one.scores.systems, len(one.differences)
    means = one.scores.values.mean(axis=0)
    effect = effects.d_z(differences)
    needed = effects.topics_needed(effect, design.alpha)
    detectable = effects.detectable_d_z(topics, design.alpha) * differences.std(axis=0, ddof=1)
    counts = np.stack(wins_ties_losses(differences))
    spans = _intervals(differences, design)
    others = _other_tests(one, design)
    mean = differences.mean(axis=0)
    found = []
    for pair, (a, b) in enumerate(zip(*one.pairs, strict=True)):
        wins, ties, losses = counts[:, pair].tolist()
        found.append(
            Comparison(
                measure=one.scores.measure,
                a=names[a],
                b=names[b],
                mean_a=float(means[a]),
                mean_b=float(means[b]),
                difference=float(mean[pair]),
                statistic=float(result.statistic[pair]),
                p=float(result.p[pair]),
                adjusted=float(adjusted[pair]),
                significant=bool(adjusted[pair] <= design.alpha),
                intervals=tuple(
                    intervals.Interval(float(low[pair]), float(high[pair]), 1.0 - design.alpha, method)
                    for method, (low, high) in spans.items()
                ),
                effect=_effect(float(effect[pair]), float(mean[pair]), one.anova.mse, topics),
                wins=wins,
                ties=ties,
                losses=losses,
                detectable=float(detectable[pair]),
                topics_needed=int(needed[pair]),
                equivalence=equivalences[pair],
                other_p={test: float(p[pair]) for test, p in others.items()},
                cautions=(),
            )
        )
    return found


def _effect(d_z: float, mean: float, mse: float, topics: int) -> Effect:
    """Standardised differences of one pair."""
    by_error = mean / float(np.sqrt(mse)) if mse > 0 else None
    if np.isnan(d_z):
        return Effect(None, None, by_error)
    # Of two topics Hedges' J is 0, which corrects nothing.
    return Effect(d_z, d_z * effects.hedges(topics) if topics > 2 else None, by_error)


def _intervals(differences: Values, design: Design) -> dict[str, tuple[Values, Values]]:
    """Method to the ends of every pair's interval."""
    level = 1.0 - design.alpha
    found = {"t": intervals.t_intervals(differences, level)}
    if design.bootstrap:
        drawn = intervals.resamples(len(differences), design.bootstrap, design.seed)
        found["bca"] = intervals.bca_intervals(differences, drawn, level)
    return found


def _other_tests(one: _Prepared, design: Design) -> Mapping[str, Values]:
    """p-values of the tests that the design does not decide by, if it asks for them."""
    tests = ("t", "randomization", "wilcoxon", "hsd") if design.every_test else ()
    return {test: _tested(one, design, test).p for test in tests if test != design.test}


def _standings(
    one: _Prepared, comparisons: Sequence[Comparison], evidence: Evidence, *, everyone: bool
) -> tuple[Standing, ...]:
    """The systems by mean, best first, with the places that all pairs allow."""
    scores, means = one.scores, one.scores.values.mean(axis=0)
    ordered = [scores.systems[column] for column in one.order]
    placed: dict[str, Place] = {}
    if everyone:
        placed = {p.system: p for p in places(ordered, {(c.a, c.b): c.significant for c in comparisons})}
    found = []
    for column, system in zip(one.order, ordered, strict=True):
        place = placed.get(system)
        own = scores.values[:, column]
        found.append(
            Standing(
                system=system,
                mean=float(means[column]),
                deviation=float(own.std(ddof=1)),
                best=place.best if place else None,
                worst=place.worst if place else None,
                groups=place.groups if place else "",
                judged=evidence.judged.get(system),
                absent=scores.absent.get(system, 0),
                seeds=scores.seeds.get(system, ()),
            )
        )
    return tuple(found)


def _resampling(prepared: Sequence[_Prepared], design: Design) -> str:
    """How the randomisation was done, for the foot of a report."""
    if design.test == "randomized-hsd":
        count = design.permutations
        return f"{count} permutations within topics, p = (1 + reached) / (1 + {count})"
    return "; ".join(dict.fromkeys(one.flips(design).sentence for one in prepared))


def _over_collections(scores: Sequence[Scores], alpha: float) -> tuple[OverCollections, ...]:
    """Friedman's test of every measure that several collections have for the same systems."""
    found = []
    for measure in dict.fromkeys(table.measure for table in scores):
        own = [table for table in scores if table.measure == measure]
        if len(own) > 1 and len({table.systems for table in own}) == 1:
            means = np.stack([table.values.mean(axis=0) for table in own])
            found.append(friedman(means, measure, [t.collection for t in own], own[0].systems, alpha))
    return tuple(found)
