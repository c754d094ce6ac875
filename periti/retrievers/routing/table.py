"""The utility table: how well every expert answers every query of a held-out slice of train.

RouterRetriever (Lee et al., AAAI 2025) calls a row's best expert the query's label. The released code of that paper
took the utilities from the test split; here a table that says so can not be made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.config import digest
from periti.errors import IndexDamaged, IndexMissing, InputError, UnknownName
from periti.indexers.manifest import FILE, Manifest, open_verified, versions_of, write_manifest
from periti.indexers.storage import building
from periti.protocols import Vectors
from periti.registry import nearest

KIND = "utility-table"


@dataclass(frozen=True, eq=False)
class UtilityTable:
    """Queries (n), experts (E), and the utility of every expert for every query.

    Attributes:
        query_ids: n unique ids; collections may share ids, so prefix them with the collection.
        texts: n texts.
        vectors: float32 (n, d), the base encoder's query vectors, of length one.
        datasets: the source collection of every query.
        experts: E unique names, the order of the columns and of all ties.
        utilities: float64 (n, E), finite, larger is better.
        measure: what the utilities measure, such as "nDCG@10".
        homes: collection to the expert trained on it; a collection that is absent or '' is nobody's home.
        source: where it came from; every key that speaks of splits is checked.

    Raises:
        InputError: a cell is missing, a name repeated, the table empty, the shapes disagree, a home unknown, or the
            utilities come from a test split.
    """

    query_ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Vectors
    datasets: tuple[str, ...]
    experts: tuple[str, ...]
    utilities: NDArray[np.float64]
    measure: str = "nDCG@10"
    homes: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = object.__setattr__
        for name in ("query_ids", "texts", "datasets", "experts"):
            own(self, name, tuple(getattr(self, name)))
        own(self, "vectors", _frozen(self.vectors, np.float32))
        own(self, "utilities", _frozen(self.utilities, np.float64))
        homes = {dataset: home for dataset, home in sorted(self.homes.items()) if home}
        own(self, "homes", MappingProxyType(homes))
        own(self, "source", MappingProxyType(dict(self.source)))
        _check(self)

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def dimension(self) -> int:
        """Dimensions of the base encoder's vectors."""
        return int(self.vectors.shape[1])

    @property
    def home_columns(self) -> NDArray[np.int64]:
        """int64 (n,): the column of the expert at home on the query's collection, -1 where there is none."""
        column = {name: i for i, name in enumerate(self.experts)}
        return np.array([column.get(self.homes.get(dataset, ""), -1) for dataset in self.datasets], np.int64)

    @property
    def tie_rate(self) -> float:
        """Share of the queries whose best expert is not unique."""
        return float((self._tied.sum(axis=1) > 1).mean())

    @property
    def _tied(self) -> NDArray[np.bool_]:
        """Bool (n, E): whether the expert is among the best of the query."""
        tied: NDArray[np.bool_] = self.utilities == self.utilities.max(axis=1, keepdims=True)
        return tied

    def best(self, ties: str = "own") -> NDArray[np.int64]:
        """The best expert's column for every query.

        Args:
            ties: `own` prefers the expert at home among the best, else the first of them in the order of `experts`;
                `drop` gives -1 where the best is not unique; `first` is always the first.

        Returns:
            int64 (n,).
        """
        tied = self._tied
        first: NDArray[np.int64] = tied.argmax(axis=1).astype(np.int64)
        if ties == "first":
            return first
        if ties == "drop":
            return np.where(tied.sum(axis=1) > 1, -1, first)
        if ties != "own":
            raise InputError(f"utility table: ties is {ties!r}; choose own, drop or first")
        home = self.home_columns
        at_home = (home >= 0) & tied[np.arange(len(self)), home]
        return np.where(at_home, home, first)

    def with_expert(self, name: str, column: NDArray[np.float64], home: Sequence[str] = ()) -> Self:
        """The table with one more expert, whose utilities are `column` float64 (n,), at home on the collections."""
        column = np.asarray(column, np.float64)
        if column.shape != (len(self),):
            raise InputError(
                f"utility table: the column of expert {name!r} has shape {column.shape}, the table {len(self)} "
                "queries; give one utility a query"
            )
        homes = {**self.homes, **dict.fromkeys(home, name)}
        utilities = np.column_stack([self.utilities, column])
        return replace(self, experts=(*self.experts, name), utilities=utilities, homes=homes)

    def without_expert(self, name: str) -> Self:
        """The table without one expert; its collections become nobody's home. Raises UnknownName."""
        if name not in self.experts:
            raise UnknownName(f"utility table: no expert {name!r}; {nearest(name, self.experts)}")
        return self.ordered([kept for kept in self.experts if kept != name])

    def ordered(self, experts: Sequence[str]) -> Self:
        """The same table with these of its experts, in this order; homes of the others are left out."""
        columns = [self.experts.index(name) for name in experts]
        homes = {dataset: home for dataset, home in self.homes.items() if home in experts}
        return replace(self, experts=tuple(experts), utilities=self.utilities[:, columns], homes=homes)

    def restricted(self, mask: NDArray[np.bool_]) -> Self:
        """The table with the queries where `mask` bool (n,) holds; raises InputError if none is left."""
        rows = np.flatnonzero(mask)
        return replace(
            self,
            query_ids=tuple(self.query_ids[i] for i in rows),
            texts=tuple(self.texts[i] for i in rows),
            datasets=tuple(self.datasets[i] for i in rows),
            vectors=self.vectors[rows],
            utilities=self.utilities[rows],
        )

    def without_texts(self) -> Self:
        """The table with empty texts, to be given away where the queries may not be; only `skills` would read them."""
        return replace(self, texts=("",) * len(self))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that the table holds, `source` left out: same content, same digest."""
        seen = hashlib.sha256(self.vectors.tobytes() + self.utilities.tobytes())
        facts = [self.query_ids, self.texts, self.datasets, self.experts, self.measure, dict(self.homes)]
        seen.update(digest(facts).encode())
        return seen.hexdigest()

    def write(self, folder: Path, *, replace: bool = False) -> None:
        """Write the table as a directory that is either whole or absent.

        Raises:
            InputError: the folder exists and `replace` is false.
            StorageError: the disk is full or not writable.
        """
        facts = {
            "dimension": self.dimension,
            "experts": list(self.experts),
            "homes": dict(self.homes),
            "measure": self.measure,
            "source": dict(self.source),
            "tie_rate": self.tie_rate,
        }
        with building(folder, replace=replace) as scratch:
            rows = {"query_id": self.query_ids, "text": self.texts, "dataset": self.datasets}
            pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String)).write_parquet(scratch / "queries.parquet")
            np.save(scratch / "vectors.npy", self.vectors, allow_pickle=False)
            np.save(scratch / "utilities.npy", self.utilities, allow_pickle=False)
            manifest = Manifest(KIND, self.fingerprint, len(self), {}, digest({}), facts, versions_of("numpy"))
            write_manifest(scratch, manifest)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The table of a directory, every byte of it verified.

        Raises:
            IndexMissing: there is no table.
            IndexDamaged: a file is missing, truncated or altered.
        """
        if not (folder / FILE).is_file():
            raise IndexMissing(f"no utility table at {folder} (no {FILE}); make one with `periti router fit`")
        manifest = open_verified(folder, KIND)
        rows = pl.read_parquet(folder / "queries.parquet")
        facts = manifest.facts
        table = cls(
            tuple(rows["query_id"]),
            tuple(rows["text"]),
            np.load(folder / "vectors.npy", allow_pickle=False),
            tuple(rows["dataset"]),
            tuple(facts["experts"]),
            np.load(folder / "utilities.npy", allow_pickle=False),
            facts["measure"],
            facts["homes"],
            facts["source"],
        )
        if table.fingerprint != manifest.corpus_digest:
            raise IndexDamaged(f"utility table {folder} is not what its manifest describes; fit the router again")
        return table


