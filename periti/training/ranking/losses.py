"""Losses of rerankers, one value a sample: a document, a pair of documents, or a list. The sigma of pairs is 1.

* bce, a document: -(w y log sigmoid(s) + (1 - y) log(1 - sigmoid(s))), y = 1 if relevant, w = pos_weight.
* ranknet, a pair with g_i > g_j: log(1 + exp(-(s_i - s_j))) (Burges et al. 2005).
* listnet, a list: -sum_i softmax(g)_i log softmax(s)_i (Cao et al. 2007, top one).
* lambda, a pair with g_i > g_j: (rho_ij + mu delta_ij) |G_i - G_j| log2(1 + exp(-(s_i - s_j))), NDCG-Loss2++ of
  Wang et al. 2018, The LambdaLoss framework for ranking metric optimization. Ranks r are by the present scores;
  D(r) = log2(1 + r), rho_ij = |1/D(r_i) - 1/D(r_j)|, delta_ij = |1/D(|r_i - r_j|) - 1/D(|r_i - r_j| + 1)|, and
  G_i = (2^g_i - 1) / the DCG of the list in ideal order.
* margin-mse, a pair with g_i > g_j and a teacher's scores t: ((s_i - s_j) - (t_i - t_j))^2 (Hofstaetter et al. 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from periti.training.ranking.difficulty import Values
from periti.training.ranking.drawing import Lists, Pairs
from periti.training.ranking.settings import RankingOptions

if TYPE_CHECKING:
    from torch import Tensor


def losses(scores: Tensor, lists: Lists, pairs: Pairs, options: RankingOptions) -> Tensor:
    """The loss of every sample, float32 (n,) for documents, (p,) for pairs, (b,) for lists, with gradients.

    Args:
        scores: logits of the documents, float32 (n,).
        lists: grades, owners, a teacher's scores.
        pairs: the batch's pairs.
        options: which loss, and its settings.
    """
    if options.loss == "bce":
        return _bce(scores, lists, options)
    if options.loss == "listnet":
        return _listnet(scores, lists)
    return _pairwise(scores, lists, pairs, options)


def reduced(values: Tensor, weights: Values | None, weighting: str) -> Tensor:
    """The mean loss: each sample times its weight, or ("batch") the mean loss times the mean weight; None weighs 1."""
    import torch

    if weights is None:
        return values.mean()
    weighed = torch.from_numpy(weights).to(values.dtype)
    return values.mean() * weighed.mean() if weighting == "batch" else (values * weighed).mean()


def _bce(scores: Tensor, lists: Lists, options: RankingOptions) -> Tensor:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    target = torch.from_numpy((lists.gains > 0).astype(np.float32))
    weight = torch.tensor(options.pos_weight or options.negatives / options.positives)
    return binary_cross_entropy_with_logits(scores, target, pos_weight=weight, reduction="none")


def _listnet(scores: Tensor, lists: Lists) -> Tensor:
    import torch

    found = []
    for number in range(int(lists.owner.max()) + 1):
        own = np.flatnonzero(lists.owner == number)
        target = torch.softmax(torch.from_numpy(lists.gains[own]), dim=0).to(scores.dtype)
        found.append(-(target * torch.log_softmax(scores[own], dim=0)).sum())
    return torch.stack(found)


def _pairwise(scores: Tensor, lists: Lists, pairs: Pairs, options: RankingOptions) -> Tensor:
    import torch
    from torch.nn.functional import softplus

    margins = scores[pairs.better] - scores[pairs.worse]
    if options.loss == "margin-mse":
        wanted = torch.from_numpy(lists.teacher[pairs.better] - lists.teacher[pairs.worse]).to(scores.dtype)
        return (margins - wanted) ** 2
    found = softplus(-margins)
    if options.loss == "ranknet":
        return found
    weights = lambda_weights(scores.detach().numpy(), lists, pairs, options.mu)
    return found * torch.from_numpy(weights).to(scores.dtype) / float(np.log(2))


def lambda_weights(scores: NDArray[np.floating], lists: Lists, pairs: Pairs, mu: float) -> Values:
    """(rho_ij + mu delta_ij) |G_i - G_j| of every pair, float64 (p,); equal scores rank in the list's order.

    Args:
        scores: float (n,).
        lists: grades and owners.
        pairs: the pairs.
        mu: weight of delta.
    """
    ranks, gains = np.empty(len(scores)), np.empty(len(scores))
    for number in range(int(lists.owner.max()) + 1):
        own = np.flatnonzero(lists.owner == number)
        ranks[own[np.argsort(-scores[own], kind="stable")]] = np.arange(1, len(own) + 1)
        raw = 2 ** lists.gains[own] - 1
        gains[own] = raw / (np.sort(raw)[::-1] * _discount(np.arange(1.0, len(own) + 1))).sum()
    first, second = ranks[pairs.better], ranks[pairs.worse]
    apart = np.abs(first - second)
    rho = np.abs(_discount(first) - _discount(second))
    delta = np.abs(_discount(apart) - _discount(apart + 1))
    found: Values = (rho + mu * delta) * np.abs(gains[pairs.better] - gains[pairs.worse])
    return found


def _discount(ranks: Values) -> Values:
    """1 / D(r)."""
    return 1 / np.log2(1 + ranks)
