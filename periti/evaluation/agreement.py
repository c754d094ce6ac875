"""Do two sets of judgements, or two measures, rank the same systems alike, and would other topics too?

One table of scores is gold; every other is set against it: correlations of the two rankings, the pairs that gold tells
apart and the other swaps, the deepest fall, and the categories of significance. Every table is then resampled by topic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.agreement import Categories, RankAgreement, categories, none_for_nan, rank_agreement
from periti.evaluation.adjudication.verdicts import TITLES, pairs, verdict
from periti.evaluation.correlation import max_drop, significant_swaps
from periti.evaluation.ranking import Mask
from periti.evaluation.significance.scores import Scores
from periti.evaluation.stability import Bootstrap, Stability, bootstrap, split_half

LEAST_TOPICS = 4
"""Topics that halves can be made of."""


@dataclass(frozen=True)
class Terms:
    """How tables are set against each other.

    Args:
        test: what tells two systems apart, a name of `adjudication.verdicts.TESTS`.
        alpha: its level, of the family of all pairs.
        draws: splits, and bootstrap samples, of the topics.
        seed: of both.
    """

    test: str = "t+holm"
    alpha: float = 0.05
    draws: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5:
            raise InputError(f"alpha is {self.alpha:g}; give a level above 0 and below .5, e.g. .05")
        if self.draws < 1 or self.seed < 0:
            raise InputError(f"draws={self.draws}, seed={self.seed}; give at least 1 and 0")


@dataclass(frozen=True)
class Against:
    """One table beside gold.

    Args:
        name: of the table.
        ranks: correlations of the systems' means, and their root mean squared difference.
        swapped, told_apart: pairs that gold tells apart significantly: those in the other order here, and all.
        max_drop: the most places that a system falls from gold to here.
        found: the categories of significance of all pairs.
    """

    name: str
    ranks: RankAgreement
    swapped: int
    told_apart: int
    max_drop: int
    found: Categories

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it."""
        counts = {"swapped": self.swapped, "told_apart": self.told_apart, "max_drop": self.max_drop}
        return {"table": self.name, **self.ranks.as_data(), **counts, "significance": self.found.as_data()}


@dataclass(frozen=True)
class Resampled:
    """One table under other topics; None where it has too few.

    Args:
        name: of the table.
        topics: it has.
        means: of the systems, in their order.
        halves: rankings by two halves of the topics.
        drawn: rankings by topics drawn with replacement, against that by all.
    """

    name: str
    topics: int
    means: tuple[float, ...]
    halves: Stability | None
    drawn: Bootstrap | None

    def as_data(self, systems: Sequence[str]) -> dict[str, Any]:
        """As JSON can hold it."""
        data: dict[str, Any] = {
            "table": self.name,
            "topics": self.topics,
            "means": dict(zip(systems, self.means, strict=True)),
        }
        if self.halves is not None and self.drawn is not None:
            data["split_half"] = _spread(self.halves)
            data["bootstrap"] = _spread(self.drawn)
            data["places"] = dict(zip(systems, self.drawn.places.tolist(), strict=True))
        return data


@dataclass(frozen=True)
class Agreement:
    """All tables: gold first among `resampled`, the others in the same order in `against`."""

    systems: tuple[str, ...]
    terms: Terms
    resampled: tuple[Resampled, ...]
    against: tuple[Against, ...]


def agree(tables: Sequence[Scores], terms: Terms | None = None) -> Agreement:
    """Set tables of the same systems against the first of them.

    Args:
        tables: of the same systems; their topics may differ. One alone is only resampled.
        terms: test and resampling.

    Raises:
        InputError: no table, other systems, fewer than two systems or topics, a table given twice, an unknown test.
    """
    terms = terms or Terms()
    _require(tables)
    gold = tables[0]
    truth = verdict(gold.values, terms.test, terms.alpha)
    apart = _square(len(gold.systems), truth.significant)
    found = []
    for table in tables[1:]:
        means = gold.values.mean(axis=0), table.values.mean(axis=0)
        swapped, told_apart = significant_swaps(*means, apart)
        other = verdict(table.values, terms.test, terms.alpha)
        drop = max_drop(*means)
        ranks = rank_agreement(*means)
        found.append(Against(title(table), ranks, swapped, told_apart, drop, categories(truth, other)))
    return Agreement(gold.systems, terms, tuple(_resampled(table, terms) for table in tables), tuple(found))


def title(table: Scores) -> str:
    """A table's name: its measure and collection."""
    return f"{table.measure} on {table.collection}"


def as_json(agreement: Agreement) -> str:
    """Everything, unrounded; numbers that are not defined are null."""
    data = {
        "systems": list(agreement.systems),
        "gold": agreement.resampled[0].name,
        "test": TITLES[agreement.terms.test],
        "alpha": agreement.terms.alpha,
        "draws": agreement.terms.draws,
        "seed": agreement.terms.seed,
        "against_gold": [one.as_data() for one in agreement.against],
        "tables": [one.as_data(agreement.systems) for one in agreement.resampled],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)


def as_text(agreement: Agreement) -> str:
    """For a terminal: rankings against gold, significance against gold, stability, places, rules."""
    terms, gold = agreement.terms, agreement.resampled[0].name
    parts = []
    if agreement.against:
        parts += [f"rankings of {len(agreement.systems)} systems against gold, {gold}\n{_aligned(_ranks(agreement))}"]
        parts += [f"pairs of systems, {TITLES[terms.test]}, gold first\n{_aligned(_pairs(agreement))}"]
    parts += [f"the same systems on other topics\n{_aligned(_stability(agreement))}"]
    parts += [_aligned(_places(agreement))]
    return "\n".join([*parts, *notes(agreement), ""])


