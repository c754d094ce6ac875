"""Fact sheets of all measures, from measures.toml: users list them, docs/measures.md prints them, tests recompute."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from periti.types import QRELS, SCORED, Qrels, Run

PAGE = """# Measures

Printed by `periti evaluate --list-measures --markdown`; the tests hold this page against the fact sheets and recompute
every fixture.

Notation: k cutoff, g(i) grade at rank i, rel(i) = 1 if g(i) >= rel, R relevant and N judged non-relevant documents of
the query, n documents retrieved; W(i) is the share of attention of rank i, C(1) ... C(i-1) over the sum of all such
products, if a reader goes on after rank i with chance C(i), and gain(i) there is 0 at min_rel and 1 at max_rel.
Parameters stand in brackets with their defaults; the one after @ comes first.
"""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a measure: its name, its default as written (None: it has to be given), what it means."""

    name: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Toy:
    """One judged query small enough to compute by hand: the ranked documents and their grades."""

    run: tuple[str, ...]
    grades: dict[str, int]

    def frames(self) -> tuple[Run, Qrels]:
        """The run and the judgements of this query."""
        scored = [("q", doc, float(-rank)) for rank, doc in enumerate(self.run)]
        judged = [("q", doc, grade) for doc, grade in self.grades.items()]
        return (
            Run.of(pl.DataFrame(scored, schema=SCORED, orient="row"), "toy"),
            Qrels.of(pl.DataFrame(judged, schema=QRELS, orient="row"), "toy"),
        )


@dataclass(frozen=True)
class Sheet:
    """What there is to know about one family of measures.

    Args:
        name: the family.
        definition: what it says, one or two sentences.
        formula: the same as a formula.
        source: who defined it, or the program whose numbers it gives.
        parameters: in the order written.
        toy: the toy that the fixture is computed on.
        fixture: spellings and their values on the toy.
        aliases: other names of the family.
        note: what else to know.
    """

    name: str
    definition: str
    formula: str
    source: str
    parameters: tuple[Parameter, ...]
    toy: str
    fixture: tuple[tuple[str, float], ...]
    aliases: tuple[str, ...] = ()
    note: str = ""


@cache
def sheets() -> tuple[Sheet, ...]:
    """The fact sheets, in the order of the file."""
    data = _data()
    meanings = data["parameter"]
    return tuple(
        Sheet(
            name=entry["name"],
            definition=entry["definition"],
            formula=entry["formula"],
            source=entry["source"],
            parameters=tuple(_parameter(text, meanings) for text in entry["parameters"]),
            toy=entry.get("toy", "graded"),
            fixture=tuple((spelling, float(value)) for spelling, value in entry.get("fixture", ())),
            aliases=tuple(entry.get("aliases", ())),
            note=entry.get("note", ""),
        )
        for entry in data["measure"]
    )


@cache
def toys() -> dict[str, Toy]:
    """The toys that fixtures are computed on, by name."""
    return {name: Toy(tuple(toy["run"]), dict(toy["grades"])) for name, toy in _data()["toy"].items()}


def as_text(listed: Sequence[Sheet]) -> str:
    """One line for each measure: its name with parameters, and its definition."""
    names = [_signature(sheet) for sheet in listed]
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {sheet.definition}" for name, sheet in zip(names, listed, strict=True)) + "\n"


def as_json(listed: Sequence[Sheet]) -> str:
    """The fact sheets as a JSON list."""
    return json.dumps([asdict(sheet) for sheet in listed], ensure_ascii=False, indent=2)


def as_markdown(listed: Sequence[Sheet]) -> str:
    """The docs page."""
    return "\n".join([PAGE, *map(_toy, toys().items()), "", *(_section(sheet) for sheet in listed)])


def _toy(named: tuple[str, Toy]) -> str:
    """One toy in a line."""
    name, toy = named
    grades = ", ".join(f"{doc} {grade}" for doc, grade in toy.grades.items())
    return f"- Toy *{name}*: run {' '.join(toy.run)}; grades {grades}."


def _section(sheet: Sheet) -> str:
    """One measure's part of the docs page."""
    lines = [f"## {sheet.name}", "", sheet.definition, "", f"- spelled: `{_signature(sheet)}`"]
    if sheet.aliases:
        lines.append(f"- also: {', '.join(sheet.aliases)}")
    lines += [f"- formula: `{sheet.formula}`", f"- source: {sheet.source}"]
    lines += [f"- {parameter.name}: {parameter.meaning}" for parameter in sheet.parameters]
    values = ", ".join(f"`{spelling}` = {value:g}" for spelling, value in sheet.fixture)
    lines.append(f"- on the toy *{sheet.toy}*: {values}")
    if sheet.note:
        lines += ["", sheet.note]
    return "\n".join([*lines, ""])


def _signature(sheet: Sheet) -> str:
    """The name with its parameters as they are written."""
    at = next((p for p in sheet.parameters if p.name in ("k", "multiple", "percent", "recall")), None)
    inside = [p.name if p.default is None else f"{p.name}={p.default}" for p in sheet.parameters if p != at]
    shown = sheet.name + (f"({','.join(inside)})" if inside else "")
    if at is None:
        return shown
    return f"{shown}@{at.name}" if at.default is None else f"{shown}[@{at.name}]"


def _parameter(text: str, meanings: dict[str, str]) -> Parameter:
    """A parameter written as name or name=default."""
    name, equals, default = text.partition("=")
    return Parameter(name, default if equals else None, meanings[name])


def _data() -> dict[str, Any]:
    """The file's content."""
    return tomllib.loads(files("periti.evaluation").joinpath("measures.toml").read_text(encoding="utf-8"))
