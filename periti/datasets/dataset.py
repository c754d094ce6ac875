"""A collection by name: its documents, queries and judgements, read in place from the data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from periti.datasets.catalog import Facts, facts_of
from periti.errors import DatasetError, UnknownName
from periti.registry import nearest
from periti.types import Document, Qrels, Queries

IRDS = "irds:"


class Source(Protocol):
    """What a loader offers; splits are always given and known."""

    def documents(self) -> Iterator[Document]:
        """The documents, streamed, in the collection's order."""
        ...

    def queries(self, split: str) -> Queries:
        """The queries of a split, in the collection's order."""
        ...

    def qrels(self, split: str) -> Qrels:
        """The judgements of a split."""
        ...


@dataclass(frozen=True)
class Dataset:
    """One collection. Nothing is read before it is asked for, and nothing is kept.

    Attributes:
        facts: the catalog's entry.
        source: the loader.
        folder: where its files lie; None where there is no folder of files.
        asserted: whether reading raises where a count is not the catalog's; `checks` counts for itself.
    """

    facts: Facts
    source: Source
    folder: Path | None = None
    asserted: bool = True

    @property
    def name(self) -> str:
        """The catalog's name."""
        return self.facts.name

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.facts.splits)

    def documents(self) -> Iterator[Document]:
        """All documents in the collection's order; each call starts anew.

        Raises:
            FormatError: a file is missing or can not be read; names file and line.
            DatasetError: at the end, if there were more or fewer than the catalog states.
        """
        count = 0
        with self._as_laid_out():
            for document in self.source.documents():
                yield document
                count += 1
        self._assert("documents", count, self.facts.documents)

    def queries(self, split: str | None = None) -> Queries:
        """The queries of a split (None: the default one) in the collection's order.

        Raises:
            UnknownName: there is no such split.
            FormatError: a file is missing or can not be read; names file and line.
            DatasetError: there are more or fewer than the catalog states.
        """
        name = self._known(split)
        with self._as_laid_out():
            queries = self.source.queries(name)
        self._assert(f"queries in split {name!r}", len(queries), self.facts.splits[name].queries)
        return queries

    def qrels(self, split: str | None = None) -> Qrels:
        """The judgements of a split (None: the default one); the grades' meaning is in `facts.grades`.

        Raises:
            UnknownName: there is no such split.
            FormatError: a file is missing or can not be read; names file and line.
            DatasetError: there are more or fewer than the catalog states.
        """
        name = self._known(split)
        with self._as_laid_out():
            frame = self.source.qrels(name).frame
        self._assert(f"judgements in split {name!r}", frame.height, self.facts.splits[name].qrels)
        return Qrels(frame, f"{self.name}:{name}")

    def _assert(self, what: str, found: int, stated: int | None) -> None:
        """A file cut short, or of another release, is told when it is read, not by odd results."""
        if self.asserted and stated is not None and found != stated:
            raise DatasetError(
                f"dataset {self.name!r}: {found:,} {what}, the catalog states {stated:,}; "
                f"run periti datasets check {self.name}"
            )

    @contextmanager
    def _as_laid_out(self) -> Iterator[None]:
        """A key or type that the loader counts on and the files do not have is the files' fault."""
        try:
            yield
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"dataset {self.name!r}: its files are not laid out as expected ({type(error).__name__}: {error}); "
                f"run periti datasets check {self.name}"
            ) from error

    def _known(self, split: str | None) -> str:
        split = split or self.facts.default_split
        if split not in self.facts.splits:
            raise UnknownName(f"dataset {self.name!r} has no split {split!r}; {nearest(split, self.facts.splits)}")
        return split


def load_dataset(name: str, *, data: Path | None = None) -> Dataset:
    """The collection of that name, ready to read.

    Args:
        name: a name of the catalog, or `irds:<id>` for any id of ir_datasets.
        data: the folder that holds the collections' folders; by default as `data_folder` finds it.

    Raises:
        UnknownName: no such collection.
        DatasetError: its files are not there.
        MissingDependency: `irds:` without ir_datasets installed.
    """
    if name.startswith(IRDS):
        from periti.datasets.irds import load_irds

        return load_irds(name.removeprefix(IRDS))
    facts = facts_of(name)
    if facts.folder is None:
        # The demo collection lies beside this module.
        folder = Path(str(files("periti.datasets").joinpath(name)))
    else:
        folder = data_folder(data) / facts.folder
    if not folder.is_dir():
        raise DatasetError(
            f"dataset {name!r}: there is no folder {folder}; set PERITI_DATA to the folder that holds {folder.name}/"
        )
    module, _, attribute = facts.loader.partition(":")
    return Dataset(facts, getattr(import_module(module), attribute)(folder), folder)


def data_folder(data: Path | None = None) -> Path:
    """Where the collections lie: the argument, else PERITI_DATA, else ../shared/data of the current directory.

    Raises:
        DatasetError: none of them is a folder.
    """
    chosen = data or (Path(os.environ["PERITI_DATA"]) if os.environ.get("PERITI_DATA") else None)
    if chosen is None:
        chosen = Path("../shared/data")
        if not chosen.is_dir():
            raise DatasetError(
                "no data folder: PERITI_DATA is not set and there is no ../shared/data; "
                "set PERITI_DATA to the folder that holds the collections"
            )
    if not chosen.is_dir():
        raise DatasetError(f"the data folder {chosen} does not exist; set PERITI_DATA to the folder of the collections")
    return chosen
