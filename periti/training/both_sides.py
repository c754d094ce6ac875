"""An expert that learns on both sides: queries and documents go through the same weights, LoRA or all of the model's.

The softmax is over the documents of the batch, those drawn from the corpus and mined ones, all of them encoded anew in
every step with gradients (Karpukhin et al. 2020, Dense passage retrieval, §3.2, with negatives of the corpus beside
those of the batch). Such an expert moves documents too, so it needs an index of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from periti.encoders.lora import TrainableLora
from periti.encoders.sentence import SentenceEncoder
from periti.protocols import Vectors
from periti.training.pairs import Batch
from periti.training.settings import TrainingOptions
from periti.training.steps import WEIGHTS, Student, dropping, hung, named

if TYPE_CHECKING:
    from torch import Tensor


class BothSides(Student):
    """A copy of an encoder whose queries and documents learn.

    Args:
        base: where it starts; it is copied, never changed.
        options: method, rank, rates.
        seed: of LoRA's start and of dropout.
    """

    def __init__(self, base: SentenceEncoder, options: TrainingOptions, seed: int) -> None:
        full = options.method == "full"
        model = copy.deepcopy(base.model).requires_grad_(requires_grad=full)
        self._layers: dict[str, TrainableLora] = {} if full else hung(model, options, seed)
        parameters = dict(model.named_parameters()) if full else named(self._layers)
        super().__init__(base, model, parameters, options, seed)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of documents as an index by the present weights would hold them, float32 (n, d): not cut to train."""
        import torch

        self._dropping(on=False)
        prompt = self._base.identity.prompts[1]
        with torch.no_grad():
            vectors: Vectors = self._vectors(self._base.tokenise([prompt + text for text in texts])).numpy()
        return vectors

    def model(self, state: Mapping[str, NDArray[Any]]) -> Any:
        """A sentence-transformers model with the weights of `state`, LoRA merged: W + (alpha / r) B A."""
        import torch

        weights = {n.removeprefix(WEIGHTS): torch.from_numpy(v) for n, v in state.items() if n.startswith(WEIGHTS)}
        model = copy.deepcopy(self._base.model)
        with torch.no_grad():
            if not self._layers:
                for name, parameter in model.named_parameters():
                    parameter.copy_(weights[name])
            for name in self._layers:
                up, down = (weights[f"base_model.model.{name}.lora_{side}.weight"] for side in "BA")
                layer = model[0].auto_model.get_submodule(name)
                layer.weight += self._options.alpha / self._options.rank * (up @ down)
        return model.eval()

    def _scores(self, batch: Batch) -> Tensor:
        documents = self._vectors(self.tokens(batch.passages(), side=1))
        return self._queries(batch.texts) @ documents.T

    def _queries(self, texts: Sequence[str]) -> Tensor:
        return self._vectors(self.tokens(texts))

    def _dropping(self, *, on: bool) -> None:
        if self._layers:
            dropping(self._model, self._layers, on=on)
            return
        import torch

        for module in self._model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = self._options.dropout
        self._model.train(mode=on)
