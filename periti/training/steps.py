"""One optimiser step of a query-side expert, and its whole state as arrays.

InfoNCE over frozen document vectors: -sum_j t_j log softmax_j(q . d_j / tau), known positives that are not the target
masked (RouterRetriever, AAAI 2025, trains so with in-batch negatives only). Nothing here depends on what happened
before a step but weights, moments and the step's number, so a training resumes to the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import LINEAR, Adapter
from periti.encoders.lora import TrainableLora, linears
from periti.encoders.sentence import SentenceEncoder, Tokens, batches
from periti.errors import EncoderError
from periti.protocols import Vectors
from periti.training.pairs import Batch
from periti.training.settings import TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, NDArray[Any]]


class Student:
    """A copy of the base encoder whose queries learn.

    Args:
        base: the frozen encoder; it is copied, never changed.
        options: method, rank, rates.
        seed: of the weights' start and of dropout.
    """

    def __init__(self, base: SentenceEncoder, options: TrainingOptions, seed: int) -> None:
        import torch

        self._base, self._options, self._seed = base, options, seed
        self._matrix: nn.Parameter | None = None
        self._layers: dict[str, TrainableLora] = {}
        if options.method == "linear":
            d = base.identity.dimension
            self._model = base.model
            self._matrix = torch.nn.Parameter(torch.zeros(d, d))
            self._known: dict[str, Tensor] = {}
        else:
            self._model = copy.deepcopy(base.model).requires_grad_(requires_grad=False)
            self._layers = self._hang()
        self._optimiser = torch.optim.AdamW(self._parameters().values(), lr=options.learning_rate, weight_decay=0.0)

    def step(self, batch: Batch, number: int) -> float:
        """Learn from a batch and return its loss.

        Raises:
            EncoderError: the loss is not finite.
        """
        import torch

        torch.manual_seed(self._seed * 1_000_003 + number)
        for group in self._optimiser.param_groups:
            group["lr"] = self._options.learning_rate * _rate(number, self._options)
        self._model.train(mode=self._options.dropout > 0 and bool(self._layers))
        vectors = self._vectors(batch.texts)
        scores = vectors @ torch.from_numpy(batch.candidates).T / self._options.temperature
        scores = scores.masked_fill(torch.from_numpy(batch.masked), -torch.inf)
        logs = torch.log_softmax(scores, dim=1).masked_fill(torch.from_numpy(batch.masked), 0.0)
        loss = -(torch.from_numpy(batch.target) * logs).sum(dim=1).mean()
        if not bool(torch.isfinite(loss)):
            raise EncoderError(
                f"training: the loss of step {number} is {float(loss.detach())}; lower the learning rate"
            )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters().values(), 1.0)
        self._optimiser.step()
        return float(loss.detach())

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries as they are now, float32 (n, d)."""
        import torch

        self._model.eval()
        with torch.no_grad():
            vectors: Vectors = self._vectors(texts).numpy()
        return vectors

    def state(self) -> State:
        """Weights and moments, everything that the next step depends on."""
        found: State = {}
        for name, parameter in self._parameters().items():
            found[f"weights/{name}"] = parameter.detach().numpy().copy()
            for key, value in self._optimiser.state.get(parameter, {}).items():
                found[f"{key}/{name}"] = value.detach().numpy().copy()
        return found

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the weights and moments of `state`."""
        import torch

        for name, parameter in self._parameters().items():
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(state[f"weights/{name}"]))
            moments = {
                key: torch.from_numpy(np.array(state[f"{key}/{name}"]))
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}/{name}" in state
            }
            if moments:
                self._optimiser.state[parameter] = moments

    def begin(self, start: Adapter) -> None:
        """Take the weights of an expert that is trained already, to specialise it.

        Raises:
            EncoderError: it is of another kind, rank, scale or base, or has other layers.
        """
        start.require_base(self._base.identity)
        held, wanted = start.tensors(), self._parameters()
        scale = 1.0 if self._matrix is not None else self._options.alpha / self._options.rank
        shapes = {name: tuple(parameter.shape) for name, parameter in wanted.items()}
        if {name: tensor.shape for name, tensor in held.items()} != shapes or start.scale != scale:
            raise EncoderError(
                f"training: expert {start.card.get('name', '?')!r} is {start.kind} of rank {start.rank} and scale "
                f"{start.scale:g}, and this training has method {self._options.method!r} with other layers, rank or "
                "scale; start from an expert that was trained with the same method, rank, alpha and targets"
            )
        self.load({f"weights/{name}": tensor for name, tensor in held.items()})

    def adapter(self, state: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> Adapter:
        """The expert with the weights of `state`."""
        base = self._base.identity
        tensors = {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}
        about = {"base_name": base.name, **card}
        return Adapter.of_tensors(
            tensors,
            kind=self._options.method,
            base=base.weights_sha256,
            scale=1.0 if self._matrix is not None else self._options.alpha / self._options.rank,
            **about,
        )

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of queries as training reads them."""
        prompt = self._base.identity.prompts[0]
        return self._base.tokenise([prompt + text for text in texts], self._options.max_length)

    def _hang(self) -> dict[str, TrainableLora]:
        import torch

        options, transformer = self._options, self._model[0].auto_model
        generator = torch.Generator().manual_seed(self._seed)
        layers = {}
        for name, linear in linears(transformer, options.targets).items():
            layers[name] = TrainableLora(linear, options.rank, options.alpha, options.dropout, generator)
            linear.register_forward_hook(layers[name])
        return layers

    def _parameters(self) -> dict[str, nn.Parameter]:
        """Every trainable parameter under the name of its tensor in an adapter's file."""
        if self._matrix is not None:
            return {LINEAR: self._matrix}
        named = {}
        for name, layer in self._layers.items():
            named[f"base_model.model.{name}.lora_A.weight"] = layer.down
            named[f"base_model.model.{name}.lora_B.weight"] = layer.up
        return named

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        """Vectors of length one, float32 (n, d), with gradients; micro-batches of similar length keep padding small."""
        import torch
        from torch.nn.functional import normalize

        if self._matrix is not None:
            plain = self._plain(texts)
            return normalize(plain + plain @ self._matrix.T, dim=1)
        tokens = self.tokens(texts)
        places: list[int] = []
        parts = []
        for batch in batches(tokens):
            parts.append(self._model(self._base.features(batch))["sentence_embedding"])
            places += [one.place for one in batch]
        return normalize(torch.cat(parts)[torch.argsort(torch.tensor(places))], dim=1)

    def _plain(self, texts: Sequence[str]) -> Tensor:
        """Base vectors, encoded once."""
        import torch
        from torch.nn.functional import normalize

        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            for text, vector in zip(fresh, self._base.encode_queries(fresh).vectors, strict=True):
                self._known[text] = torch.from_numpy(vector.copy())
        return normalize(torch.stack([self._known[text] for text in texts]), dim=1)


def _rate(step: int, options: TrainingOptions) -> float:
    """Share of the learning rate: linear up over the warm-up, then linear down to zero after the last step."""
    warm = max(1, round(options.warmup * options.steps))
    if step <= warm:
        return step / warm
    return max(0.0, (options.steps + 1 - step) / (options.steps + 1 - warm))
