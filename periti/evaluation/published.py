"""Numbers that others published, each with what makes it comparable, and the comparison that refuses what is not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from periti.errors import InputError, UnknownName
from periti.registry import nearest

ANY = "any"
"""Ours, where a rule could not have mattered, e.g. the tie rule of a run without ties: it fits every rule of theirs."""

KINDS = ("paper", "readme", "leaderboard", "third-party", "ours")
GRADED = frozenset({"nDCG", "ERR", "judged"})
"""Families without a lowest relevant grade."""

_ROUND = 1e-9


@dataclass(frozen=True)
class Terms:
    """What has to agree for two numbers to be comparable; None is not known (ours) or not stated (theirs).

    Args:
        benchmark: the collection.
        revision: its version.
        split: its queries.
        corpus_size: documents searched, or candidates per query for re-ranking.
        n_queries: queries that the number is over.
        judged_rel: relevant (query, document) pairs at min_rel.
        measure: the measure without level, gain and cutoff.
        cutoff: what stands after @; None where the measure has none.
        min_rel: the lowest relevant grade; None for graded measures.
        gain: "linear" or "exponential"; None for others than nDCG.
        averaging: "macro", "micro", ...
        missing: "zero", "skip" or "run_only" for queries without results.
        ties: "docid_desc", "docid_asc", "file_order" or "expected".
        first_stage: what made the candidates; "none" if the whole corpus was searched.
        depth: how many candidates.
    """

    benchmark: str | None = None
    revision: str | None = None
    split: str | None = None
    corpus_size: int | str | None = None
    n_queries: int | None = None
    judged_rel: int | None = None
    measure: str | None = None
    cutoff: float | None = None
    min_rel: int | None = None
    gain: str | None = None
    averaging: str | None = None
    missing: str | None = None
    ties: str | None = None
    first_stage: str | None = None
    depth: int | None = None


FIELDS = tuple(field.name for field in fields(Terms))
DECLARABLE: Mapping[str, type] = {
    "benchmark": str,
    "revision": str,
    "split": str,
    "corpus_size": int,
    "first_stage": str,
    "depth": int,
}
"""What a run and judgements do not tell, and the type of each."""


@dataclass(frozen=True)
class Published:
    """One published number.

    Args:
        terms: what it is a number of.
        system: the system.
        value: as a fraction, even if printed as a percentage.
        decimals: printed decimals of that fraction.
        kind: who says so, one of `KINDS`; "ours" was measured here on the official files.
        url: where.
    """

    terms: Terms
    system: str
    value: float
    decimals: int
    kind: str
    url: str

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed decimal: what rounding alone may change."""
        return 0.5 * 10.0**-self.decimals


@dataclass(frozen=True)
class Ours:
    """A number of ours and what it is a number of."""

    terms: Terms
    value: float


@dataclass(frozen=True)
class Comparable:
    """Two numbers of the same thing.

    Args:
        delta: ours minus theirs.
        half_unit: what rounding alone may change.
        unstated: fields that the source does not state and that therefore could not be checked.
    """

    delta: float
    half_unit: float
    unstated: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether rounding alone explains the difference."""
        return abs(self.delta) <= self.half_unit + _ROUND


@dataclass(frozen=True)
class Difference:
    """One field that is not the same; ours is None where it is not known."""

    field: str
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        ours, theirs = (f"{side:g}" if isinstance(side, float) else str(side) for side in (self.ours, self.theirs))
        return f"{self.field} (ours {'unknown' if self.ours is None else ours}, theirs {theirs})"


@dataclass(frozen=True)
class Differs:
    """Two numbers that must not be set against each other, and why."""

    fields: tuple[Difference, ...]


def compare(ours: Ours, published: Published) -> Comparable | Differs:
    """Whether two numbers are of the same thing, and how far apart they are if so.

    A field that the source states has to be known and equal on our side. A field that it does not state can not be
    checked; it is named, and does not refuse.
    """
    differing, unstated = [], []
    for name in FIELDS:
        mine, theirs = getattr(ours.terms, name), getattr(published.terms, name)
        if theirs is None and _applies(name, published.terms):
            unstated.append(name)
        elif (name == "cutoff" or theirs is not None) and mine != ANY and not _equal(mine, theirs):
            differing.append(Difference(name, mine, theirs))
    if differing:
        return Differs(tuple(differing))
    return Comparable(ours.value - published.value, published.half_unit, tuple(unstated))


@cache
def published() -> tuple[Published, ...]:
    """All records, in the order of the file."""
    data = tomllib.loads(files("periti.evaluation").joinpath("published.toml").read_text(encoding="utf-8"))
    return tuple(record for table in data["table"] for record in _records(table))


def benchmark_records(name: str) -> tuple[Published, ...]:
    """The records of one benchmark, its name in any case.

    Raises:
        UnknownName: nothing is published about it here.
    """
    found = tuple(record for record in published() if _equal(record.terms.benchmark, name))
    if not found:
        known = {str(record.terms.benchmark) for record in published()}
        raise UnknownName(f"no published number of a benchmark {name!r}; {nearest(name, known)}")
    return found


def declared(pairs: list[str]) -> dict[str, Any]:
    """Fields written as key=value.

    Raises:
        InputError: not of that form, an unknown key, a key given twice, or a value that is no number where one is due.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise InputError(f"{pair!r} declares nothing; write key=value, e.g. corpus_size=5183")
        if key not in DECLARABLE:
            raise InputError(f"{key!r} can not be declared; {nearest(key, DECLARABLE)}")
        if key in found:
            raise InputError(f"{key!r} is declared twice; give it once")
        try:
            found[key] = DECLARABLE[key](value)
        except ValueError:
            raise InputError(f"{key} is declared as {value!r}; give a whole number") from None
    return found


def split_name(name: str) -> tuple[str, float | None]:
    """A measure's canonical name without level and gain, and what stands after @."""
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?(?:@([\d.]+))?", name)
    if match is None:
        return name, None
    # Commas inside braces belong to gains={...}.
    options = [part for part in re.split(r",(?![^{]*\})", match[2] or "") if part]
    kept = [part for part in options if part.split("=")[0] not in ("rel", "dcg")]
    family = f"{match[1]}({','.join(kept)})" if kept else match[1]
    return family, None if match[3] is None else float(match[3])


def _records(table: Mapping[str, Any]) -> list[Published]:
    """The records of one table of the file."""
    shared = {key: table[key] for key in FIELDS if key in table}
    records = []
    for system, values in table["systems"].items():
        for name, text in zip(table["measures"], values, strict=True):
            if text:
                family, cutoff = split_name(name)
                own = {**shared, "measure": family, "cutoff": cutoff}
                if family in GRADED:
                    own.update(min_rel=None, judged_rel=None)
                if family != "nDCG":
                    own["gain"] = None
                scale = 2 if table.get("percent") else 0
                decimals = len(text.partition(".")[2]) + scale
                value = round(float(text) / 10**scale, decimals)
                records.append(Published(Terms(**own), system, value, decimals, table["kind"], table["url"]))
    return records


def _applies(name: str, terms: Terms) -> bool:
    """Whether a field means anything for a number of these terms."""
    if name == "cutoff":
        return False
    if name == "gain":
        return terms.measure == "nDCG"
    if name in ("min_rel", "judged_rel"):
        return terms.measure not in GRADED
    return name != "depth" or terms.first_stage not in (None, "none")


def _equal(mine: Any, theirs: Any) -> bool:
    """Equality, of words in any case."""
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine.casefold() == theirs.casefold()
    return bool(mine == theirs)
