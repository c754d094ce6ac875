"""How a gate learns: a listwise loss, the same with a source taken away, and gates that agree about both.

For each query the softmax of its candidates' scores is to meet the relevant ones (ListNet's top-one cross-entropy, Cao
et al. 2007). A masked copy of the query lacks one source, drawn by chance, and some candidates; it has the same loss,
and a contrastive loss (InfoNCE) asks that its pooled candidates resemble their own query's more than others' (AW-MoE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.rankers.gate.model import TOP, Gate
from periti.rankers.gate.slates import Values

if TYPE_CHECKING:
    from torch import Tensor

Mask = NDArray[np.bool_]
_TEMPERATURE = 0.1


@dataclass(frozen=True)
class GateOptions:
    """How to train.

    Attributes:
        seed: of weights, batches, masks and of which queries are held out.
        mask: chance that the masked copy of a query lacks a source; 0 trains without masked copies.
        hide: chance that the masked gate does not see a candidate.
        contrast: weight of the contrastive loss.
        hidden: hidden units.
        rate, decay: of AdamW.
        epochs, patience: at most, and without gain on the held-out queries.
        batch: queries a step.
        held_out: share of the queries that decide when to stop.
    """

    seed: int = 1
    mask: float = 1.0
    hide: float = 0.1
    contrast: float = 0.05
    hidden: int = 16
    rate: float = 0.01
    decay: float = 0.001
    epochs: int = 150
    patience: int = 15
    batch: int = 64
    held_out: float = 0.2

    def __post_init__(self) -> None:
        for name in ("mask", "hide"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"gate: {name} is {getattr(self, name)}; it must be between 0 and 1")
        if min(self.hidden, self.epochs, self.patience) < 1 or self.batch < 2 or not 0 < self.held_out < 1:
            raise ConfigError("gate: hidden, epochs and patience must be at least 1, batch 2, held_out between 0 and 1")
        if not (self.rate > 0 and self.decay >= 0 and self.contrast >= 0):
            raise ConfigError("gate: rate must be above 0, decay and contrast at least 0")


@dataclass(frozen=True)
class Lists:
    """Queries of equal length by padding: q of them, n candidates each at most.

    Attributes:
        values: float64 (q, n, K).
        ranks: int64 (q, n, K), 0 where a source lacks the candidate.
        target: float64 (q, n), summing to 1 over the relevant candidates of a query.
        features: float64 (q, 5), standardised.
    """

    values: Values
    ranks: NDArray[np.int64]
    target: Values
    features: Values

    def some(self, rows: NDArray[np.int64]) -> Lists:
        """These queries."""
        return Lists(self.values[rows], self.ranks[rows], self.target[rows], self.features[rows])

    def without(self, lost: Mask) -> Lists:
        """Without some sources, bool (q, K); a query whose relevant candidates all go keeps a target of zeros."""
        ranks = np.where(lost[:, None, :], 0, self.ranks)
        target = np.where((ranks > 0).any(axis=2), self.target, 0.0)
        total = target.sum(axis=1, keepdims=True)
        return Lists(
            np.where(lost[:, None, :], 0.0, self.values), ranks, target / np.where(total > 0, total, 1.0), self.features
        )


def learn(lists: Lists, start: Gate, options: GateOptions) -> tuple[Gate, dict[str, float]]:
    """Train a gate.

    Args:
        lists: training queries, at least 2 of them for either part, each with a relevant candidate.
        start: gives mean and spread of the features.
        options: how.

    Returns:
        The gate that was best on the held-out queries, and losses there: `before`, with equal weights, and `best`.
    """
    import torch

    rng = np.random.default_rng(options.seed)
    order = rng.permutation(len(lists.target))
    held = max(1, round(options.held_out * len(order)))
    dev, train = lists.some(np.sort(order[:held])), np.sort(order[held:])
    tensors = _fresh(lists.values.shape[2], options.hidden, rng)
    optimiser = torch.optim.AdamW(list(tensors.values()), lr=options.rate, weight_decay=options.decay)
    before = best = _held_out_loss(tensors, dev, options)
    kept, since = {name: tensor.detach().clone() for name, tensor in tensors.items()}, 0
    for _ in range(options.epochs):
        shuffled = rng.permutation(train)
        for begin in range(0, len(shuffled), options.batch):
            optimiser.zero_grad()
            loss = _loss(tensors, lists.some(shuffled[begin : begin + options.batch]), options, rng)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        now, since = _held_out_loss(tensors, dev, options), since + 1
        if now < best - 1e-6:
            best, since = now, 0
            kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        if since >= options.patience:
            break
    arrays = {name: tensor.numpy().astype(np.float64) for name, tensor in kept.items() if name != "sharpness"}
    return Gate(start.mean, start.spread, **arrays), {"before": before, "best": best}


def _fresh(sources: int, units: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """Small random hidden weights and an output of zeros: the first gate weights all sources alike."""
    import torch

    from periti.rankers.gate.slates import FEATURES

    inputs = 3 * sources + len(FEATURES)
    arrays = {
        "hidden": rng.normal(size=(inputs, units)) / np.sqrt(inputs),
        "hidden_bias": np.zeros(units),
        "attention": rng.normal(size=units) / np.sqrt(units),
        "output": np.zeros((units, sources)),
        "output_bias": np.zeros(sources),
        "sharpness": np.log([20.0]),
    }
    return {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}


def forward(tensors: Mapping[str, Tensor], lists: Lists, seen: Mask | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The gate over padded lists.

    Args:
        tensors: the gate's weights by name.
        lists: q queries.
        seen: bool (q, n), candidates that the gate may look at; all of them without it.

    Returns:
        Weights (q, K), pooled candidates (q, h), scores (q, n) with -inf at padding.
    """
    import torch

    held = torch.from_numpy(lists.ranks > 0)
    answered = held.any(dim=1)
    values, features = torch.from_numpy(lists.values), torch.from_numpy(lists.features)
    count = values.shape[1]
    wide = (answered[:, None, :].expand(-1, count, -1), features[:, None, :].expand(-1, count, -1))
    inputs = torch.cat([values, held, *wide], dim=2)
    hidden = torch.tanh(inputs @ tensors["hidden"] + tensors["hidden_bias"])
    looked = torch.from_numpy(((lists.ranks > 0) & (lists.ranks <= TOP)).any(axis=2))
    if seen is not None:
        some = looked & torch.from_numpy(seen)
        looked = torch.where(some.any(dim=1, keepdim=True), some, looked)
    share = torch.softmax((hidden @ tensors["attention"]).masked_fill(~looked, -torch.inf), dim=1)
    pooled = (share[:, :, None] * hidden).sum(dim=1)
    logits = pooled @ tensors["output"] + tensors["output_bias"]
    weights = torch.softmax(logits.masked_fill(~answered, -torch.inf), dim=1)
    scores = (values * weights[:, None, :]).sum(dim=2).masked_fill(~held.any(dim=2), -torch.inf)
    return weights, pooled, scores


