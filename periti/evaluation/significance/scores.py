"""One measure as a table of topics × systems: what every test is computed from.

Topics and systems are sorted by name, so that neither the order of a file nor that of an argument can reach a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation.significance.grid import Values
from periti.registry import nearest

Missing = Literal["refuse", "zero", "common"]

MISSING_RULES: Mapping[Missing, str] = {
    "refuse": "every system answers the same topics",
    "zero": "a topic that a system does not answer counts as 0",
    "common": "only topics that every system answers",
}
LONG = ("run", "query_id", "measure", "value")


@dataclass(frozen=True)
class Scores:
    """Scores of k systems on n topics in one measure.

    Args:
        measure: its name.
        query_ids: n, sorted, unique.
        systems: k, sorted, unique.
        values: float64 (n, k), finite, read-only.
        collection: what the topics belong to, e.g. the judgements' name.
        rules: name to sentence: denominator, ties, unjudged, missing; what a reader needs to compare the numbers.
        seeds: system to the runs it is the mean of, where it is one.
        absent: system to topics it does not answer, where there are any.
    """

    measure: str
    query_ids: tuple[str, ...]
    systems: tuple[str, ...]
    values: Values = field(compare=False, repr=False)
    collection: str = "scores"
    rules: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame,
        measure: str,
        *,
        missing: Missing = "refuse",
        collection: str = "scores",
        rules: Mapping[str, str] | None = None,
    ) -> Scores:
        """The table of a frame with a column query_id and one column of scores a system.

        Args:
            frame: query_id (String) and Float64 columns named by system; null where a system has no answer.
            measure: its name.
            missing: what a topic without an answer means.
            collection: what the topics belong to.
            rules: sentences to print with the numbers.

        Raises:
            InputError: topics repeated, systems answer other topics under "refuse", a score that is not finite, no
                topic left.
        """
        _known(missing)
        systems = sorted(name for name in frame.columns if name != "query_id")
        ordered = frame.sort("query_id")
        query_ids = ordered["query_id"].to_list()
        if len(set(query_ids)) < len(query_ids):
            raise InputError(f"{collection}: a topic stands twice in the scores of {measure}; keep one row a topic")
        table = ordered.select(pl.col(systems).cast(pl.Float64))
        absent = {name: table[name].null_count() for name in systems if table[name].null_count()}
        if absent and missing == "refuse":
            raise InputError(_unequal(ordered, absent, measure))
        answered = ~np.array([table[name].is_null().to_numpy() for name in systems], dtype=np.bool_).T
        values = table.fill_null(0.0).to_numpy().astype(np.float64).reshape(len(query_ids), len(systems))
        keep = np.flatnonzero(answered.all(axis=1)) if missing == "common" else np.arange(len(query_ids))
        if not len(keep):
            raise InputError(f"{collection}: no topic is answered by every system in {measure}; compare fewer systems")
        _require_finite(values, systems, measure)
        return cls(
            measure=measure,
            query_ids=tuple(query_ids[row] for row in keep),
            systems=tuple(systems),
            values=_frozen(values[keep]),
            collection=collection,
            rules={**(rules or {}), "missing": MISSING_RULES[missing]},
            absent=absent,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of measure, topics, systems and every bit of the scores."""
        names = "\x1f".join([self.measure, *self.query_ids, "\x1e", *self.systems])
        return sha256(names.encode() + b"\0" + self.values.astype("<f8").tobytes()).hexdigest()

    def column(self, system: str) -> int:
        """The column of a system.

        Raises:
            InputError: there is none of that name; the nearest is named.
        """
        if system not in self.systems:
            raise InputError(f"no system named {system!r} is compared; {nearest(system, self.systems)}")
        return self.systems.index(system)

    def averaged(self, pattern: str) -> Scores:
        """The table with several seeds of a system averaged topic by topic, as one system.

        Args:
            pattern: regular expression with one group, matched against whole names: the group names the system, so
                that "(.*)-seed[0-9]+" makes one system of bert-seed1 and bert-seed2. Other names stay as they are.

        Raises:
            InputError: no such expression, no name matches, or a mean would bear the name of another system.
        """
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise InputError(f"the pattern {pattern!r} is no regular expression: {error}; mend it") from error
        if expression.groups != 1:
            raise InputError(f"the pattern {pattern!r} has {expression.groups} groups; put the system's name in one")
        members: dict[str, list[str]] = {}
        for name in self.systems:
            match = expression.fullmatch(name)
            members.setdefault(match[1] if match else name, []).append(name)
        grouped = {name: tuple(runs) for name, runs in members.items() if runs != [name]}
        if not grouped:
            raise InputError(f"no run matches the pattern {pattern!r}; the runs are {', '.join(self.systems)}")
        clashes = sorted(set(grouped) & set(self.systems))
        if clashes:
            raise InputError(f"the seeds matched by {pattern!r} would take the name of the run {clashes[0]!r}")
        systems = sorted(members)
        columns = [[self.systems.index(run) for run in members[name]] for name in systems]
        values = np.stack([self.values[:, own].mean(axis=1) for own in columns], axis=1)
        absent = {
            name: sum(self.absent.get(run, 0) for run in members[name])
            for name in systems
            if any(run in self.absent for run in members[name])
        }
        return Scores(
            measure=self.measure,
            query_ids=self.query_ids,
            systems=tuple(systems),
            values=_frozen(values),
            collection=self.collection,
            rules=self.rules,
            seeds=grouped,
            absent=absent,
        )


def from_long(
    frame: pl.DataFrame,
    *,
    missing: Missing = "refuse",
    collection: str = "scores",
    rules: Mapping[str, str] | None = None,
) -> list[Scores]:
    """One table a measure, in the order measures first occur, of a frame run, query_id, measure, value.

    Raises:
        InputError: a value is given twice, or as `Scores.of`.
    """
    if frame.select("run", "query_id", "measure").is_duplicated().any():
        raise InputError(f"{collection}: a run has two values for one topic and measure; keep one")
    tables = []
    for (measure,), part in frame.group_by("measure", maintain_order=True):
        wide = part.pivot(on="run", index="query_id", values="value")
        # A topic that nobody answers in this measure is none of its topics.
        answered = wide.filter(pl.any_horizontal(pl.exclude("query_id").is_not_null()))
        if not answered.height:
            raise InputError(f"{collection}: no system has a value in {measure}; leave the measure out")
        tables.append(Scores.of(answered, str(measure), missing=missing, collection=collection, rules=rules))
    return tables


def _known(missing: str) -> None:
    if missing not in get_args(Missing):
        raise InputError(f"missing={missing!r} is no rule; {nearest(missing, get_args(Missing))}")


def _frozen(values: Values) -> Values:
    values = np.ascontiguousarray(values)
    values.setflags(write=False)
    return values


def _require_finite(values: Values, systems: Sequence[str], measure: str) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{measure} of {systems[column]!r} is {values[row, column]} on a topic; give finite scores, or leave the "
            "cell empty and name a rule for missing topics"
        )


def _unequal(ordered: pl.DataFrame, absent: Mapping[str, int], measure: str) -> str:
    """The refusal of unequal topic sets."""
    name = max(absent, key=lambda system: (absent[system], system))
    example = ordered.filter(pl.col(name).is_null())["query_id"][0]
    return (
        f"the systems do not answer the same topics: {name!r} lacks {absent[name]} of {ordered.height} in {measure}, "
        f"e.g. {example!r}; name a rule for missing topics, zero or common"
    )
