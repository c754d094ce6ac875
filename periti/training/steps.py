"""One optimiser step of an expert, and its whole state as arrays.

InfoNCE: -sum_j t_j log softmax_j(q . d_j / tau), known positives that are not the target masked (RouterRetriever, AAAI
2025, trains so with in-batch negatives only). What learns is in two modules: `query_side`, where document vectors are
frozen, and `both_sides`, where documents learn too. Nothing here depends on what happened before a step but weights,
moments and the step's number, so a training resumes to the same weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from periti.encoders.lora import TrainableLora, linears
from periti.encoders.sentence import SentenceEncoder, Tokens, batches
from periti.protocols import Vectors
from periti.training.optimising import WEIGHTS, Optimised, State
from periti.training.pairs import Batch
from periti.training.settings import TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor, nn


class Student(Optimised, ABC):
    """What learns: parameters over a base encoder, and their optimiser.

    Args:
        base: the encoder that training begins from; it is never changed.
        model: the sentence-transformers model that encodes, which the parameters are of or are hung into.
        parameters: every trainable parameter by name.
        options: rates, batch, lengths.
        seed: of dropout.
    """

    def __init__(
        self,
        base: SentenceEncoder,
        model: Any,
        parameters: Mapping[str, nn.Parameter],
        options: TrainingOptions,
        seed: int,
    ) -> None:
        super().__init__(parameters, options, seed)
        self._base, self._model, self._options = base, model, options

    @abstractmethod
    def _scores(self, batch: Batch) -> Tensor:
        """Cosines of the batch's queries and candidates, float32 (b, c), with gradients."""

    @abstractmethod
    def _queries(self, texts: Sequence[str]) -> Tensor:
        """Vectors of queries of length one, float32 (n, d), with gradients."""

    @abstractmethod
    def _dropping(self, *, on: bool) -> None:
        """Turn dropout on or off."""

    def step(self, batch: Batch, number: int) -> float:
        """Learn from a batch and return its loss.

        Raises:
            EncoderError: the loss is not finite.
        """
        import torch

        self.begin_step(number)
        self._dropping(on=self._options.dropout > 0)
        scores = self._scores(batch) / self._options.temperature
        scores = scores.masked_fill(torch.from_numpy(batch.masked), -torch.inf)
        logs = torch.log_softmax(scores, dim=1).masked_fill(torch.from_numpy(batch.masked), 0.0)
        loss = -(torch.from_numpy(batch.target) * logs).sum(dim=1).mean()
        return self.descend(loss, number)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries as they are now, float32 (n, d)."""
        import torch

        self._dropping(on=False)
        with torch.no_grad():
            vectors: Vectors = self._queries(texts).numpy()
        return vectors

    def tokens(self, texts: Sequence[str], *, side: int = 0) -> list[Tokens]:
        """Tokens of queries (side 0) or documents (side 1) as training reads them."""
        prompt = self._base.identity.prompts[side]
        return self._base.tokenise([prompt + text for text in texts], self._options.max_length)

    def _vectors(self, tokens: Sequence[Tokens]) -> Tensor:
        """Vectors of length one, float32 (n, d), with gradients; micro-batches of similar length keep padding small."""
        import torch
        from torch.nn.functional import normalize

        places: list[int] = []
        parts = []
        for batch in batches(tokens):
            parts.append(self._model(self._base.features(batch))["sentence_embedding"])
            places += [one.place for one in batch]
        return normalize(torch.cat(parts)[torch.argsort(torch.tensor(places))], dim=1)


def hung(model: Any, options: TrainingOptions, seed: int) -> dict[str, TrainableLora]:
    """Trainable LoRA hooks on the model's target layers, by the layer's name in the transformer."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    layers = {}
    for name, linear in linears(model[0].auto_model, options.targets).items():
        layers[name] = TrainableLora(linear, options.rank, options.alpha, options.dropout, generator)
        linear.register_forward_hook(layers[name])
    return layers


def named(layers: Mapping[str, TrainableLora]) -> dict[str, nn.Parameter]:
    """The matrices of LoRA hooks under the names of their tensors in an adapter's file."""
    found = {}
    for name, layer in layers.items():
        found[f"base_model.model.{name}.lora_A.weight"] = layer.down
        found[f"base_model.model.{name}.lora_B.weight"] = layer.up
    return found


def dropping(model: Any, layers: Mapping[str, TrainableLora], *, on: bool) -> None:
    """Dropout on the input of LoRA's layers and nowhere else: the model around them is frozen as it answers."""
    model.eval()
    for name in layers:
        model[0].auto_model.get_submodule(name).train(mode=on)


__all__ = ["WEIGHTS", "State", "Student", "dropping", "hung", "named"]
