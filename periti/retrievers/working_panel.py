"""Experts whose adapters do not all fit in memory: a working set stays, the others are loaded when they are asked.

Vectors do not depend on their batch, so a batch that asks more adapters than fit is encoded in parts, and the results
are those of a panel with all adapters resident.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from periti.encoders.adapters import Adapter, read_adapter
from periti.encoders.panel import ExpertEncoder, PanelEncoder, Resident
from periti.encoders.sentence import SentenceEncoder
from periti.errors import ConfigError, EncoderError
from periti.protocols import Encoded
from periti.retrievers.diagnosis.working_set import Counts, Preload, WorkingSet
from periti.retrievers.diagnosis.workload import WorkloadProfile

COPIES = 3
"""Bytes an adapter takes, in units of its file: as it was read, and stacked in double precision."""
COVERAGE = 0.95
"""Share of a workload's queries whose experts are loaded ahead."""
BARE = ""
"""What stands for the base in a workload by digest: it takes nothing and is always there."""


@dataclass(frozen=True)
class _Shelf:
    """Where an adapter lies, and the bytes it takes in memory."""

    folder: Path
    bytes: int


class WorkingPanel(PanelEncoder):
    """A panel that holds at most `budget` bytes of adapters.

    A thread that encodes keeps the adapters of its own batch until it is done, whoever evicts them meanwhile.

    Args:
        base: the encoder.
        budget: bytes of adapters, `COPIES` times the bytes of their files.

    Raises:
        ConfigError: the budget is below 1 byte.
    """

    def __init__(self, base: SentenceEncoder, budget: int) -> None:
        super().__init__(base)
        self._shelves: dict[str, _Shelf] = {}
        self._here = threading.local()
        self._set: WorkingSet[Adapter | None] = WorkingSet(self._read, self._size, budget)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Digests of the adapters in memory, least recently used first."""
        return tuple(name for name in self._set.names if name != BARE)

    @property
    def adapter_bytes(self) -> int:
        """Bytes of the adapters in memory."""
        return self._set.used

    @property
    def counts(self) -> Counts:
        """Requests answered from memory and by loading, adapters preloaded and dropped."""
        return self._set.counts

    def expert_at(self, folder: Path) -> ExpertEncoder:
        """The expert of an adapter's folder; the adapter is checked now and loaded when it is asked.

        Raises:
            EncoderError: the adapter is missing, damaged, or for another base.
            ConfigError: it alone exceeds the budget.
        """
        adapter = read_adapter(folder)
        adapter.require_base(self.base.identity)
        size = COPIES * adapter.bytes
        if size > self._set.budget:
            raise ConfigError(
                f"expert {adapter.card.get('name', folder.name)!r} takes {size / 1e6:.2f} MB, the collection's "
                f"adapter_memory_mb is {self._set.budget / 1e6:g}; raise it"
            )
        digest = adapter.digest
        with self._lock:
            self._hang(adapter)
            self._shelves.setdefault(digest, _Shelf(folder, size))
        return ExpertEncoder(self, digest)

    def loads(self, adapter: str | None) -> int:
        """How often this thread had to load an adapter in order to encode."""
        return self._loaded_here[adapter] if adapter is not None else 0

    def preload(self, profile: WorkloadProfile) -> Preload:
        """Load ahead what a workload asks most, as far as the budget goes; the profile names digests."""
        return self._set.preload(profile, COVERAGE)

    def encode(self, texts: Sequence[str], adapters: Sequence[str | None]) -> Encoded:
        """Vectors of queries, float32 (n, d), each by its own expert; in parts, where not all adapters fit at once.

        Raises:
            EncoderError: an adapter is not of this panel, was altered since, or a vector is not finite.
        """
        wanted = list(dict.fromkeys(a for a in adapters if a is not None))
        lost = next((a for a in wanted if a not in self._shelves), None)
        if lost is not None:
            raise EncoderError(f"no adapter {lost[:12]}... is on the panel; open its expert first")
        vectors = np.empty((len(texts), self.base.identity.dimension), np.float32)
        done = np.zeros(len(texts), np.bool_)
        for part in self._parts(wanted):
            rows = [i for i, a in enumerate(adapters) if not done[i] and (a is None or a in part)]
            asked = [adapters[i] for i in rows]
            vectors[rows] = self._encode_with(self._together(part), [texts[i] for i in rows], asked).vectors
            done[rows] = True
        return Encoded(vectors, self.base.query_coverage(texts))

    @property
    def _loaded_here(self) -> Counter[str]:
        if not hasattr(self._here, "loads"):
            self._here.loads = Counter()
        found: Counter[str] = self._here.loads
        return found

    def _parts(self, wanted: Sequence[str]) -> Iterator[list[str]]:
        """The adapters in groups that fit together; those in memory first, before the others drive them out."""
        held = self._set.names
        part: list[str] = []
        room = self._set.budget
        for digest in sorted(wanted, key=lambda digest: digest not in held):
            size = self._size(digest)
            if size > room:
                yield part
                part, room = [], self._set.budget
            part.append(digest)
            room -= size
        yield part

    def _together(self, part: Sequence[str]) -> Resident:
        """The adapters of one part, stacked; the last stack is kept for the next batch."""
        found = {digest: self._set.get(digest) for digest in part}
        resident = self._resident
        if any(digest not in resident.slots for digest in part):
            with self._lock:
                resident = self._resident = self._snapshot({d: a for d, a in found.items() if a is not None})
        return resident

    def _read(self, digest: str) -> Adapter | None:
        if digest == BARE:
            return None
        shelf = self._shelves[digest]
        adapter = read_adapter(shelf.folder)
        if adapter.digest != digest:
            raise EncoderError(
                f"{shelf.folder} holds another adapter than when the collection was opened; open it again"
            )
        self._loaded_here[digest] += 1
        return adapter

    def _size(self, digest: str) -> int:
        return 0 if digest == BARE else self._shelves[digest].bytes