def _listwise(scores: Tensor, lists: Lists, sharpness: Tensor) -> Tensor:
    """Cross-entropy of the target and the softmax of the scores, mean over queries that have a target."""
    import torch

    target = torch.from_numpy(lists.target)
    chance = torch.log_softmax(scores * sharpness.exp(), dim=1)
    each = -(target * chance.masked_fill(target == 0, 0.0)).sum(dim=1)
    return each.sum() / (target.sum(dim=1) > 0).sum().clamp(min=1)


def _loss(tensors: Mapping[str, Tensor], lists: Lists, options: GateOptions, rng: np.random.Generator) -> Tensor:
    import torch

    _, pooled, scores = forward(tensors, lists)
    loss = _listwise(scores, lists, tensors["sharpness"])
    if not options.mask:
        return loss
    masked = lists.without(one_lost(lists, options.mask, rng))
    _, other, masked_scores = forward(tensors, masked, rng.random(lists.target.shape) >= options.hide)
    loss = loss + _listwise(masked_scores, masked, tensors["sharpness"])
    if options.contrast and len(pooled) > 1:
        left, right = (torch.nn.functional.normalize(one, dim=1, eps=1e-6) for one in (pooled, other))
        own = torch.arange(len(pooled))
        loss = loss + options.contrast * torch.nn.functional.cross_entropy(left @ right.T / _TEMPERATURE, own)
    return loss


def one_lost(lists: Lists, chance: float, rng: np.random.Generator) -> Mask:
    """For each query, with this chance, one of the sources that answered it, unless it is the only one; bool (q, K)."""
    answered = (lists.ranks > 0).any(axis=1)
    drawn = np.where(answered, rng.random(answered.shape), -1.0).argmax(axis=1)
    lost = np.zeros(answered.shape, np.bool_)
    lost[np.arange(len(lost)), drawn] = (rng.random(len(lost)) < chance) & (answered.sum(axis=1) > 1)
    return lost


def _held_out_loss(tensors: Mapping[str, Tensor], dev: Lists, options: GateOptions) -> float:
    """The listwise loss; with masking the mean of it and of the losses without each source."""
    import torch

    answered = (dev.ranks > 0).any(axis=1)
    kinds = [dev]
    if options.mask:
        for source in range(answered.shape[1]):
            lost = np.zeros(answered.shape, np.bool_)
            lost[:, source] = answered.sum(axis=1) > 1
            kinds.append(dev.without(lost))
    with torch.no_grad():
        losses = [float(_listwise(forward(tensors, kind)[2], kind, tensors["sharpness"])) for kind in kinds]
    return losses[0] if len(losses) == 1 else (losses[0] + float(np.mean(losses[1:]))) / 2
