"""What a comparison comes to: everything a report needs, nothing rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from periti.evaluation.significance.blocks import TwoWay
from periti.evaluation.significance.design import Design
from periti.evaluation.significance.friedman import OverCollections
from periti.evaluation.significance.grid import Values
from periti.evaluation.significance.intervals import Interval
from periti.evaluation.significance.paired import without_noise
from periti.evaluation.significance.scores import Scores


@dataclass(frozen=True)
class Caution:
    """A warning in words.

    Args:
        kind: "confounded", "underpowered", "undetectable", "shared", "missing", "identical", "constant",
            "simultaneous", "uncorrected", "few-topics", "flat", "unanswered" or "note".
        sentence: what a reader must know.
        systems: whom it is about; empty for the whole table.
    """

    kind: str
    sentence: str
    systems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effect:
    """Standardised mean differences; None where there is no variance to standardise by.

    Args:
        d_z: mean difference over the standard deviation of the differences.
        hedges: d_z times Hedges' J.
        by_error: mean difference over the root of the ANOVA's mean squared error, as Sakai reports beside HSD.
    """

    d_z: float | None
    hedges: float | None
    by_error: float | None


@dataclass(frozen=True)
class Equivalence:
    """TOST: whether the mean difference lies within the declared margin.

    Args:
        margin: in units of the measure.
        p, adjusted: before and after the correction within the family.
        equivalent: adjusted p at or below alpha.
    """

    margin: float
    p: float
    adjusted: float
    equivalent: bool


@dataclass(frozen=True)
class Comparison:
    """System a less system b in one measure.

    Args:
        a, b: names; for all pairs a has the higher mean, with a baseline b is the baseline.
        mean_a, mean_b, difference: in units of the measure.
        statistic: of the test: t, mean difference, positive rank sum, or studentised range q.
        p: two-sided; for the HSD tests it already holds for all pairs.
        adjusted: p after correction within the family.
        significant: adjusted p at or below alpha.
        intervals: t and, if asked for, BCa, of this difference by itself.
        effect: standardised differences.
        wins, ties, losses: topics on which a is better, equal, worse.
        detectable: least difference that n topics with this variance find with 80 % power at alpha, uncorrected.
        topics_needed: fewest topics that would find the observed d_z with 80 % power; 0 if none would.
        equivalence: TOST, if a margin was declared.
        other_p: other tests' p-values, not corrected, if asked for.
        cautions: what a reader must know of this pair.
    """

    measure: str
    a: str
    b: str
    mean_a: float
    mean_b: float
    difference: float
    statistic: float
    p: float
    adjusted: float
    significant: bool
    intervals: tuple[Interval, ...]
    effect: Effect
    wins: int
    ties: int
    losses: int
    detectable: float
    topics_needed: int
    equivalence: Equivalence | None
    other_p: Mapping[str, float]
    cautions: tuple[Caution, ...]

    def interval(self, method: str) -> Interval | None:
        """The interval made that way, "t" or "bca"; None if it was not."""
        return next((interval for interval in self.intervals if interval.method == method), None)


@dataclass(frozen=True)
class Standing:
    """One system in one measure.

    Args:
        system: its name.
        mean, deviation: over topics; the deviation with n - 1.
        best, worst: the places it can claim: 1 + systems significantly better, k - systems significantly worse;
            None when only a baseline was compared.
        groups: letters of its tied groups, "" when only a baseline was compared; see `tiers`.
        judged: judged@10, None if only scores are known.
        absent: topics it does not answer.
        seeds: the runs it is the mean of; empty for a single run.
    """

    system: str
    mean: float
    deviation: float
    best: int | None
    worst: int | None
    groups: str
    judged: float | None
    absent: int
    seeds: tuple[str, ...]

    @property
    def place(self) -> str:
        """The place as printed: "2", "2-5", or "" without all pairs."""
        if self.best is None:
            return ""
        return str(self.best) if self.best == self.worst else f"{self.best}-{self.worst}"


@dataclass(frozen=True)
class ComparisonTable:
    """All comparisons in one measure on one collection.

    Args:
        measure, collection: names.
        scores: the scores of every topic and system.
        standings: systems by mean, best first.
        comparisons: all pairs in the order of standings, or every other system with the baseline.
        anova: two-way analysis of variance of the scores.
        critical_difference: least significant difference of means under Tukey's HSD for randomised blocks at alpha.
        detectable_d_z: least d_z that n topics find with 80 % power at alpha, uncorrected.
        rules: name to sentence: n, denominator, ties, unjudged, missing.
        cautions: what a reader must know of the table, those of pairs gathered.
    """

    measure: str
    collection: str
    scores: Scores
    standings: tuple[Standing, ...]
    comparisons: tuple[Comparison, ...]
    anova: TwoWay
    critical_difference: float
    detectable_d_z: float
    rules: Mapping[str, str]
    cautions: tuple[Caution, ...]

    @property
    def topics(self) -> int:
        """How many there are, n."""
        return len(self.scores.query_ids)

    def between(self, one: str, other: str) -> Comparison | None:
        """The comparison of two systems, whichever comes first; None if they were not compared."""
        wanted = {one, other}
        return next((c for c in self.comparisons if {c.a, c.b} == wanted), None)

    def differences(self, comparison: Comparison) -> Values:
        """The difference a - b on every topic, float64 (n,), in the order of `scores.query_ids`."""
        return paired_differences(self.scores, comparison.a, comparison.b)


@dataclass(frozen=True)
class Study:
    """A whole comparison: one table a measure and collection, under one design.

    Args:
        design: what was decided before.
        tables: in the order of the scores given.
        sentences: name to sentence of test, sides, family, correction, alpha, intervals, seed.
        family_size: comparisons corrected together (the largest, if families differ).
        over_collections: Friedman and Nemenyi, one a measure, if there are several collections.
    """

    design: Design
    tables: tuple[ComparisonTable, ...]
    sentences: Mapping[str, str]
    family_size: int
    over_collections: tuple[OverCollections, ...] = ()


def paired_differences(scores: Scores, a: str, b: str) -> Values:
    """The difference a - b on every topic, float64 (n,), rounding noise set to 0."""
    first, second = scores.values[:, scores.column(a)], scores.values[:, scores.column(b)]
    return without_noise(first - second, np.maximum(np.abs(first), np.abs(second)))
