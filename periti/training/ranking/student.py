"""A copy of a cross-encoder that learns: one optimiser step over a batch of lists."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from periti.encoders.cross import CrossEncoder, PairTokens
from periti.encoders.sentence import batches
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
    """

    def __init__(self, start: CrossEncoder, options: RankingOptions, seed: int) -> None:
        self.encoder = copy.copy(start)
        self.encoder.model = copy.deepcopy(start.model)
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
