"""Pairs through a BERT classifier without padding, and through its last layer for [CLS] alone.

The classifier reads the last state of [CLS] and no other, so that of that layer the other tokens are looked at once
and nothing is computed of them, which saves nearly a sixth of all products of a model of six layers. Logits are those
of the padded model within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from periti.encoders.passes import Tokens, by_length, embedded, mixed_by_length, unpadded_layer

if TYPE_CHECKING:
    from torch import Tensor


def fits(model: Any) -> bool:
    """Whether a model can be read so: a BERT classifier, on a processor (a GPU would wait for many small calls)."""
    known = type(model).__name__ == "BertForSequenceClassification" and not model.config.is_decoder
    return known and model.device.type == "cpu"


def unpadded_logits(model: Any, batch: Sequence[Tokens], types: Sequence[int] | None) -> Tensor:
    """Logits (b, labels) of pairs of any lengths, without dropout.

    Args:
        model: a transformers model that `fits`.
        batch: b pairs; neighbours of equal length share a call of attention.
        types: the segment of each token of all pairs, below each other; None for a model without segments.
    """
    import torch

    lengths = [len(pair.ids) for pair in batch]
    x = embedded(model.bert, batch, types)
    *layers, last = model.bert.encoder.layer
    if torch.is_autocast_enabled("cpu"):  # the model's own modules keep residuals in float32
        for layer in layers:
            x = unpadded_layer(layer, x, lengths)
    else:
        room = x.new_empty(len(x), last.intermediate.dense.out_features)
        for layer in layers:
            x = _layer(layer, x, lengths, room)
    logits: Tensor = model.classifier(model.bert.pooler(_first_states(last, x, lengths)[:, None]))
    return logits


def _layer(layer: Any, x: Tensor, lengths: Sequence[int], room: Tensor) -> Tensor:
    """One layer, (t, d) to (t, d), as `unpadded_layer` has it, with fewer walks through memory.

    `room` (t, wide) is written over: the widest states of every layer stand there, since a fresh matrix of megabytes
    for each would cost its page faults.

    A bias of keys adds the same to all scores of a query, which softmax does not see. One of values goes through the
    weighted mean unchanged, and is added with the bias that follows. Residuals are what products are added to.
    """
    own, out = layer.attention.self, layer.attention.output
    parts = (own.query(x), x @ own.key.weight.T, x @ own.value.weight.T)
    mixed = mixed_by_length(*parts, lengths, own.num_attention_heads)
    bias = out.dense.bias + out.dense.weight @ own.value.bias
    x = out.LayerNorm((x + bias).addmm_(mixed, out.dense.weight.T))
    residual = x + layer.output.dense.bias
    wide = _widened(layer.intermediate, x, room)
    moved: Tensor = layer.output.LayerNorm(residual.addmm_(wide, layer.output.dense.weight.T))
    return moved


def _widened(part: Any, x: Tensor, room: Tensor) -> Tensor:
    """The widest states of a layer, (t, wide), made in `room`."""
    import torch

    torch.addmm(part.dense.bias, x, part.dense.weight.T, out=room)
    activation = part.intermediate_act_fn
    if getattr(activation, "act", None) is torch.nn.functional.gelu:
        widened: Tensor = torch.ops.aten.gelu_(room)
    else:
        widened = activation(room)
    return widened


def _first_states(layer: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """What one layer makes of the first token of each text, (t, d) to (b, d).

    Keys and values are not computed token by token. A head's score q . (K x + k) is (K'q) . x plus a constant, which
    softmax does not see; and its weighted mean of V x + v is V (weighted mean of x) + v. So each head's query looks at
    the states themselves, and K and V turn one vector a head and text.
    """
    import torch

    own = layer.attention.self
    heads = own.num_attention_heads
    first = x[[0, *accumulate(lengths[:-1])]]
    keys, values = (part.weight.view(heads, -1, part.in_features) for part in (own.key, own.value))
    asked = torch.einsum("bhe,hed->bhd", own.query(first).view(len(first), heads, -1), keys)
    texts = by_length(x, lengths)
    shares = torch.split(asked, [*map(len, texts)])
    heard = [_mean_seen(q, some, keys.shape[1]) for q, some in zip(shares, texts, strict=True)]
    mixed = torch.einsum("bhd,hed->bhe", torch.cat(heard), values).flatten(1) + own.value.bias
    first = layer.attention.output(mixed, first)
    states: Tensor = layer.output(layer.intermediate(first), first)
    return states


def _mean_seen(asked: Tensor, x: Tensor, wide: int) -> Tensor:
    """States (b, l, d) as each head sees them, (b, heads, d): weighted by softmax of asked . x / sqrt(wide)."""
    import torch

    q, states = asked[:, None], x[:, None]  # heads stand where attention has tokens that ask
    return torch.nn.functional.scaled_dot_product_attention(q, states, states, scale=wide**-0.5)[:, 0]
