"""One collection of a panel as its file describes it: where its queries come from and how they are divided."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from periti.errors import ConfigError

OF_DATASET = ("judgements", "spans", "medquad")
OF_PAIRS = ("pairs", "cooccurrence")
QUERIES_FROM = (*OF_DATASET, *OF_PAIRS)
GROUPS = ("query", "document")


@dataclass(frozen=True)
class CollectionConfig:
    """One collection of a panel and how its queries are divided. Paths are relative to the panel's file.

    Attributes:
        dataset: a name of the catalog, or irds:ID; not needed where `file` brings the documents.
        train: split whose queries are for training, dev and utilities; empty if the collection only tests. "pairs" and
            "cooccurrence" have no splits and always train.
        test: split that is evaluated; empty if it is not.
        hold_out: where train and test name the same split, the share of it that is test; its groups never touch. Of
            "pairs" and "cooccurrence", the share that is evaluated.
        group: what is kept together when queries are divided: "query", or "document" (the first relevant one). Of
            "pairs" and "cooccurrence" "document" is the default, and queries that share any document stay together.
        queries: "judgements" (the dataset's own), "spans" (a passage from inside a document asks for the document),
            "medquad" (the question-answer pairs that come with medquad-liveqa; the answers are the documents), "pairs"
            (lines of `file`), or "cooccurrence" (a short text asks for the bag of attributes it stands with).
        file: of "pairs" or "cooccurrence": JSONL, CSV, TSV or Parquet.
        head: of "cooccurrence": the field of the short text, of a line or of a document ("title", say).
        attributes: of "cooccurrence": the field of the bag, a list or one text.
        separator: what attributes are separated by where they are one text in a table or in metadata.
        max_items: at most so many attributes of a bag are written into its document, chosen by hash; 0 writes all.
        domain: of what the file holds; a dataset's own by default.
        licence: likewise.
        sample: at most so many training queries, chosen by hash; 0 takes all.
        home: the expert that is at home here though it learns from other queries of the same kind.
        slices: shares of the training queries for fitting, dev (early stop) and utilities.
    """

    dataset: str = ""
    train: str = ""
    test: str = ""
    hold_out: float = 0.0
    group: str = ""
    queries: str = "judgements"
    file: Path | None = None
    head: str = ""
    attributes: str = ""
    separator: str = ";"
    max_items: int = 0
    domain: str = ""
    licence: str = ""
    sample: int = 0
    home: str = ""
    slices: tuple[float, ...] = (0.7, 0.15, 0.15)

    def __post_init__(self) -> None:
        if self.queries not in QUERIES_FROM:
            raise ConfigError(f"{self.label}: no queries {self.queries!r}; known: {', '.join(QUERIES_FROM)}")
        if self.group not in ("", *GROUPS):
            raise ConfigError(f"{self.label}: no group {self.group!r}; known: {', '.join(GROUPS)}")
        if len(self.slices) != 3 or min(self.slices) < 0 or abs(sum(self.slices) - 1) > 1e-9:
            raise ConfigError(f"{self.label}: slices are {self.slices}; give three shares that sum to 1")
        if not 0 <= self.hold_out < 1:
            raise ConfigError(f"{self.label}: hold_out is {self.hold_out}; it must be at least 0 and below 1")
        _check_pairs(self) if self.queries in OF_PAIRS else _check_dataset(self)

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.dataset or (self.file.name if self.file else "collection")

    @property
    def learns(self) -> bool:
        """Whether it has queries to learn from."""
        return bool(self.train) or self.queries in OF_PAIRS

    @property
    def shared(self) -> float:
        """The share of its training queries that is test instead."""
        return self.hold_out if self.queries in OF_PAIRS or (self.train and self.train == self.test) else 0.0

    @property
    def split(self) -> str:
        """The split of a dataset that is evaluated as it is; empty if there is none."""
        return "" if self.test == self.train else self.test


def _check_dataset(one: CollectionConfig) -> None:
    if not one.dataset:
        raise ConfigError(f"{one.label}: 'dataset' missing; name one, or give queries = 'pairs' and a file")
    for name in ("file", "head", "attributes", "max_items"):
        if getattr(one, name):
            raise ConfigError(f"{one.label}: {name} is of queries = 'pairs' or 'cooccurrence' only; leave it out")
    if one.train and one.train == one.test and not one.hold_out:
        raise ConfigError(
            f"{one.label}: train and test are both {one.train!r} and nothing is held out; "
            "name another split or set hold_out"
        )
    if one.train.startswith("test"):
        raise ConfigError(f"{one.label}: train is the split {one.train!r}; nothing is learnt from a test split")


def _check_pairs(one: CollectionConfig) -> None:
    if one.train:
        raise ConfigError(f"{one.label}: train names a split, which {one.queries} do not have; leave it out")
    if one.queries == "pairs":
        if one.file is None:
            raise ConfigError(f"{one.label}: 'file' missing; name the file of pairs")
        if one.head or one.attributes:
            raise ConfigError(f"{one.label}: head and attributes are of queries = 'cooccurrence' only; leave them out")
    else:
        if (one.file is None) == (not one.dataset):
            raise ConfigError(f"{one.label}: cooccurrence is read from a file or from a dataset; give one of them")
        if not one.head or not one.attributes:
            raise ConfigError(f"{one.label}: head or attributes missing; name the fields of short text and bag")
        if not one.separator or one.max_items < 0:
            raise ConfigError(f"{one.label}: separator must not be empty and max_items must be 0 or more")
    if one.test and (one.hold_out or one.queries != "pairs" or not one.dataset):
        raise ConfigError(
            f"{one.label}: test names a split, which is of pairs over a dataset's documents only, without hold_out; "
            "set hold_out alone to evaluate a share of the pairs"
        )
