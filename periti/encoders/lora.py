"""Low-rank adapters inside a model: for one batch of many experts, and for training one.

Both are forward hooks on the model's own linear layers, so the model itself is never altered: outside a mixture a layer
gives exactly what it gave before, bit for bit. All adapters stay resident as two stacked tensors a layer; a batch goes
through the model once, whatever the mixture of experts, and each adapter multiplies the rows that are its own (as
S-LoRA and Punica do for language models).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from periti.encoders.adapters import Adapter, Matrix
from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

TARGETS = ("query", "value")
"""Layers that LoRA touches by default, by the last part of their name (PEFT's default for BERT)."""


@dataclass(frozen=True)
class Mixture:
    """Which rows of the activations each adapter works on, slot -> int64 (t,), and the stacks of every layer."""

    rows: Mapping[int, Tensor]
    """Rows that no slot names are the base model's."""
    stacks: Mapping[str, tuple[Tensor, Tensor]]
    """Layer -> down (slots, r, in) and up (slots, out, r), float64, the latter scaled."""

    @classmethod
    def of(cls, slots: Tensor, stacks: Mapping[str, tuple[Tensor, Tensor]]) -> Self | None:
        """The mixture in which row i uses slot slots[i], 0 being the base model; None if it is all base."""
        asked = sorted(set(slots.tolist()) - {0})
        return cls({slot: (slots == slot).nonzero()[:, 0] for slot in asked}, stacks) if asked else None


class Running(threading.local):
    """The mixture of the forward pass that runs in this thread; None is the base model. All layers share one object."""

    mixture: Mixture | None = None


@dataclass(frozen=True)
class MixedLayer:
    """A hook that adds B[s] A[s] x to a linear layer's output, for the slot s of each row of the running mixture.

    The product is computed in float64 whatever the layer's precision, so a row's does not depend on how many other rows
    an adapter has in the batch, nor on the ranks of other adapters.
    """

    name: str
    running: Running

    def __call__(self, layer: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG002  (torch's signature)
        """Add to the output (..., out) in place, each row its own adapter's product."""
        mixture = self.running.mixture
        stack = mixture.stacks.get(self.name) if mixture else None
        if mixture is None or stack is None:
            return
        down, up = stack
        given, found = inputs[0].flatten(0, -2), output.flatten(0, -2)
        for slot, rows in mixture.rows.items():
            added = given[rows].double() @ down[slot].T @ up[slot].T
            found.index_add_(0, rows, added.to(found.dtype))


class TrainableLora:
    """A hook that adds one trainable low-rank product to a frozen layer; B starts at zero, so training starts there."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, dropout: float, generator: Generator) -> None:
        import torch

        bound = layer.in_features**-0.5
        start = torch.empty(rank, layer.in_features).uniform_(-bound, bound, generator=generator)
        self.down = torch.nn.Parameter(start)
        self.up = torch.nn.Parameter(torch.zeros(layer.out_features, rank))
        self._scale, self._dropout = alpha / rank, dropout

    def __call__(self, layer: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """W x + (alpha / r) B A x."""
        from torch.nn.functional import dropout

        given = dropout(inputs[0], self._dropout, training=layer.training)
        return output + self._scale * ((given @ self.down.T) @ self.up.T)


def stacked(layer: nn.Linear, pairs: Sequence[tuple[Matrix, Matrix, float] | None]) -> tuple[Tensor, Tensor] | None:
    """The stack of one layer, of the matrices (A, B, scale) of every slot; None where no adapter touches the layer."""
    import torch

    rank = max((pair[0].shape[0] for pair in pairs if pair), default=0)
    if not rank:
        return None
    kind: dict[str, Any] = {"dtype": torch.float64, "device": layer.weight.device}
    down = torch.zeros(len(pairs), rank, layer.in_features, **kind)
    up = torch.zeros(len(pairs), layer.out_features, rank, **kind)
    for slot, pair in enumerate(pairs):
        if pair is not None:
            a, b, scale = pair
            down[slot, : a.shape[0]] = torch.from_numpy(a).to(down)
            up[slot, :, : b.shape[1]] = torch.from_numpy(b).to(up) * scale
    return down, up


def linears(transformer: nn.Module, targets: Sequence[str] = TARGETS) -> dict[str, nn.Linear]:
    """The linear layers whose last name is among the targets, by full name.

    Raises:
        EncoderError: the model has none.
    """
    import torch

    found = {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in targets
    }
    if not found:
        raise EncoderError(f"this model has no linear layers named {', '.join(targets)}; name its own as LoRA targets")
    return found


def fitting(transformer: nn.Module, adapter: Adapter) -> dict[str, nn.Linear]:
    """The layers that an adapter is for, by full name.

    Raises:
        EncoderError: a layer is missing, is not linear, or has another shape than the adapter's matrices.
    """
    import torch

    found = {}
    who = f"adapter {adapter.card.get('name', '?')!r}"
    for name, (a, b) in adapter.layers.items():
        try:
            module = transformer.get_submodule(name)
        except AttributeError as error:
            raise EncoderError(
                f"{who}: the base model has no layer {name!r}; it was trained for another base"
            ) from error
        fits = isinstance(module, torch.nn.Linear) and (a.shape[1], b.shape[0]) == (
            module.in_features,
            module.out_features,
        )
        if not fits or not isinstance(module, torch.nn.Linear):
            raise EncoderError(
                f"{who}: its matrices for {name!r} map {a.shape[1]} to {b.shape[0]} dimensions, which does not fit the "
                "base's layer; it was trained for another base"
            )
        found[name] = module
    return found
