"""One batch of texts through a model to finished vectors, by the model's own padded pass or by one without padding.

Without padding the tokens of all texts stand below each other in one matrix (t, d): everything in BERT but attention
treats tokens one by one, and attention runs over the texts of one length at a time. Padding costs nothing, and no text
sees how long its neighbours are (Zeng et al. 2022, "Boosting Distributed Training Performance of the Unpadded BERT
Model", arXiv:2208.08124, whose aim was speed alone).

The rows of the matrix are filled up to a multiple of `ROWS`: matrix products of MKL give a row the same bits wherever
it stands and however many rows there are, unless these are few or odd. `Unpadded.steady` tries that on this machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

FLOAT64, FLOAT32 = "float64", "float32"
PRECISIONS = (FLOAT64, FLOAT32)
BATCH_TOKENS = 4096
"""Tokens a forward pass may hold, padding included; on two cores larger batches are slower, on a GPU raise it."""
BATCH_TEXTS = 128
ROWS = 16


@dataclass(frozen=True)
class Tokens:
    """Token ids of one text, cut to the model's maximum, and how many were cut."""

    place: int
    ids: list[int]
    cut: int


class Pass(Protocol):
    """How a batch of texts becomes vectors.

    Attributes:
        model: the sentence-transformers model that runs; adapters are hung into its layers.
        padded: whether a batch costs its longest text for each of its texts.
    """

    model: Any
    padded: bool

    def __call__(self, batch: Sequence[Tokens]) -> Tensor:
        """Vectors (b, d) of a batch, longest text first."""

    def owners(self, batch: Sequence[Tokens]) -> Tensor:
        """Which text of the batch each row of activations belongs to, int64 (t,); rows beyond t belong to none."""


class Padded:
    """The model's own forward pass."""

    padded = True

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, batch: Sequence[Tokens]) -> Tensor:
        """Vectors (b, d)."""
        vectors: Tensor = self.model(self.features(batch))["sentence_embedding"]
        return vectors

    def features(self, batch: Sequence[Tokens]) -> dict[str, Any]:
        """A padded batch on the model's device, as the model takes it."""
        padded = self.model.tokenizer.pad({"input_ids": [t.ids for t in batch]}, return_tensors="pt")
        return {name: tensor.to(self.model.device) for name, tensor in padded.items()}

    def owners(self, batch: Sequence[Tokens]) -> Tensor:
        """Every text has as many rows as the longest."""
        import torch

        return torch.arange(len(batch)).repeat_interleave(max(len(t.ids) for t in batch))


