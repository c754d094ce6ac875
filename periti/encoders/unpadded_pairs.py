"""Pairs through a BERT classifier without padding, and through its last layer for [CLS] alone.

The classifier reads the last state of [CLS] and no other; of that layer the other tokens need keys and values alone,
which saves an eighth of all products of a model of six layers. Logits are those of the padded model within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from periti.encoders.passes import Tokens, attended, by_length, embedded, unpadded_layer

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
    lengths = [len(pair.ids) for pair in batch]
    x = embedded(model.bert, batch, types)
    *layers, last = model.bert.encoder.layer
    for layer in layers:
        x = unpadded_layer(layer, x, lengths)
    logits: Tensor = model.classifier(model.bert.pooler(_first_states(last, x, lengths)[:, None]))
    return logits


def _first_states(layer: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """What one layer makes of the first token of each text, (t, d) to (b, d)."""
    import torch

    own = layer.attention.self
    first = x[[0, *accumulate(lengths[:-1])]]
    keys, values = (by_length(part(x), lengths) for part in (own.key, own.value))
    queries = own.query(first)[:, None].split([len(texts) for texts in keys])
    mixed = [
        attended(q, k, v, own.num_attention_heads).flatten(2)[:, 0]
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    first = layer.attention.output(torch.cat(mixed), first)
    states: Tensor = layer.output(layer.intermediate(first), first)
    return states