def _frozen(values: NDArray[Any], dtype: type[np.float32 | np.float64]) -> NDArray[Any]:
    """A read-only copy."""
    copy = np.array(values, dtype, order="C")
    copy.setflags(write=False)
    return copy


def _check(table: UtilityTable) -> None:
    """Raise InputError for the first promise that the table breaks."""
    for split in _splits(table.source, spoken=False):
        if split.partition("[")[0].replace("/", ":").rpartition(":")[2].strip().casefold().startswith("test"):
            raise InputError(
                f"utility table: the utilities come from the split {split!r}; routers learn from a held-out slice of "
                "train, never from test"
            )
    for name in table.datasets:
        head, _, split = name.replace("/", ":").rpartition(":")
        if head and split.casefold().startswith("test"):
            raise InputError(f"utility table: the queries come from {name!r}; take a held-out slice of train instead")
    if not table.query_ids or not table.experts:
        raise InputError(
            f"utility table: {len(table.query_ids)} queries and {len(table.experts)} experts; it needs one of each at "
            "least, so give a slice of train that is not empty"
        )
    _check_names(table)
    _check_cells(table)


def _splits(value: Any, *, spoken: bool) -> Iterator[str]:
    """Every string of the provenance that stands, at whatever depth, under a key that speaks of splits or datasets."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            word = str(key).casefold()
            yield from _splits(item, spoken=spoken or "split" in word or word in ("dataset", "datasets", "qrels"))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _splits(item, spoken=spoken)
    elif spoken and isinstance(value, str):
        yield value


def _check_names(table: UtilityTable) -> None:
    for what, names in (("query id", table.query_ids), ("expert", table.experts)):
        seen: set[str] = set()
        for name in names:
            if not name:
                raise InputError(f"utility table: a {what} is empty; every one needs a name")
            if name in seen:
                raise InputError(f"utility table: the {what} {name!r} occurs more than once; keep one")
            seen.add(name)
    for dataset, home in table.homes.items():
        if home not in table.experts:
            raise InputError(
                f"utility table: {dataset!r} is the home of {home!r}, which is no expert of the table; "
                f"{nearest(home, table.experts)}"
            )


def _check_cells(table: UtilityTable) -> None:
    n = len(table.query_ids)
    if (len(table.texts), len(table.datasets)) != (n, n):
        raise InputError(
            f"utility table: {n} query ids, {len(table.texts)} texts and {len(table.datasets)} datasets; give one each "
            "for every query"
        )
    if table.utilities.shape != (n, len(table.experts)):
        raise InputError(
            f"utility table: the utilities have shape {table.utilities.shape} for {n} queries and "
            f"{len(table.experts)} experts; give one cell for each pair"
        )
    missing = np.argwhere(~np.isfinite(table.utilities))
    if len(missing):
        row, column = missing[0]
        raise InputError(
            f"utility table: {len(missing)} cells are missing, the first is expert {table.experts[column]!r} on query "
            f"{table.query_ids[row]!r}; evaluate every expert on every query"
        )
    if table.vectors.ndim != 2 or len(table.vectors) != n or not table.vectors.shape[1]:
        raise InputError(f"utility table: the vectors have shape {table.vectors.shape} for {n} queries; give one a row")
    lengths = np.sqrt((table.vectors.astype(np.float64) ** 2).sum(axis=1))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
    if len(wrong):
        raise InputError(
            f"utility table: the vector of query {table.query_ids[wrong[0]]!r} has length {lengths[wrong[0]]:.4g}; "
            "give the base encoder's vectors, of length one"
        )
