"""A query-side expert while it learns: LoRA inside the model or one matrix on its output; documents stay frozen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from periti.encoders.adapters import LINEAR, Adapter
from periti.encoders.sentence import SentenceEncoder
from periti.errors import EncoderError
from periti.training.pairs import Batch
from periti.training.settings import TrainingOptions
from periti.training.steps import WEIGHTS, Student, dropping, hung, named

if TYPE_CHECKING:
    from torch import Tensor, nn


class QuerySide(Student):
    """A base encoder whose queries learn.

    Args:
        base: the frozen encoder; it is copied, never changed.
        options: method, rank, rates.
        seed: of the weights' start and of dropout.
    """

    def __init__(self, base: SentenceEncoder, options: TrainingOptions, seed: int) -> None:
        import torch

        self._matrix: nn.Parameter | None = None
        self._known: dict[str, Tensor] = {}
        if options.method == "linear":
            d = base.identity.dimension
            self._matrix = torch.nn.Parameter(torch.zeros(d, d))
            self._layers = {}
            super().__init__(base, base.model, {LINEAR: self._matrix}, options, seed)
        else:
            model = copy.deepcopy(base.model).requires_grad_(requires_grad=False)
            self._layers = hung(model, options, seed)
            super().__init__(base, model, named(self._layers), options, seed)

    @property
    def _scale(self) -> float:
        return 1.0 if self._matrix is not None else self._options.alpha / self._options.rank

    def begin(self, start: Adapter) -> None:
        """Take the weights of an expert that is trained already, to specialise it.

        Raises:
            EncoderError: it is of another kind, rank, scale or base, or has other layers.
        """
        start.require_base(self._base.identity)
        held = start.tensors()
        shapes = {name: tuple(parameter.shape) for name, parameter in self._parameters.items()}
        if {name: tensor.shape for name, tensor in held.items()} != shapes or start.scale != self._scale:
            raise EncoderError(
                f"training: expert {start.card.get('name', '?')!r} is {start.kind} of rank {start.rank} and scale "
                f"{start.scale:g}, and this training has method {self._options.method!r} with other layers, rank or "
                "scale; start from an expert that was trained with the same method, rank, alpha and targets"
            )
        self.load({f"{WEIGHTS}{name}": tensor for name, tensor in held.items()})

    def adapter(self, state: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> Adapter:
        """The expert with the weights of `state`."""
        base = self._base.identity
        tensors = {name.removeprefix(WEIGHTS): value for name, value in state.items() if name.startswith(WEIGHTS)}
        about = {"base_name": base.name, **card}
        return Adapter.of_tensors(
            tensors, kind=self._options.method, base=base.weights_sha256, scale=self._scale, **about
        )

    def _scores(self, batch: Batch) -> Tensor:
        import torch

        return self._queries(batch.texts) @ torch.from_numpy(batch.candidates).T

    def _dropping(self, *, on: bool) -> None:
        dropping(self._model, self._layers, on=on)

    def _queries(self, texts: Sequence[str]) -> Tensor:
        from torch.nn.functional import normalize

        if self._matrix is None:
            return self._vectors(self.tokens(texts))
        plain = self._plain(texts)
        return normalize(plain + plain @ self._matrix.T, dim=1)

    def _plain(self, texts: Sequence[str]) -> Tensor:
        """Base vectors, encoded once."""
        import torch
        from torch.nn.functional import normalize

        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            for text, vector in zip(fresh, self._base.encode_queries(fresh).vectors, strict=True):
                self._known[text] = torch.from_numpy(vector.copy())
        return normalize(torch.stack([self._known[text] for text in texts]), dim=1)
