"""What is known about every collection, as data: `catalog.toml` parsed into frozen records."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from periti.errors import UnknownName
from periti.registry import nearest


@dataclass(frozen=True)
class SplitFacts:
    """What one split must hold; None where the catalog does not say.

    `judged` counts queries with at least one judgement, `qrels` judgements, `absent` distinct judged documents
    that the collection has no text of, `absent_pairs` their judgements. `variant_of` names the split whose queries
    these ask in another way, under the same ids.
    """

    queries: int | None = None
    judged: int | None = None
    qrels: int | None = None
    absent: int = 0
    absent_pairs: int = 0
    note: str = ""
    variant_of: str | None = None


@dataclass(frozen=True)
class TextFacts:
    """Declared peculiarities of the texts: counts of documents.

    `no_text` have an empty text (perhaps a title), `blank` neither text nor title, `replacement` hold U+FFFD,
    `mojibake` hold UTF-8 read as Latin-1.
    """

    no_text: int = 0
    blank: int = 0
    replacement: int = 0
    mojibake: int = 0


@dataclass(frozen=True)
class Facts:
    """One collection: where it comes from, what its grades mean, how it is officially measured, what it must hold.

    `min_rel` is the least grade that counts as relevant in binary measures. `identical_ids` says what it means when
    a query and a document have the same id: "keep" = unrelated numbers, nothing is dropped. `bm25` is nDCG@10 of
    the plain BM25 in the data folder's README, on `bm25_split`.
    """

    name: str
    title: str
    domain: str
    language: str
    kind: str
    licence: str
    source: str
    loader: str
    default_split: str
    splits: Mapping[str, SplitFacts]
    grades: Mapping[int, str]
    min_rel: int = 1
    measures: tuple[str, ...] = ()
    documents: int | None = None
    folder: str | None = None
    identical_ids: str = "none"
    texts: TextFacts = field(default_factory=TextFacts)
    notes: tuple[str, ...] = ()
    bm25: float | None = None
    bm25_split: str | None = None


@cache
def catalog() -> Mapping[str, Facts]:
    """The facts of every collection by name, in the catalog's order."""
    text = files("periti.datasets").joinpath("catalog.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _facts(name, table) for name, table in tomllib.loads(text).items()})


def facts_of(name: str) -> Facts:
    """The facts of one collection.

    Raises:
        UnknownName: the catalog has no such name; the nearest and all names are listed.
    """
    try:
        return catalog()[name]
    except KeyError:
        raise UnknownName(
            f"no dataset named {name!r}; {nearest(name, catalog())}, and irds:<id> for any id of ir_datasets"
        ) from None


def as_json(facts: Facts) -> dict[str, Any]:
    """The facts as a dictionary of plain values, for JSON."""
    plain = {one.name: getattr(facts, one.name) for one in fields(Facts)}
    plain["splits"] = {name: asdict(split) for name, split in facts.splits.items()}
    plain["grades"] = {str(grade): meaning for grade, meaning in facts.grades.items()}
    plain["texts"] = asdict(facts.texts)
    return plain


def _facts(name: str, table: Mapping[str, Any]) -> Facts:
    unknown = set(table) - {one.name for one in fields(Facts)}
    if unknown:
        raise ValueError(f"catalog.toml: {name} has the unknown keys {sorted(unknown)}")
    values = dict(table)
    values["splits"] = MappingProxyType({key: SplitFacts(**split) for key, split in table["splits"].items()})
    values["grades"] = MappingProxyType({int(grade): meaning for grade, meaning in table["grades"].items()})
    values["texts"] = TextFacts(**table.get("texts", {}))
    values["notes"] = tuple(table.get("notes", ()))
    values["measures"] = tuple(table.get("measures", ()))
    return Facts(name=name, **values)
