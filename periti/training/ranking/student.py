"""A copy of a cross-encoder that learns: one optimiser step over a batch of lists."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from periti.encoders.cross import CrossEncoder, PairTokens
from periti.encoders.sentence import batches
from periti.errors import ConfigError
from periti.training.optimising import Optimised
from periti.training.ranking.curricula import sample_weights
from periti.training.ranking.drawing import Lists, Pairs
from periti.training.ranking.losses import losses, reduced
from periti.training.ranking.settings import RankingOptions

if TYPE_CHECKING:
    from torch import Tensor


class RankerStudent(Optimised):
    """What learns.

    Args:
        start: the cross-encoder that training begins from; it is copied, never changed.
        options: loss, rates, curriculum.
        seed: of dropout.

    Raises:
        ConfigError: what shall be frozen is not there, or nothing is left to learn.
    """

    def __init__(self, start: CrossEncoder, options: RankingOptions, seed: int) -> None:
        self.encoder = copy.copy(start)
        self.encoder.model = copy.deepcopy(start.model)
        _freeze(self.encoder.model, options.frozen)
        learns = {name: one for name, one in self.encoder.model.named_parameters() if one.requires_grad}
        super().__init__(learns, options, seed)
        self._options = options

    def step(self, lists: Lists, other: Lists, number: int) -> float:
        """Learn from a batch and return its loss.

        Args:
            lists: the batch.
            other: another batch, for the random control.
            number: of the step, 1, 2, ...

        Raises:
            EncoderError: the loss is not finite.
        """
        self.begin_step(number)
        self.encoder.model.train(mode=self._options.dropout)
        pairs = Pairs.of(lists)
        values = losses(self._scores(lists), lists, pairs, self._options)
        weights = sample_weights(lists, other, pairs, self._options, number)
        return self.descend(reduced(values, weights, self._options.weighting), number)

    def answering(self) -> CrossEncoder:
        """The cross-encoder as it is now, its dropout off; the next step changes it."""
        self.encoder.model.eval()
        return self.encoder

    def _scores(self, lists: Lists) -> Tensor:
        """Scores of the documents, float32 (n,), with gradients; micro-batches of similar length keep padding small."""
        import torch

        tokens = self.encoder.tokenise(lists.queries, lists.documents)
        places: list[int] = []
        parts = []
        for batch in batches(tokens):
            with torch.autocast("cpu", torch.bfloat16, enabled=self._options.precision == "bfloat16"):
                parts.append(self.encoder.forward(cast("list[PairTokens]", batch)))
            places += [one.place for one in batch]
        scores = torch.cat(parts).float()[torch.argsort(torch.tensor(places))]
        if not self._options.first_stage or lists.prior is None:
            return scores
        return scores + self._options.first_stage * torch.from_numpy(lists.prior).float()


def _freeze(model: Any, beginnings: Sequence[str]) -> None:
    """Let the parameters whose names begin so stay as they are."""
    named = dict(model.named_parameters())
    for beginning in beginnings:
        found = [one for name, one in named.items() if name.startswith(beginning)]
        if not found:
            kinds = ", ".join(sorted({name.split(".")[0] for name in named}))
            raise ConfigError(
                f"training: no parameter begins with {beginning!r}, which shall be frozen; known: {kinds}"
            )
        for one in found:
            one.requires_grad_(requires_grad=False)
    if not any(one.requires_grad for one in named.values()):
        raise ConfigError("training: everything is frozen; leave something to learn")
