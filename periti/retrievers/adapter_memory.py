"""How much memory the adapters of a collection may take, and which of them its workload wants there (PreMoe).

    adapter_memory_mb = 4
    workload = "workload.json"

With one stored workload its experts are loaded when the collection is opened. With several, the first batch of queries
tells which it is: the stored pattern nearest to the router's mean scores.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from periti.encoders.panel import ExpertEncoder
from periti.encoders.sentence import SentenceEncoder
from periti.errors import ConfigError
from periti.indexers.docstore import Docstore
from periti.retrievers.dense import DenseRetriever
from periti.retrievers.diagnosis.workload import WorkloadProfile, nearest, read_profiles
from periti.retrievers.experts import Expert
from periti.retrievers.working_panel import BARE, WorkingPanel


class AdapterMemory:
    """The adapters of one collection, under one budget.

    Args:
        megabytes: of adapters in memory, above 0.
        workload: file of profiles (`periti router workload`); None loads on demand only.

    Raises:
        ConfigError: the budget is not above 0.
    """

    def __init__(self, megabytes: float, workload: Path | None = None) -> None:
        if not 0 < megabytes < float("inf"):
            raise ConfigError(f"adapter_memory_mb is {megabytes:g}; give megabytes above 0, or leave it out")
        self._bytes, self._workload = int(megabytes * 1e6), workload
        self._panels: dict[int, WorkingPanel] = {}
        self._profiles: tuple[WorkloadProfile, ...] = ()
        self._digests: Mapping[str, str | None] = {}
        self._lock = threading.Lock()
        self.chosen: str | None = None
        """The workload that was preloaded; None before the first batch where several are stored."""

    def panel_of(self, base: SentenceEncoder) -> WorkingPanel:
        """The panel that holds the adapters of this encoder.

        Raises:
            ConfigError: the collection has experts over two encoders, which one budget can not divide.
        """
        if self._panels and id(base) not in self._panels:
            raise ConfigError("adapter_memory_mb: the experts have two base encoders; leave the budget out")
        if not self._panels:
            self._panels[id(base)] = WorkingPanel(base, self._bytes)
        return self._panels[id(base)]

    def open(self, kind: Any, folder: Path, docstore: Docstore, options: Any) -> Any:
        """A retriever of that kind, its adapter in this memory; raises as its own `open`."""
        if issubclass(kind, DenseRetriever):
            return kind.open(folder, docstore, options, self.panel_of)
        return kind.open(folder, docstore, options)

    def expect(self, experts: Mapping[str, Expert], routed: Sequence[str]) -> None:
        """Read the stored workloads of the routed experts; one alone is preloaded now.

        Raises:
            FormatError: the file is absent or holds something else.
            ConfigError: it holds no workload, or one of other experts.
        """
        if self._workload is None:
            return
        profiles = read_profiles(self._workload)
        strange = next((one for one in profiles if set(one.experts) != set(routed)), None)
        if strange is not None or not profiles:
            found = f"{strange.name!r} is of experts {sorted(strange.experts)}" if strange else "it holds none"
            raise ConfigError(
                f"{self._workload}: workload {found}, the collection routes to {sorted(routed)}; make one of its panel "
                "with `periti router workload`"
            )
        self._digests = {name: _adapter(experts[name]) for name in routed}
        self._profiles = profiles
        if len(profiles) == 1:
            self._preload(profiles[0])

    def recall(self, experts: Sequence[str], scores: ArrayLike) -> None:
        """Preload the workload nearest to the router's scores (n, E) of a first batch; later ones change nothing."""
        with self._lock:
            if self._profiles and self.chosen is None:
                self._preload(nearest(self._profiles, experts, np.asarray(scores, np.float64).mean(axis=0)))

    def notes(self) -> Mapping[str, int]:
        """What the working set holds and did since the collection was opened."""
        panel = next(iter(self._panels.values()), None)
        if panel is None:
            return {}
        counts = panel.counts
        return {
            "adapters_held": len(panel.adapters),
            "adapter_hits": counts.hits,
            "adapters_loaded_so_far": counts.misses,
            "adapters_preloaded": counts.preloaded,
            "adapters_dropped": counts.evicted,
        }

    def _preload(self, profile: WorkloadProfile) -> None:
        for panel in self._panels.values():
            panel.preload(_by_adapter(profile, self._digests))
        self.chosen = profile.name


def _adapter(expert: Expert) -> str | None:
    encoder = getattr(expert.retriever, "encoder", None)
    return encoder.adapter if isinstance(encoder, ExpertEncoder) else None


def _by_adapter(profile: WorkloadProfile, digests: Mapping[str, str | None]) -> WorkloadProfile:
    """The profile with an expert's adapter in place of its name; experts of one adapter are one."""
    usage: dict[str, float] = {}
    for name, share in zip(profile.experts, profile.usage, strict=True):
        key = digests.get(name) or BARE
        usage[key] = usage.get(key, 0.0) + share
    return WorkloadProfile(profile.name, tuple(usage), tuple(usage.values()))
