"""What a run is worth if documents with equal scores come in random order: the expected value, and the bounds.

Scores tie when they are equal as float32, as a `Run` holds them. Expected values are exact, not simulated; source:
McSherry and Najork, ECIR 2008, extended to rank-biased precision and judged shares by the same argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation.exact import gains_of, ideal_dcg, rbp_gains
from periti.evaluation.ranking import Ints, Mask, Ranking, Values, running_count
from periti.types import Qrels, Run


@dataclass(frozen=True)
class Tied:
    """A ranking whose hits know the documents they tie with.

    Args:
        ranking: the judged run.
        above: int64 (h,), how many documents of the query score higher than the hit.
        size: int64 (h,), how many score the same, the hit included; judged or not.
    """

    ranking: Ranking
    above: Ints
    size: Ints

    def condensed(self) -> Tied:
        """The same ranking with every unjudged document dropped from the list and from the ties."""
        ranking = self.ranking
        keep = ranking.grade >= 0
        group = self.groups()[keep]
        first = np.searchsorted(group, group, side="left")
        closed = ranking.condensed()
        size = np.searchsorted(group, group, side="right") - first
        return Tied(closed, closed.rank[first] - 1, size.astype(np.int64))

    def ordered(self, key: Ints, *, best: bool) -> Ranking:
        """The ranking with every tied group's hits first, highest key first (best), or last, lowest key first."""
        group = self.groups()
        order = np.lexsort((-key if best else key, group))
        place = running_count(group, np.ones(len(group), dtype=np.bool_))
        members = np.searchsorted(group, group, side="right") - np.searchsorted(group, group, side="left")
        rank = self.above + place if best else self.above + self.size - members + place
        return replace(self.ranking, rank=rank, grade=self.ranking.grade[order], stratum=None)

    def groups(self) -> Ints:
        """int64 (h,): a number for each tied group, ascending."""
        query, above = self.ranking.query, self.above
        begins = np.ones(len(query), dtype=np.bool_)
        begins[1:] = (np.diff(query) != 0) | (np.diff(above) != 0)
        return np.cumsum(begins).astype(np.int64)


def tied(run: Run, qrels: Qrels, ranking: Ranking) -> Tied:
    """The ranking that `judge` made of run and judgements, with its ties."""
    key = ["query_id", "score"]
    spans = run.frame.with_columns(above=pl.col("rank").min().over(key) - 1, size=pl.len().over(key))
    numbered = pl.DataFrame({"query_id": ranking.query_ids}).with_row_index("query")
    hits = spans.join(qrels.frame, on=["query_id", "doc_id"], how="inner").join(numbered, on="query_id", how="inner")
    hits = hits.sort("query", "rank").select(pl.col("above", "size").cast(pl.Int64))
    return Tied(ranking, hits["above"].to_numpy(), hits["size"].to_numpy())


def expected(tie: Tied, family: str, parameters: Mapping[str, Any]) -> Values:
    """float64 (q,): the measure's mean over all orders of tied documents.

    Raises:
        InputError: the measure's expectation is not known here.
    """
    if family not in EXPECTED:
        raise InputError(
            f"the expected value of {family} over tied orders is not known; known: {', '.join(sorted(EXPECTED))}; "
            "leave it out, or use one order"
        )
    parameters = dict(parameters)
    seen = tie.condensed() if parameters.pop("judged_only", False) else tie
    return EXPECTED[family](seen, **parameters)


def bounds(tie: Tied, definition: Callable[..., Values], parameters: Mapping[str, Any]) -> tuple[Values, Values]:
    """float64 (q,) twice: the least and the greatest value over all orders of tied documents.

    They are those of the best and the worst order, by grade or gain, and hold for measures that never gain when a
    better document falls: all of `EXPECTED`.
    """
    parameters = dict(parameters)
    seen = tie.condensed() if parameters.pop("judged_only", False) else tie
    key = seen.ranking.grade
    for grade, gain in (parameters.get("gains") or {}).items():
        key = np.where(seen.ranking.grade == grade, gain, key)
    values = [definition(seen.ordered(key, best=best), **parameters) for best in (False, True)]
    return np.minimum(*values), np.maximum(*values)


@dataclass(frozen=True)
class _Groups:
    """Tied groups with at least one hit, (g,) each, in order of query and rank."""

    query: Ints
    above: Ints
    size: Ints
    relevant: Ints
    relevant_above: Ints

    def within(self, cutoff: int | None) -> Ints:
        """int64 (g,): how many of each group's ranks are within the cutoff."""
        return self.size if cutoff is None else np.clip(cutoff - self.above, 0, self.size)


def _grouped(tie: Tied, rel: int) -> _Groups:
    """The tied groups, with their relevant documents."""
    _, first, group = np.unique(tie.groups(), return_index=True, return_inverse=True)
    found = tie.ranking.grade >= rel
    relevant = np.bincount(group[found], minlength=len(first)).astype(np.int64)
    query = tie.ranking.query[first]
    seen = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(relevant)])
    begins = np.searchsorted(query, query, side="left")
    return _Groups(query, tie.above[first], tie.size[first], relevant, seen[:-1] - seen[begins])


def _spread(tie: Tied, weight: Callable[[Ints], Values], cutoff: int | None) -> Values:
    """float64 (h,): the mean of weight(rank) over the ranks each hit may take; 0 beyond the cutoff."""
    end = tie.above + tie.size
    deepest = int(end.max(initial=0))
    sums = np.concatenate([np.zeros(1), np.cumsum(weight(np.arange(1, deepest + 1)))])
    last = deepest if cutoff is None else min(cutoff, deepest)
    spread: Values = (sums[np.minimum(end, last)] - sums[np.minimum(tie.above, last)]) / tie.size
    return spread


