"""One base model, many experts: queries encoded in one batch, each with the adapter of its own expert.

Document vectors come from the base model and are shared by all experts, so adding or removing an expert touches no
index. Vectors are computed in float64 and rounded, like the base's (`periti.encoders.sentence`): a query has the same
vector alone, in any batch and in any company of other experts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter, read_adapter
from periti.encoders.lora import MixedLayer, Mixture, Running, fitting, stacked
from periti.encoders.sentence import Forward, SentenceEncoder
from periti.errors import EncoderError
from periti.protocols import Encoded, EncoderIdentity
from periti.types import Coverage

if TYPE_CHECKING:
    from torch import Tensor, nn

REMEMBERED = 1024
"""Base vectors of queries that a panel remembers: 1.5 MB at 384 dimensions."""


@dataclass(frozen=True)
class Resident:
    """Every adapter that is loaded: a snapshot that is replaced as a whole, so a running search is never disturbed."""

    slots: Mapping[str, int]
    adapters: tuple[Adapter | None, ...]
    stacks: Mapping[str, tuple[Tensor, Tensor]]
    matrices: Tensor | None
    """Those of the linear adapters, float64 (slots, d, d)."""


class PanelEncoder:
    """A base encoder with all its adapters resident.

    Adapters are known by their digest, so collections that share an expert share its weights.
    """

    def __init__(self, base: SentenceEncoder) -> None:
        self.base = base
        self._running = Running()
        self._lock = threading.Lock()
        self._layers: dict[str, nn.Linear] = {}
        self._resident = Resident({}, (None,), {}, None)
        self._held: Mapping[str, NDArray[np.float32]] = {}

    @property
    def adapters(self) -> tuple[str, ...]:
        """Digests of the resident adapters, in the order they came."""
        return tuple(self._resident.slots)

    @property
    def adapter_bytes(self) -> int:
        """Bytes of the resident adapters as they are held, in float64."""
        return 2 * sum(adapter.bytes for adapter in self._resident.adapters if adapter)

    def add(self, adapter: Adapter) -> str:
        """Make an adapter resident and return its digest; one that is there already is kept.

        Raises:
            EncoderError: it is for another base model.
        """
        adapter.require_base(self.base.identity)
        digest = adapter.digest
        with self._lock:
            if digest not in self._resident.slots:
                self._hang(adapter)
                self._resident = self._snapshot({**self._by_digest(), digest: adapter})
        return digest

    def remove(self, digest: str) -> None:
        """Drop an adapter.

        Raises:
            EncoderError: it is not resident.
        """
        with self._lock:
            kept = self._by_digest()
            if kept.pop(digest, None) is None:
                raise EncoderError(f"no adapter {digest[:12]}... is resident; add it first")
            self._resident = self._snapshot(kept)

    def encode(self, texts: Sequence[str], adapters: Sequence[str | None]) -> Encoded:
        """Vectors of queries, float32 (n, d), each by its own expert.

        Args:
            texts: n queries.
            adapters: n digests of resident adapters; None is the base model.

        Raises:
            EncoderError: an adapter is not resident, or a vector is not finite.
        """
        return self._encode_with(self._resident, texts, adapters)

    def loads(self, adapter: str | None) -> int:  # noqa: ARG002  (panels that load on demand count here)
        """How often this thread had to load an adapter in order to encode; all are resident here, so never."""
        return 0

    def _encode_with(self, resident: Resident, texts: Sequence[str], adapters: Sequence[str | None]) -> Encoded:
        lost = next((a for a in adapters if a is not None and a not in resident.slots), None)
        if lost is not None:
            raise EncoderError(f"no adapter {lost[:12]}... is resident; add it first")
        import torch

        slots = torch.tensor([0 if a is None else resident.slots[a] for a in adapters])
        return self.base.encode_queries_by(texts, self._forward(slots, resident))

    def encode_base(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries by the base, float32 (n, d); those of the last calls are remembered.

        A router reads them, then the expert that is the base itself, then whoever explains: one forward pass is enough.
        """
        held = self._held
        fresh = [text for text in dict.fromkeys(texts) if text not in held]
        if fresh:
            new = dict(zip(fresh, self.base.encode_queries(fresh).vectors, strict=True))
            self._held = (
                {**held, **new} if len(held) + len(new) <= REMEMBERED else dict(list(new.items())[-REMEMBERED:])
            )
            held = {**held, **new}
        vectors = [held[text] for text in texts]
        stacked = np.stack(vectors) if vectors else np.empty((0, self.base.identity.dimension), np.float32)
        return Encoded(stacked, self.base.query_coverage(texts))

    def _forward(self, slots: Tensor, resident: Resident) -> Forward:
        """A forward pass in which the text at place p uses slot slots[p]."""
        model = self.base.double

        def forward(features: dict[str, Any], places: list[int]) -> Tensor:
            rows = slots[places]
            self._running.mixture = Mixture(rows, resident.stacks) if bool(rows.any()) else None
            try:
                vectors: Tensor = model(features)["sentence_embedding"]
            finally:
                self._running.mixture = None
            return _mapped(vectors, rows, resident.matrices)

        return forward

    def _by_digest(self) -> dict[str, Adapter]:
        return {d: a for d, slot in self._resident.slots.items() if (a := self._resident.adapters[slot]) is not None}

    def _hang(self, adapter: Adapter) -> None:
        """Prepare the layers that an adapter touches; nothing changes if it does not fit."""
        dimension = self.base.identity.dimension
        if adapter.matrix is not None and adapter.matrix.shape[0] != dimension:
            raise EncoderError(
                f"adapter {adapter.card.get('name', '?')!r} maps {adapter.matrix.shape[0]} dimensions, the base has "
                f"{dimension}; it was trained for another base"
            )
        transformer: nn.Module = self.base.double[0].auto_model
        for name, linear in fitting(transformer, adapter).items():
            if name not in self._layers:
                linear.register_forward_hook(MixedLayer(name, self._running))
                self._layers[name] = linear

    def _snapshot(self, adapters: Mapping[str, Adapter]) -> Resident:
        """These adapters by digest, stacked; slot 0 is the base."""
        import torch

        slotted = (None, *adapters.values())
        stacks = {}
        for name, layer in self._layers.items():
            stack = stacked(layer, [(*a.layers[name], a.scale) if a and name in a.layers else None for a in slotted])
            if stack is not None:
                stacks[name] = stack
        matrices = None
        if any(a is not None and a.matrix is not None for a in slotted):
            d = self.base.identity.dimension
            matrices = torch.zeros(len(slotted), d, d, dtype=torch.float64)
            for slot, adapter in enumerate(slotted):
                if adapter is not None and adapter.matrix is not None:
                    matrices[slot] = torch.from_numpy(adapter.matrix).to(torch.float64)
        return Resident({d: slot for slot, d in enumerate(adapters, 1)}, slotted, stacks, matrices)

    def expert(self, adapter: Adapter | None) -> ExpertEncoder:
        """One expert as an encoder of its own; None is the base model as an expert."""
        return ExpertEncoder(self, None if adapter is None else self.add(adapter))

    def expert_at(self, folder: Path) -> ExpertEncoder:
        """The expert of an adapter's folder.

        Raises:
            EncoderError: the adapter is missing, damaged, or for another base.
        """
        return self.expert(read_adapter(folder))


