"""Low-rank adapters inside a model: for one batch of many experts, and for training one.

A `MixedLinear` stands in the place of a linear layer that some adapter touches and adds each row's low-rank product.
Outside a mixture it computes exactly what the layer computed before, so the base model's vectors stay bit for bit the
same. All adapters stay resident as two stacked tensors a layer; a batch gathers its rows' matrices and multiplies once,
whatever the mixture of experts (as S-LoRA and Punica do for language models).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from periti.encoders.adapters import Adapter, Matrix
from periti.errors import EncoderError

TARGETS = ("query", "value")
"""Layers that LoRA touches by default, by the last part of their name (PEFT's default for BERT)."""


Stack = tuple[Tensor, Tensor]
"""The matrices of one layer for all slots: down (slots, r, in) and up (slots, out, r), the latter scaled."""


@dataclass(frozen=True)
class Mixture:
    """Which adapter each row of a forward pass uses, int64 (b,), and the stacks of every layer; slot 0 adds nothing."""

    rows: Tensor
    stacks: Mapping[str, Stack]


class Running(threading.local):
    """The mixture of the forward pass that runs in this thread; None is the base model. All layers share one object."""

    mixture: Mixture | None = None


class MixedLinear(nn.Module):
    """A linear layer that adds B[s] A[s] x for the slot s of each row of the running mixture."""

    def __init__(self, linear: nn.Linear, name: str, running: Running) -> None:
        super().__init__()
        self.linear, self._name, self._running = linear, name, running

    def forward(self, x: Tensor) -> Tensor:
        """The layer's product of x (b, s, in), with each row's own adapter added, (b, s, out)."""
        plain: Tensor = self.linear(x)
        mixture = self._running.mixture
        stack = mixture.stacks.get(self._name) if mixture else None
        if mixture is None or stack is None:
            return plain
        down, up = stack
        inner = torch.bmm(x, down[mixture.rows].transpose(1, 2))
        return torch.baddbmm(plain, inner, up[mixture.rows].transpose(1, 2))


def stacked(layer: MixedLinear, pairs: Sequence[tuple[Matrix, Matrix, float] | None]) -> Stack | None:
    """The stack of one layer, of the matrices (A, B, scale) of every slot; None where no adapter touches the layer."""
    rank = max((pair[0].shape[0] for pair in pairs if pair), default=0)
    if not rank:
        return None
    weight = layer.linear.weight
    kind: dict[str, Any] = {"dtype": weight.dtype, "device": weight.device}
    down = torch.zeros(len(pairs), rank, layer.linear.in_features, **kind)
    up = torch.zeros(len(pairs), layer.linear.out_features, rank, **kind)
    for slot, pair in enumerate(pairs):
        if pair is not None:
            a, b, scale = pair
            down[slot, : a.shape[0]] = torch.from_numpy(a).to(down)
            up[slot, :, : b.shape[1]] = torch.from_numpy(b).to(up) * scale
    return down, up


class TrainableLora(nn.Module):
    """A frozen linear layer with one trainable low-rank product; B starts at zero, so training starts at the base."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.linear, self.scale, self.dropout = linear, alpha / rank, nn.Dropout(dropout)
        bound = linear.in_features**-0.5
        start = torch.empty(rank, linear.in_features).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(start)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """W x + (alpha / r) B A x."""
        plain: Tensor = self.linear(x)
        added: Tensor = (self.dropout(x) @ self.down.T) @ self.up.T
        return plain + self.scale * added


def linears(transformer: nn.Module, targets: Sequence[str] = TARGETS) -> dict[str, nn.Linear]:
    """The linear layers whose last name is among the targets, by full name.

    Raises:
        EncoderError: the model has none.
    """
    found = {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets
    }
    if not found:
        raise EncoderError(f"this model has no linear layers named {', '.join(targets)}; name its own as LoRA targets")
    return found


def replace_layer(transformer: nn.Module, name: str, layer: nn.Module) -> None:
    """Put another layer in the place of the one with that full name."""
    parent, _, last = name.rpartition(".")
    setattr(transformer.get_submodule(parent), last, layer)


def fitting(transformer: nn.Module, adapter: Adapter) -> dict[str, nn.Linear]:
    """The layers that an adapter is for, by full name, where they are not mixed ones yet.

    Raises:
        EncoderError: a layer is missing, is not linear, or has another shape than the adapter's matrices.
    """
    found = {}
    who = f"adapter {adapter.card.get('name', '?')!r}"
    for name, (a, b) in adapter.layers.items():
        try:
            module = transformer.get_submodule(name)
        except AttributeError as error:
            raise EncoderError(
                f"{who}: the base model has no layer {name!r}; it was trained for another base"
            ) from error
        linear = module.linear if isinstance(module, MixedLinear) else module
        if not isinstance(linear, nn.Linear) or (a.shape[1], b.shape[0]) != (linear.in_features, linear.out_features):
            raise EncoderError(
                f"{who}: its matrices for {name!r} map {a.shape[1]} to {b.shape[0]} dimensions, which does not fit the "
                "base's layer; it was trained for another base"
            )
        if module is linear:
            found[name] = linear
    return found