class Unpadded:
    """BERT with mean or [CLS] pooling, without padding; `fits` tells whether a model is that."""

    padded = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self._bert = model[0].auto_model
        self._first = model[1].pooling_mode == "cls"
        self._unit = len(model) > 2

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether the model is a BERT encoder, its pooling and at most a normalisation."""
        parts = [type(part).__name__ for part in model]
        if parts not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            return False
        bert: Any = getattr(model[0], "auto_model", None)
        known = type(bert).__name__ == "BertModel" and not bert.config.is_decoder
        return known and model[1].pooling_mode in ("mean", "cls")

    def __call__(self, batch: Sequence[Tokens]) -> Tensor:
        """Vectors float64 (b, d): pooling and normalisation are computed in float64 in any precision of the model."""
        import torch

        lengths = [len(t.ids) for t in batch]
        x = embedded(self._bert, batch)
        for layer in self._bert.encoder.layer:
            x = unpadded_layer(layer, x, lengths)
        pooled = [
            texts[:, 0].double() if self._first else texts.double().mean(dim=1) for texts in by_length(x, lengths)
        ]
        vectors = torch.cat(pooled)
        return torch.nn.functional.normalize(vectors, dim=1) if self._unit else vectors

    def owners(self, batch: Sequence[Tokens]) -> Tensor:
        """Every text has as many rows as tokens."""
        import torch

        return torch.arange(len(batch)).repeat_interleave(torch.tensor([len(t.ids) for t in batch]))

    def steady(self) -> bool:
        """Whether made-up texts have the same vectors alone and in a batch, bit for bit as float32, on this machine."""
        import torch

        config = self._bert.config
        draw = torch.Generator().manual_seed(0)
        texts = [
            Tokens(0, torch.randint(config.vocab_size, (length,), generator=draw).tolist(), 0)
            for length in (45, 20, 7, 2)
            if length <= config.max_position_embeddings
        ]
        with torch.inference_mode():
            together = self([text for text in texts for _ in range(3)]).float()
            alone = torch.cat([self([text]) for text in texts]).float().repeat_interleave(3, dim=0)
        return torch.equal(together, alone)


def embedded(bert: Any, batch: Sequence[Tokens], types: Sequence[int] | None = None) -> Tensor:
    """Embeddings (t, d) of all tokens below each other; t is a multiple of ROWS.

    Args:
        bert: the transformers model.
        batch: texts or pairs.
        types: the segment of each token; the first for all by default.
    """
    import torch

    ids = [token for text in batch for token in text.ids]
    filling = [0] * (-len(ids) % ROWS)
    positions = [position for text in batch for position in range(len(text.ids))]
    columns = [ids, positions, types or [0] * len(ids)]
    rows = torch.tensor([[*column, *filling] for column in columns], device=bert.device)
    found: Tensor = bert.embeddings(input_ids=rows[:1], position_ids=rows[1:2], token_type_ids=rows[2:])
    return found[0]


def unpadded_layer(layer: Any, x: Tensor, lengths: Sequence[int]) -> Tensor:
    """One layer of BERT, (t, d) to (t, d); the modules are the model's own, so that adapters can hang in them."""
    own = layer.attention.self
    mixed = mixed_by_length(own.query(x), own.key(x), own.value(x), lengths, own.num_attention_heads)
    x = layer.attention.output(mixed, x)
    moved: Tensor = layer.output(layer.intermediate(x), x)
    return moved


def mixed_by_length(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], heads: int) -> Tensor:
    """What attention makes of values, (t, d), each text seeing itself; rows beyond the texts are 0.

    Args:
        query: (t, d), as are `key` and `value`.
        key: see `query`.
        value: see `query`.
        lengths: of the texts, in the order of their rows.
        heads: of attention.
    """
    import torch

    mixed = torch.zeros_like(value)
    for out, *parts in zip(*(by_length(part, lengths) for part in (mixed, query, key, value)), strict=True):
        q, k, v = (part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in parts)
        found = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        out.view(found.shape).copy_(found)
    return mixed


def by_length(x: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """Views (b, l, d) of the rows of x, one for each run of texts of the same length."""
    views, start, first = [], 0, 0
    for last in range(1, len(lengths) + 1):
        if last == len(lengths) or lengths[last] != lengths[first]:
            end = start + (last - first) * lengths[first]
            views.append(x[start:end].view(last - first, lengths[first], -1))
            start, first = end, last
    return views


def query_pass(model: Any, precision: str) -> Pass:
    """The pass of queries: one that gives a text the same float32 vector alone and in any batch.

    In float64 rounding takes care of that. In float32 it takes a pass without padding on a machine where it is steady;
    any other model or machine gets float64.
    """
    if precision == FLOAT32 and Unpadded.fits(model) and str(model.dtype) == "torch.float32":
        weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        single = Unpadded(copy.deepcopy(model, weights))  # its own modules, for adapters to hang in, on shared weights
        if single.steady():
            return single
    double = copy.deepcopy(model).double().eval()
    return Unpadded(double) if Unpadded.fits(double) else Padded(double)


def batches(tokens: Sequence[Tokens], *, padded: bool = True, most: int = BATCH_TOKENS) -> Iterator[list[Tokens]]:
    """Batches of similar length, longest first, each within a budget of `most` tokens."""
    batch: list[Tokens] = []
    held = 0
    for item in sorted(tokens, key=lambda t: (-len(t.ids), t.place)):
        cost = len(batch[0].ids) if batch and padded else len(item.ids)
        if batch and (len(batch) == BATCH_TEXTS or held + cost > most):
            yield batch
            batch, held, cost = [], 0, len(item.ids)
        batch.append(item)
        held += cost
    if batch:
        yield batch
