"""One base model, many experts: queries encoded in one batch, each with the adapter of its own expert.

Document vectors come from the base model and are shared by all experts, so adding or removing an expert touches no
index. A query has the same vector alone, in any batch and in any company of other experts, like the base's
(`periti.encoders.sentence`). A linear adapter moves the base's finished vector, so any number of them, and the router,
cost one forward pass a query.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import Adapter, read_adapter
from periti.encoders.lora import MixedLayer, Mixture, Running, fitting, stacked
from periti.encoders.passes import Tokens
from periti.encoders.sentence import Forward, SentenceEncoder, coverage
from periti.errors import EncoderError
from periti.protocols import Encoded, EncoderIdentity
from periti.types import Coverage

if TYPE_CHECKING:
    from torch import Tensor, nn

REMEMBERED = 1024
"""Base vectors of queries that a panel remembers: 3 MB at 384 dimensions."""


@dataclass(frozen=True)
class Resident:
    """Every adapter that is loaded: a snapshot that is replaced as a whole, so a running search is never disturbed."""

    slots: Mapping[str, int]
    adapters: tuple[Adapter | None, ...]
    stacks: Mapping[str, tuple[Tensor, Tensor]]
    matrices: Mapping[int, NDArray[np.float64]]
    """Those of the linear adapters by slot, float64 (d, d)."""


class PanelEncoder:
    """A base encoder with all its adapters resident.

    Adapters are known by their digest, so collections that share an expert share its weights.
    """

    def __init__(self, base: SentenceEncoder) -> None:
        self.base = base
        self._running = Running()
        self._lock = threading.Lock()
        self._layers: dict[str, nn.Linear] = {}
        self._resident = Resident({}, (None,), {}, {})
        self._held: Mapping[str, NDArray[np.float64]] = {}

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
        slots = [0 if a is None else resident.slots[a] for a in adapters]
        of_text = dict(zip(dict.fromkeys(texts), self.base.query_tokens(list(dict.fromkeys(texts))), strict=True))
        # What comes out of the model depends on the text and its LoRA; linear adapters share the base's.
        passes = [(text, 0 if slot in resident.matrices else slot) for text, slot in zip(texts, slots, strict=True)]
        of_pass = self._finished(list(dict.fromkeys(passes)), of_text, resident)
        vectors = np.empty((len(texts), self.base.identity.dimension), np.float64)
        for place, key in enumerate(passes):
            vectors[place] = of_pass[key]
        for slot, matrix in resident.matrices.items():
            if rows := [place for place, asked in enumerate(slots) if asked == slot]:
                vectors[rows] = _mapped(vectors[rows], matrix)
        return Encoded(self.base.checked(vectors, texts), coverage([of_text[text] for text in texts]))

    def encode_base(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries by the base, float32 (n, d)."""
        return self._encode_with(self._resident, texts, [None] * len(texts))

    def forget(self) -> None:
        """Drop the base vectors that are remembered; whoever measures wants that."""
        self._held = {}

    def _finished(
        self, wanted: Collection[tuple[str, int]], of_text: Mapping[str, Tokens], resident: Resident
    ) -> Mapping[tuple[str, int], NDArray[np.float64]]:
        """The model's vector of each text with the LoRA in a slot, 0 for none, float64 (d,).

        The base's vectors of the last calls are remembered: a router reads them, then the experts that are the base
        or linear, then whoever explains.
        """
        held = self._held
        found = {key: held[key[0]] for key in wanted if not key[1] and key[0] in held}
        fresh = [key for key in wanted if key not in found]
        vectors = self.base.finished(
            [of_text[text] for text, _ in fresh], self._forward([slot for _, slot in fresh], resident)
        )
        found.update(zip(fresh, vectors, strict=True))
        new = {text: vector.copy() for (text, slot), vector in zip(fresh, vectors, strict=True) if not slot}
        if new:
            self._held = dict(list({**held, **new}.items())[-REMEMBERED:])
        return found

    def _forward(self, slots: Sequence[int], resident: Resident) -> Forward:
        """A forward pass in which the text at place p uses slot slots[p]."""
        import torch

        forward = self.base.queries

        def mixed(batch: Sequence[Tokens]) -> Tensor:
            rows = torch.tensor([slots[text.place] for text in batch])[forward.owners(batch)]
            self._running.mixture = Mixture.of(rows.to(forward.model.device), resident.stacks)
            try:
                return forward(batch)
            finally:
                self._running.mixture = None

        return mixed

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
        transformer: nn.Module = self.base.queries.model[0].auto_model
        for name, linear in fitting(transformer, adapter).items():
            if name not in self._layers:
                linear.register_forward_hook(MixedLayer(name, self._running))
                self._layers[name] = linear

    def _snapshot(self, adapters: Mapping[str, Adapter]) -> Resident:
        """These adapters by digest, stacked; slot 0 is the base."""
        slotted = (None, *adapters.values())
        stacks = {}
        for name, layer in self._layers.items():
            stack = stacked(layer, [(*a.layers[name], a.scale) if a and name in a.layers else None for a in slotted])
            if stack is not None:
                stacks[name] = stack
        matrices = {
            slot: adapter.matrix.astype(np.float64)
            for slot, adapter in enumerate(slotted)
            if adapter is not None and adapter.matrix is not None
        }
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


def _mapped(vectors: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vectors q + W q scaled back to the length of q; vectors (n, d)."""
    moved = vectors + vectors @ matrix.T
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    mapped: NDArray[np.float64] = moved * (lengths / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12))
    return mapped