def notes(agreement: Agreement) -> list[str]:
    """What the numbers mean."""
    terms = agreement.terms
    judged = (
        f"swapped: of the pairs that gold tells apart ({TITLES[terms.test]}, alpha {terms.alpha:g}) those in the other "
        "order; max drop: most places a system falls; AA, AD: significant in both, same and opposite direction; "
        "missed, spurious: in gold only, in the other only"
    )
    resampled = (
        "halves: tau-b of the rankings by two halves of the topics; bootstrap: of the ranking by all topics and by as "
        f"many drawn with replacement; means and the middle 95 % of {terms.draws} draws, seed {terms.seed}"
    )
    correlations = (
        "tau: Kendall's tau-b; tau_AP weighs the top of the other ranking (Yilmaz et al. 2008); RBO: p = .9, "
        "extrapolated; ties of both broken at random"
    )
    places = "place: of the mean over all topics; in brackets the middle 95 % of the bootstrap draws"
    said = [correlations, judged, resampled, places]
    few = [one.name for one in agreement.resampled if one.drawn is None]
    if few:
        said.append(f"fewer than {LEAST_TOPICS} topics have no stability: {', '.join(few)}")
    return said if agreement.against else said[2:]


def _require(tables: Sequence[Scores]) -> None:
    """Refuse what can not be set side by side, in one sentence each."""
    if not tables:
        raise InputError("there is no table of scores; give one or more")
    names = [title(table) for table in tables]
    if len(set(names)) < len(names):
        raise InputError(f"two tables are both {max(names, key=names.count)}; give each once or rename one")
    gold = tables[0]
    if len(gold.systems) < 2 or len(gold.query_ids) < 2:
        raise InputError(
            f"{names[0]}: {len(gold.systems)} systems on {len(gold.query_ids)} topics; a ranking needs two of each"
        )
    for name, table in zip(names[1:], tables[1:], strict=True):
        other = sorted(set(gold.systems) ^ set(table.systems))
        if other:
            raise InputError(f"{names[0]} and {name} do not rank the same systems: {other[0]!r} is in one only")


def _resampled(table: Scores, terms: Terms) -> Resampled:
    """One table under other topics; every table begins with the same seed, so that equal tables agree."""
    halves = drawn = None
    if len(table.query_ids) >= LEAST_TOPICS:
        halves = split_half(table.values, np.random.default_rng(terms.seed), draws=terms.draws)
        drawn = bootstrap(table.values, np.random.default_rng(terms.seed), draws=terms.draws)
    means = tuple(table.values.mean(axis=0).tolist())
    return Resampled(title(table), len(table.query_ids), means, halves, drawn)


def _square(count: int, significant: Mask) -> Mask:
    """Which pairs differ, bool (k, k), from those of the upper triangle."""
    apart = np.zeros((count, count), dtype=np.bool_)
    apart[pairs(count)] = significant
    return apart | apart.T


def _ranks(agreement: Agreement) -> list[list[str]]:
    rows = [["table", "tau", "tau_AP", "RBO", "RMSE", "swapped", "max drop"]]
    for one in agreement.against:
        values = (one.ranks.tau, one.ranks.tau_ap, one.ranks.rbo, one.ranks.rmse)
        rows.append([one.name, *map(_number, values), f"{one.swapped} of {one.told_apart}", str(one.max_drop)])
    return rows


def _pairs(agreement: Agreement) -> list[list[str]]:
    rows = [["table", "AA", "AD", "missed", "spurious", "neither", "recall", "precision", "MCC"]]
    for one in agreement.against:
        found = one.found
        missed = found.missed - found.ad
        neither = found.pairs - found.aa - found.ad - missed - found.spurious
        counts = (found.aa, found.ad, missed, found.spurious, neither)
        rows.append([one.name, *map(str, counts), *map(_number, (found.recall, found.precision, found.mcc))])
    return rows


def _stability(agreement: Agreement) -> list[list[str]]:
    rows = [["table", "topics", "halves", "", "bootstrap", ""]]
    for one in agreement.resampled:
        cells = [cell for stable in (one.halves, one.drawn) for cell in _interval(stable)]
        rows.append([one.name, str(one.topics), *cells])
    return rows


def _places(agreement: Agreement) -> list[list[str]]:
    """Systems by gold's mean, with their place in every table."""
    rows = [["system", *(one.name for one in agreement.resampled)]]
    gold = np.array(agreement.resampled[0].means)
    for column in np.argsort(-gold, kind="stable").tolist():
        cells = [agreement.systems[column]]
        for one in agreement.resampled:
            means = np.array(one.means)
            place = 1 + int((means > means[column]).sum())
            spread = ""
            if one.drawn is not None:
                low, _, high = one.drawn.places[column]
                spread = f" [{low:.0f}-{high:.0f}]"
            cells.append(f"{means[column]:.4f}  {place}{spread}")
        rows.append(cells)
    return rows


def _interval(stable: Stability | None) -> list[str]:
    if stable is None:
        return ["-", ""]
    return [_number(stable.mean), f"[{_number(stable.interval[0])}, {_number(stable.interval[1])}]"]


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"


def _spread(stable: Stability) -> dict[str, Any]:
    """Mean, interval and what is left out, as JSON can hold it."""
    low, high = map(none_for_nan, stable.interval)
    return {"mean": none_for_nan(stable.mean), "low": low, "high": high, "undefined": stable.undefined}


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of even width, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines) + "\n"