@dataclass(frozen=True)
class ExpertEncoder:
    """One expert of a panel: documents by the base model, queries through the expert's adapter."""

    panel: PanelEncoder
    adapter: str | None

    @property
    def base(self) -> SentenceEncoder:
        """The encoder without any adapter, whose query vectors routers see."""
        return self.panel.base

    @property
    def general(self) -> ExpertEncoder:
        """The base model as an expert: what routers see, remembered for the expert that is the base itself."""
        return ExpertEncoder(self.panel, None)

    @property
    def identity(self) -> EncoderIdentity:
        """The base's: what an adapter changes is on the query's side only, so the index is shared."""
        return self.panel.base.identity

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries, float32 (n, d)."""
        if self.adapter is None:
            return self.panel.encode_base(texts)
        return self.panel.encode(texts, [self.adapter] * len(texts))

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Vectors of documents by the base model, float32 (n, d)."""
        return self.panel.base.encode_documents(texts)

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        """What encoding these queries would cut, without encoding them."""
        return self.panel.base.query_coverage(texts)


@lru_cache(maxsize=16)
def panel_of(base: SentenceEncoder) -> PanelEncoder:
    """The one panel of a base encoder in this process: adapters of all its collections share it."""
    return PanelEncoder(base)


def _mapped(vectors: Tensor, rows: Tensor, matrices: Tensor | None) -> Tensor:
    """The vector q + W q scaled back to the length of q, for the rows whose adapter is linear; vectors (b, d)."""
    import torch

    if matrices is None or not bool(rows.any()):
        return vectors
    moved = vectors + torch.bmm(matrices[rows], vectors.unsqueeze(2)).squeeze(2)
    scale = vectors.norm(dim=1, keepdim=True) / moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
    touched = (matrices[rows].abs().amax(dim=(1, 2)) > 0).unsqueeze(1)
    return torch.where(touched, moved * scale, vectors)
