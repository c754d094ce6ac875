"""Several runs to the best set of documents, with quotas for the experts that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from periti.errors import ConfigError
from periti.rankers.fusion.ballots import Ballots
from periti.rankers.selection.committee import elect, preferred
from periti.rankers.selection.profile import Profile, check_rule
from periti.rankers.selection.settings import QuotaOptions
from periti.types import Plan, Run


@dataclass(frozen=True)
class MultiwinnerOptions(QuotaOptions):
    """Quotas for the experts, and `rule`: sntv, bloc, k-borda or cc.

    A document belongs to the expert that ranks it best; at equal ranks to the one of larger weight, then to the first
    by name.
    """

    rule: str = "k-borda"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            check_rule(self.rule)
        except ConfigError as error:
            raise ConfigError(f"fusion {error}") from error


class MultiwinnerFusion:
    """The first `size` documents are chosen as a set, the others follow by the rule's points.

    Scores are places from the end: a set has no scores of its own.
    """

    Options = MultiwinnerOptions

    def __init__(self, options: MultiwinnerOptions) -> None:
        self.options = options

    @classmethod
    def open(cls, options: MultiwinnerOptions) -> Self:
        """The fusion rule."""
        return cls(options)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once; raises InputError without runs."""
        ballots = Ballots.of(runs, plan)
        name = f"multiwinner({self.options.rule})"
        parts = [self._one(election) for election in _elections(ballots)]
        return ballots.settled(pl.concat(parts), name) if parts else Run.empty(name)

    def _one(self, election: _Election) -> pl.DataFrame:
        """query, doc, score, best of one query's candidates."""
        profile, rule = election.profile, self.options.rule
        quotas = self.options.asked(election.homes, election.weights).within(election.homes)
        chosen = elect(profile, rule, election.homes, quotas)
        merit = preferred(profile, profile.points(rule, self.options.size).sum(axis=0))
        order = [*chosen, *merit[~np.isin(merit, chosen)].tolist()]
        listed = np.where(profile.positions > 0, profile.positions, profile.items + 1)
        return pl.DataFrame(
            {
                "query": pl.Series([election.query] * len(order), dtype=pl.UInt32),
                "doc": pl.Series(election.docs[order], dtype=pl.UInt32),
                "score": np.arange(len(order), 0, -1, dtype=np.float64),
                "best": listed.min(axis=0)[order].astype(np.float64),
            }
        )


@dataclass(frozen=True)
class _Election:
    """The candidates of one query, by doc descending, so that the smaller number is the later id."""

    query: int
    docs: np.ndarray[tuple[int], np.dtype[np.int64]]
    profile: Profile
    homes: list[str]
    weights: dict[str, float]


def _elections(ballots: Ballots) -> Iterator[_Election]:
    expert = pl.Series("expert", ballots.asked.gather(np.repeat(np.arange(len(ballots.starts)), ballots.lengths)))
    votes = ballots.frame.with_columns(expert)
    for rows in votes.partition_by("query", maintain_order=True):
        docs, column = np.unique(rows["doc"].to_numpy().astype(np.int64), return_inverse=True)
        docs, column = docs[::-1], len(docs) - 1 - column
        names = rows["expert"].unique().sort().to_list()
        of = {name: number for number, name in enumerate(names)}
        row = np.array([of[name] for name in rows["expert"]], np.int64)
        positions = np.zeros((len(names), len(docs)), np.int64)
        positions[row, column] = rows["rank"].to_numpy().astype(np.int64)
        weights = np.zeros(len(names))
        weights[row] = rows["weight"].to_numpy()
        listed = np.where(positions > 0, positions, np.iinfo(np.int64).max)
        # The first of equals is taken, so lists go by weight descending, then by name.
        order = np.lexsort((np.arange(len(names)), -weights))
        homes = [names[order[place]] for place in listed[order].argmin(axis=0)]
        given = dict(zip(names, weights.tolist(), strict=True))
        yield _Election(int(rows["query"][0]), docs, Profile(positions, weights), homes, given)
