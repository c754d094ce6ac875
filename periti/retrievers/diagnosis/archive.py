"""The best expert known for each domain at each cost: a MAP-Elites archive (Mouret & Clune 2015)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from periti.errors import FormatError, InputError
from periti.retrievers.diagnosis.records import read_record, write_record

_KIND = "periti-archive-1"


@dataclass(frozen=True)
class Elite:
    """An expert and how good it is for a domain at a cost; `note` says where the figures are from.

    Raises:
        InputError: no name or domain, a cost that is negative, or a figure that is not finite.
    """

    domain: str
    expert: str
    cost: float
    utility: float
    note: str = ""

    def __post_init__(self) -> None:
        if not self.domain or not self.expert:
            raise InputError(f"archive: expert {self.expert!r}, domain {self.domain!r}; give both a name")
        if not math.isfinite(self.utility) or not 0 <= self.cost < math.inf:
            raise InputError(
                f"archive: expert {self.expert!r} has utility {self.utility} at cost {self.cost}; give finite figures, "
                "the cost 0 or more"
            )


class Archive:
    """Cells of (domain, cost), each with its best expert.

    Args:
        edges: ascending inner borders of the cost cells, at least one; cost c lies in the cell numbered by how many
            edges are ≤ c.
        unit: what cost means, such as "ms" or "MB".

    Raises:
        InputError: edges missing, not finite or not ascending.
    """

    def __init__(self, edges: Sequence[float], unit: str) -> None:
        ascending = all(low < high for low, high in pairwise(edges))
        if not edges or not ascending or not all(map(math.isfinite, edges)):
            raise InputError(f"archive: cost edges are {list(edges)}; give ascending finite numbers")
        self.edges = tuple(float(edge) for edge in edges)
        self.unit = unit
        self._cells: dict[tuple[str, int], Elite] = {}

    def cell(self, elite: Elite) -> tuple[str, int]:
        """Domain and number of the cost cell that an expert competes in."""
        return elite.domain, bisect_right(self.edges, elite.cost)

    def offer(self, elite: Elite) -> bool:
        """Put an expert into its cell if that is empty or holds a worse one; whether it was put.

        Of equal utility the cheaper one stays, of equal cost too the one that was there.
        """
        key = self.cell(elite)
        held = self._cells.get(key)
        if held is not None and (held.utility, -held.cost) >= (elite.utility, -elite.cost):
            return False
        self._cells[key] = elite
        return True

    def best(self, domain: str, budget: float = math.inf) -> Elite | None:
        """The best expert kept for a domain that costs at most `budget`; None if there is none."""
        within = [elite for elite in self if elite.domain == domain and elite.cost <= budget]
        return max(within, key=lambda elite: (elite.utility, -elite.cost), default=None)

    def front(self, domain: str) -> tuple[Elite, ...]:
        """The kept experts of a domain by rising cost, each better than every cheaper one."""
        front: list[Elite] = []
        for elite in sorted((e for e in self if e.domain == domain), key=lambda e: (e.cost, -e.utility)):
            if not front or elite.utility > front[-1].utility:
                front.append(elite)
        return tuple(front)

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Elite]:
        """The kept experts, by domain and cost cell."""
        return iter([self._cells[key] for key in sorted(self._cells)])

    def write(self, path: Path) -> None:
        """Write as JSON; raises StorageError if that fails, and then the old file is whole."""
        write_record(path, _KIND, {"edges": self.edges, "unit": self.unit, "elites": [asdict(elite) for elite in self]})

    @classmethod
    def read(cls, path: Path) -> Self:
        """The archive written at `path`.

        Raises:
            FormatError: it is absent, no archive, or two of its experts claim one cell.
        """
        content = read_record(path, _KIND)
        try:
            archive = cls(content["edges"], content["unit"])
            elites = [Elite(**record) for record in content["elites"]]
            cells = {archive.cell(elite): elite for elite in elites}
        except (KeyError, TypeError, InputError) as error:
            raise FormatError(f"{path} is not a whole archive ({error}); write it again") from error
        if len(cells) < len(elites):
            raise FormatError(f"{path}: {len(elites)} experts in {len(cells)} cells; keep one expert in each cell")
        archive._cells = cells
        return archive
