"""Texts to one vector for each token: what late interaction compares (Khattab, Zaharia; ColBERT, SIGIR 2020).

A transformer's last layer, the linear projections that a model puts behind it, and unit length. Vectors of padding
never leave this module: texts of different length lie below each other in one matrix, with offsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from periti.encoders.cross import weights_digest
from periti.encoders.passes import batches
from periti.encoders.token_texts import TokenSettings, TokenText, TokenTexts
from periti.errors import EncoderError
from periti.protocols import Vectors

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
"""Functions of torch.nn that a projection may end in."""


@dataclass(frozen=True)
class TokenVectors:
    """Vectors of the tokens of n texts.

    Attributes:
        values: float32 (t, d), the tokens of all texts below each other.
        offsets: int64 (n + 1,), ascending from 0; text i has the rows offsets[i] to offsets[i + 1].
    """

    values: Vectors
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[Vectors], dimension: int) -> TokenVectors:
        """Matrices (tokens, d) of single texts, joined."""
        offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
        values = np.concatenate([np.empty((0, dimension), np.float32), *texts])
        return cls(values, offsets)

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Vectors:
        """Vectors of one text, float32 (tokens, d)."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: NDArray[np.int64]) -> TokenVectors:
        """These texts, in the order asked."""
        return TokenVectors.of([self[row] for row in rows.tolist()], self.values.shape[1])


@dataclass(frozen=True)
class EncodedTokens:
    """Token vectors of some texts.

    Attributes:
        places: int64 (n,), which of the texts asked for each one is.
        vectors: of these n texts.
        cut: int64 (n,), tokens of each that were left out because it is too long.
    """

    places: NDArray[np.int64]
    vectors: TokenVectors
    cut: NDArray[np.int64]


@dataclass(frozen=True)
class Projection:
    """A linear layer on token vectors: activation(x Wᵀ + b), plus x or x Rᵀ where the layer is residual.

    Attributes:
        weight: W, float32 (out, in).
        bias: b, float32 (out,), or None.
        activation: one of ACTIVATIONS.
        residual: whether its input is added.
        shortcut: R, float32 (out, in), or None where the input is added as it is.
    """

    weight: Vectors
    bias: Vectors | None = None
    activation: str = "Identity"
    residual: bool = False
    shortcut: Vectors | None = None


@dataclass(frozen=True)
class TokenParts:
    """What a token encoder is made of (`periti.encoders.token_models` takes it out of a model)."""

    transformer: Any
    tokenizer: Any
    projections: tuple[Projection, ...]
    name: str
    settings: TokenSettings


class TokenEncoder:
    """Texts to token vectors of unit length, in float32; the vectors of a text do not depend on others (to 1e-5).

    Raises:
        EncoderError: a budget leaves no room for a token of text, or the projections do not fit.
    """

    def __init__(self, parts: TokenParts) -> None:
        self.name, self.settings, self._parts = parts.name, parts.settings, parts
        self._model, self._texts = parts.transformer.eval(), TokenTexts(parts.tokenizer, parts.settings, parts.name)
        self.dimension = self._checked_dimension()

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What the vectors depend on."""
        import hashlib

        seen = hashlib.sha256(weights_digest(self._model).encode())
        for layer in self._parts.projections:
            seen.update(f"{layer.activation}{layer.residual}".encode())
            for array in (layer.weight, layer.bias, layer.shortcut):
                seen.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        settings = {key: list(own) if isinstance(own, tuple) else own for key, own in asdict(self.settings).items()}
        return {"model": self.name, "weights_sha256": seen.hexdigest(), "dimension": self.dimension, **settings}

    def encode_queries(self, texts: Sequence[str]) -> EncodedTokens:
        """Token vectors of queries, in the order given; raises EncoderError if a vector is not finite."""
        return self._joined(self._batches(self._texts(texts, query=True)), len(texts))

    def encode_documents(self, texts: Sequence[str]) -> EncodedTokens:
        """Token vectors of documents, in the order given; raises EncoderError if a vector is not finite."""
        return self._joined(self.document_batches(texts), len(texts))

    def document_batches(self, texts: Sequence[str]) -> Iterator[EncodedTokens]:
        """Token vectors of documents batch by batch, longest first: no more than one batch is held.

        Raises:
            EncoderError: a vector is not finite.
        """
        return self._batches(self._texts(texts, query=False))

    def _joined(self, parts: Iterator[EncodedTokens], n: int) -> EncodedTokens:
        found: list[Vectors] = [np.empty((0, self.dimension), np.float32)] * n
        cut = np.zeros(n, np.int64)
        for part in parts:
            cut[part.places] = part.cut
            for row, place in enumerate(part.places.tolist()):
                found[place] = part.vectors[row]
        return EncodedTokens(np.arange(n), TokenVectors.of(found, self.dimension), cut)

    def _batches(self, texts: Sequence[TokenText]) -> Iterator[EncodedTokens]:
        for batch in batches(texts):
            own = cast("list[TokenText]", batch)
            vectors = self._forward(own)
            kept = [vectors[row, : len(text.ids)][list(text.kept)] for row, text in enumerate(own)]
            yield EncodedTokens(
                np.array([text.place for text in own], np.int64),
                TokenVectors.of(kept, self.dimension),
                np.array([text.cut for text in own], np.int64),
            )

    def _forward(self, batch: Sequence[TokenText]) -> Vectors:
        """Vectors float32 (b, longest, d) of unit length; those of padding mean nothing."""
        import torch

        width = max(len(text.ids) for text in batch)
        pad = self._parts.tokenizer.pad_token_id or 0
        ids, mask = np.full((len(batch), width), pad, np.int64), np.zeros((len(batch), width), np.int64)
        for row, text in enumerate(batch):
            ids[row, : len(text.ids)], mask[row, : text.seen] = text.ids, 1
        with torch.inference_mode():
            given = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            x = self._model(**{key: tensor.to(self._model.device) for key, tensor in given.items()}).last_hidden_state
            for layer in self._parts.projections:
                x = _projected(x, layer)
            vectors: Vectors = torch.nn.functional.normalize(x, dim=-1).to("cpu", torch.float32).numpy()
        if not all(np.isfinite(vectors[row, : len(text.ids)]).all() for row, text in enumerate(batch)):
            raise EncoderError(
                f"token encoder {self.name!r} gave vectors that are not finite; its weights are damaged, restore them"
            )
        return vectors

    def _checked_dimension(self) -> int:
        size = int(self._model.config.hidden_size)
        for number, layer in enumerate(self._parts.projections, 1):
            if layer.weight.ndim != 2 or layer.weight.shape[1] != size:
                raise EncoderError(
                    f"token encoder {self.name!r}: projection {number} has a matrix {layer.weight.shape} and gets "
                    f"vectors of {size}; the model's files do not belong together"
                )
            size = int(layer.weight.shape[0])
        return size


def _projected(x: Any, layer: Projection) -> Any:
    """One projection of a tensor (..., in) to (..., out)."""
    import torch

    weight, bias, shortcut = (
        None if array is None else torch.from_numpy(array).to(x) for array in (layer.weight, layer.bias, layer.shortcut)
    )
    y = getattr(torch.nn, layer.activation)()(torch.nn.functional.linear(x, cast("Any", weight), bias))
    if layer.residual:
        y = y + (x if shortcut is None else torch.nn.functional.linear(x, shortcut))
    return y