def _within(tie: Tied, mask: Mask, deepest: Ints) -> Values:
    """float64 (q,): how many hits of the mask are expected within the first `deepest` (q,) documents."""
    chance = np.clip((deepest[tie.ranking.query] - tie.above) / tie.size, 0.0, 1.0)
    return tie.ranking.total(np.where(mask, chance, 0.0))


def _everywhere(tie: Tied, cutoff: int) -> Ints:
    """int64 (q,): the cutoff for every query."""
    return np.full(len(tie.ranking.query_ids), cutoff, dtype=np.int64)


def _precision(tie: Tied, *, cutoff: int, rel: int = 1) -> Values:
    return _within(tie, tie.ranking.grade >= rel, _everywhere(tie, cutoff)) / cutoff


def _recall(tie: Tied, *, cutoff: int, rel: int = 1) -> Values:
    return _share(_within(tie, tie.ranking.grade >= rel, _everywhere(tie, cutoff)), tie.ranking.relevant(rel))


def _r_precision(tie: Tied, *, rel: int = 1) -> Values:
    wanted = tie.ranking.relevant(rel)
    return _share(_within(tie, tie.ranking.grade >= rel, wanted), wanted)


def _judged(tie: Tied, *, cutoff: int | None = None) -> Values:
    shown = tie.ranking.retrieved if cutoff is None else np.minimum(tie.ranking.retrieved, cutoff)
    return _share(_within(tie, tie.ranking.grade >= 0, shown), shown)


def _ndcg(tie: Tied, *, cutoff: int | None = None, dcg: str = "log2", gains: Mapping[int, int] | None = None) -> Values:
    discount = _spread(tie, lambda rank: 1.0 / np.log2(rank + 1.0), cutoff)
    found = tie.ranking.total(gains_of(tie.ranking.grade, dcg, gains) * discount)
    return _share(found, ideal_dcg(tie.ranking, cutoff, dcg, gains))


def _rank_biased(tie: Tied, *, p: float = 0.8, rel: int | None = None, cutoff: int | None = None) -> Values:
    weight = _spread(tie, lambda rank: (1.0 - p) * np.power(p, rank - 1.0), cutoff)
    return tie.ranking.total(weight * rbp_gains(tie.ranking, rel))


def _residual(tie: Tied, *, p: float = 0.8, cutoff: int | None = None) -> Values:
    weight = _spread(tie, lambda rank: (1.0 - p) * np.power(p, rank - 1.0), cutoff)
    return 1.0 - tie.ranking.total(np.where(tie.ranking.grade >= 0, weight, 0.0))


def _average_precision(tie: Tied, *, cutoff: int | None = None, rel: int = 1) -> Values:
    # Place i of a group of n after s documents holds a relevant one with chance m / n, and then r + 1 of those at or
    # above it are relevant, plus (i - 1)(m - 1) / (n - 1) of the group; the sums over i are harmonic numbers.
    groups = _grouped(tie, rel)
    places = groups.within(cutoff)
    deepest = int((groups.above + groups.size).max(initial=0))
    harmonic = np.concatenate([np.zeros(1), np.cumsum(1.0 / np.arange(1, deepest + 1))])
    inverse = harmonic[groups.above + places] - harmonic[groups.above]
    others = (groups.relevant - 1) / np.maximum(groups.size - 1, 1)
    amount = (groups.relevant_above + 1) * inverse + others * (places - (groups.above + 1) * inverse)
    total = np.bincount(
        groups.query, weights=groups.relevant / groups.size * amount, minlength=len(tie.ranking.query_ids)
    )
    return _share(total, tie.ranking.relevant(rel))


def _reciprocal_rank(tie: Tied, *, cutoff: int | None = None, rel: int = 1) -> Values:
    groups, values = _grouped(tie, rel), np.zeros(len(tie.ranking.query_ids))
    for index in np.flatnonzero((groups.relevant > 0) & (groups.relevant_above == 0)).tolist():
        size, relevant, places = groups.size[index], groups.relevant[index], groups.within(cutoff)[index]
        before = np.arange(places)
        # The chance that none of the places before holds a relevant document, and this one does.
        none = np.concatenate([np.ones(1), np.cumprod((size - relevant - before) / (size - before))])[:places]
        first = none * relevant / (size - before)
        values[groups.query[index]] = (first / (groups.above[index] + before + 1)).sum()
    return values


def _success(tie: Tied, *, cutoff: int, rel: int = 1) -> Values:
    groups, none = _grouped(tie, rel), np.ones(len(tie.ranking.query_ids))
    for index in np.flatnonzero(groups.relevant > 0).tolist():
        size, before = groups.size[index], np.arange(groups.within(cutoff)[index])
        none[groups.query[index]] *= np.prod(np.maximum(size - groups.relevant[index] - before, 0) / (size - before))
    return 1.0 - none


def _share(above: Values | Ints, below: Values | Ints) -> Values:
    """Quotient above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros(len(above)), where=np.asarray(below) != 0)


EXPECTED: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        "P": _precision,
        "R": _recall,
        "Rprec": _r_precision,
        "Success": _success,
        "AP": _average_precision,
        "RR": _reciprocal_rank,
        "nDCG": _ndcg,
        "RBP": _rank_biased,
        "RBP_residual": _residual,
        "judged": _judged,
        "judged_micro": _judged,
    }
)
"""Expected values by family, of the same keyword arguments as the definitions."""
