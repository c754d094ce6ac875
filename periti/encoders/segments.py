"""A cross-encoder that starts from what a text encoder knows: similarity of the two segments of one sequence.

A classifier on [CLS] begins with a random head and needs very many pairs before it ranks at all. Here query and
document are read together, as by any cross-encoder, and the logit is

    scale * cos(mean of the query's token states, mean of the document's) + w . state of [CLS] + b

with w and b zero at first. An encoder that was trained for similarity of texts thus ranks from the first step on, and
training goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from periti.encoders.adapters import read_arrays, write_arrays
from periti.encoders.cross import SEGMENTS_FILE as FILE
from periti.errors import EncoderError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SCALE = 20.0
"""Cosines are small beside logits; 1 / 0.05, the temperature that such encoders are trained with."""
HEAD = ("scale", "weight", "bias")
_LEAST = 1e-6


class Logits(NamedTuple):
    """What a classifier of transformers returns, as far as it is used: logits (b, 1)."""

    logits: Tensor


def segment_cross_encoder(encoder: Any, folder: Path | None = None) -> Any:
    """An encoder under a head that compares segments; stands where a sequence classifier of one label does.

    Args:
        encoder: the transformers model, e.g. BERT; its config is told that there is one label.
        folder: whose head it gets; a new one by default.

    Raises:
        EncoderError: the folder's head can not be read or is of another size.
    """
    found = segments_kind()(encoder)
    if folder is not None:
        load_head(found, read_arrays(folder / FILE)[0], HEAD, folder / FILE)
    return found


@cache
def headed() -> Any:
    """The class of modules that are where, and of the type that, the weight of their head is."""
    from torch import nn

    class Headed(nn.Module):
        """`device` and `dtype` are as transformers has them."""

        weight: nn.Parameter

        @property
        def device(self) -> torch.device:
            return self.weight.device

        @property
        def dtype(self) -> torch.dtype:
            return self.weight.dtype

    return Headed


@cache
def segments_kind() -> Any:
    """The class, defined when torch is wanted: importing this module loads nothing."""
    import torch
    from torch import nn

    class SegmentCrossEncoder(headed()):  # type: ignore[misc]  # its kind is made when torch is wanted, too
        """See the module; `config` and `save_pretrained` are as transformers has them."""

        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.encoder = encoder
            self.config = encoder.config
            self.config.num_labels = 1
            self.scale = nn.Parameter(torch.tensor([SCALE]))
            self.weight = nn.Parameter(torch.zeros(1, encoder.config.hidden_size))
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Logits:
            """Logits of pairs of one length, float32; all arguments are int64 (b, n)."""
            # The encoder never saw a second segment type: the head alone is told which tokens are the document's.
            types = torch.zeros_like(token_type_ids)
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=types)[0]
            with torch.autocast(states.device.type, enabled=False):
                whole = states.to(self.dtype)
                query, document = (mean_of(whole, attention_mask * (token_type_ids == side)) for side in (0, 1))
                likeness = nn.functional.cosine_similarity(query, document)[:, None]
                return Logits(self.scale * likeness + nn.functional.linear(whole[:, 0], self.weight, self.bias))

        def save_pretrained(self, folder: Path, **options: Any) -> None:
            self.encoder.save_pretrained(folder, **options)
            write_arrays(Path(folder) / FILE, {name: getattr(self, name).detach().cpu().numpy() for name in HEAD}, {})

    return SegmentCrossEncoder


def load_head(model: Any, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], where: object) -> None:
    """Let a model's parameters of these names be the arrays; raises EncoderError if one is absent or misshapen."""
    import torch

    for name in names:
        own = getattr(model, name)
        if name not in arrays or arrays[name].shape != tuple(own.shape):
            raise EncoderError(f"{where} does not fit this encoder ({name}); train it again")
        with torch.no_grad():
            own.copy_(torch.from_numpy(arrays[name].copy()))


def mean_of(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of the marked states, (b, d)."""
    share = mask.to(states.dtype)[..., None]
    return (states * share).sum(dim=1) / share.sum(dim=1).clamp(min=_LEAST)
