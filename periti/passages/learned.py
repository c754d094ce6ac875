"""A learned aggregation over the passages of a query and of a document (BERT-PLI).

A pair is a matrix of interactions: for each passage of the query and each of the document a vector, such as the [CLS]
of a cross-encoder, or a single score. The maximum over the document's passages tells how well each passage of the query
is met; a recurrent network reads these in order, attention weighs what it says, a linear layer makes one logit.

Source: Shao et al., IJCAI 2020 (BERT-PLI), section 3.3; the query of attention is the maximum of the hidden states, as
there. Different from the published code: padding takes no part in the maxima, the recurrence or the attention, where
rows of zeros did; and the two classes of its softmax are one logit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, EncoderError, FormatError, InputError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LearnedConfig:
    """Sizes and training; the defaults are those of BERT-PLI.

    Attributes:
        hidden: width of the recurrent network.
        learning_rate: of Adam.
        weight_decay: of Adam.
        batch: pairs of a step.
        epochs: passes over the pairs.
        positive_weight: weight of a relevant pair over another, for as many fewer as there are.
    """

    hidden: int = 256
    learning_rate: float = 1e-4
    weight_decay: float = 1e-6
    batch: int = 64
    epochs: int = 60
    positive_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("hidden", "batch", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"learned aggregation: {name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "positive_weight"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"learned aggregation: {name} is {getattr(self, name)}; it must be above 0")


class LearnedAggregation:
    """Interactions of pairs to logits.

    Args:
        width: numbers of one interaction.
        config: sizes and training.
        seed: draws the first weights.
    """

    def __init__(self, width: int, config: LearnedConfig | None = None, *, seed: int = 0) -> None:
        import torch

        self.width, self.config = width, config or LearnedConfig()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            size = self.config.hidden
            self._net = torch.nn.ModuleDict(
                {
                    "reader": torch.nn.GRU(width, size, batch_first=True),
                    "asking": torch.nn.Linear(size, size),
                    "head": torch.nn.Linear(size, 1),
                }
            )

    @classmethod
    def fit(
        cls, pairs: Sequence[Floats], labels: Sequence[int], config: LearnedConfig | None = None, *, seed: int
    ) -> Self:
        """Learn from judged pairs by binary cross-entropy, with Adam.

        Args:
            pairs: float32 (n, m, width) each: n passages of the query, m of the document.
            labels: 1 for relevant, 0 for not; both must occur.
            config: sizes and training.
            seed: draws first weights and batches: the same seed gives the same weights on one machine.

        Raises:
            InputError: shapes or labels do not fit.
            EncoderError: the loss left the numbers.
        """
        import torch

        truth = np.asarray(labels, np.float32)
        if len(pairs) != len(truth) or set(np.unique(truth).tolist()) != {0.0, 1.0}:
            raise InputError(
                f"learned aggregation: {len(pairs)} pairs and {len(truth)} labels; give one label each, 0 or 1, and "
                "both among them"
            )
        model = cls(_width(pairs), config, seed=seed)
        own = model.config
        weight = torch.tensor(own.positive_weight)
        adam = torch.optim.Adam(model._net.parameters(), lr=own.learning_rate, weight_decay=own.weight_decay)
        rng = np.random.default_rng(seed)
        for epoch in range(own.epochs):
            order = rng.permutation(len(pairs))
            for start in range(0, len(order), own.batch):
                chosen = order[start : start + own.batch]
                logits = model._forward(*_padded([pairs[i] for i in chosen]))
                target = torch.from_numpy(truth[chosen])
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
                if not torch.isfinite(loss):
                    raise EncoderError(
                        f"learned aggregation: the loss is {float(loss)} in epoch {epoch + 1}; lower the learning "
                        "rate, or look for numbers in the pairs that are not finite"
                    )
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch's own
                adam.step()
        return model

    def scores(self, pairs: Sequence[Floats]) -> NDArray[np.float64]:
        """Logits float64 (p,) of pairs, each float32 (n, m, width); a pair's does not depend on the others.

        Raises:
            InputError: a pair has another width, or no passage.
        """
        import torch

        if not pairs:
            return np.empty(0)
        if _width(pairs) != self.width:
            raise InputError(f"learned aggregation: interactions of {_width(pairs)} numbers, it learned {self.width}")
        found = np.empty(len(pairs))
        order = sorted(range(len(pairs)), key=lambda i: pairs[i].shape[:2])
        with torch.inference_mode():
            for start in range(0, len(order), self.config.batch):
                chosen = order[start : start + self.config.batch]
                found[chosen] = self._forward(*_padded([pairs[i] for i in chosen])).double().numpy()
        return found

    def _forward(self, values: Any, mask: Any) -> Any:
        """Logits (b,) of interactions (b, n, m, width) under a mask (b, n, m); what it leaves out may hold anything."""
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        there = mask.any(dim=2)  # (b, n): passages of the query
        met = values.masked_fill(~mask[..., None], float("-inf")).amax(dim=2)
        met = met.masked_fill(~there[..., None], 0.0)
        packed = pack_padded_sequence(met, there.sum(dim=1), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self._net["reader"](packed)[0], batch_first=True, total_length=there.shape[1])
        asked = self._net["asking"](states.masked_fill(~there[..., None], float("-inf")).amax(dim=1))
        weights = torch.einsum("bnh,bh->bn", states, asked).masked_fill(~there, float("-inf")).softmax(dim=1)
        return self._net["head"](torch.einsum("bn,bnh->bh", weights, states))[:, 0]

    def save(self, path: Path) -> None:
        """Write weights and settings as one .npz file."""
        weights = {name: tensor.numpy() for name, tensor in self._net.state_dict().items()}
        settings = np.array([self.width, *asdict(self.config).values()], np.float64)
        with path.open("wb") as file:
            np.savez(file, settings=settings, **weights)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            FormatError: the file is absent or holds something else.
        """
        import torch

        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            width, hidden, rate, decay, batch, epochs, positive = arrays.pop("settings").tolist()
            config = LearnedConfig(int(hidden), rate, decay, int(batch), int(epochs), positive)
            model = cls(int(width), config)
            model._net.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        except (OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            raise FormatError(f"{path} holds no learned aggregation: {error}; fit one and save it") from error
        return model


def _width(pairs: Sequence[Floats]) -> int:
    """The one width of all pairs, each of which has passages on both sides."""
    bad = next((n for n, pair in enumerate(pairs) if pair.ndim != 3 or not pair.size), None)
    if bad is not None or len({pair.shape[2] for pair in pairs}) != 1:
        shown = sorted({str(pair.shape) for pair in pairs})[:3]
        raise InputError(
            "learned aggregation: a pair is (passages of the query, of the document, width), none of them 0 and the "
            f"width the same in all; found shapes such as {', '.join(shown) or 'none'}"
        )
    return int(pairs[0].shape[2])


def _padded(pairs: Sequence[Floats]) -> tuple[Any, Any]:
    """Interactions (b, n, m, width) and their mask (b, n, m)."""
    import torch

    shape = tuple(max(pair.shape[axis] for pair in pairs) for axis in (0, 1))
    values = np.zeros((len(pairs), *shape, pairs[0].shape[2]), np.float32)
    mask = np.zeros((len(pairs), *shape), bool)
    for row, pair in enumerate(pairs):
        values[row, : pair.shape[0], : pair.shape[1]] = pair
        mask[row, : pair.shape[0], : pair.shape[1]] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
