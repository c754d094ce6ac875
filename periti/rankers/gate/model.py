"""The gate: which sources to believe for this query, from its text and from what they returned.

Each of the first candidates j gives h_j = tanh(W x_j + b), with x_j its calibrated scores, which sources hold it, which
answered, and the query's features. Attention a_j = softmax_j(u · h_j) pools them, and the gate is g = softmax over the
sources that answered of V Σ_j a_j h_j + c. A document's score is Σ_k g_k s_k. (AW-MoE, with one hidden layer for its
gate and activation units, and a softmax where the paper has an open sum, so that the gate does not grow with the list.)
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from periti.errors import InputError
from periti.rankers.gate.slates import FEATURES, Slates, Values

TOP = 10
"""Candidates of each source that the gate looks at."""


@dataclass(frozen=True)
class Gate:
    """Weights for K sources, h hidden units and F = 3 K + 5 features, all float64.

    Attributes:
        mean, spread: (5,), of the query features over the training queries.
        hidden, hidden_bias: W (F, h), b (h,).
        attention: u (h,).
        output, output_bias: V (h, K), c (K,).

    Raises:
        InputError: shapes do not fit each other, or a number is not finite.
    """

    mean: Values
    spread: Values
    hidden: Values
    hidden_bias: Values
    attention: Values
    output: Values
    output_bias: Values

    def __post_init__(self) -> None:
        sources, units = len(self.output_bias), len(self.hidden_bias)
        wanted = {
            "mean": (len(FEATURES),),
            "spread": (len(FEATURES),),
            "hidden": (3 * sources + len(FEATURES), units),
            "hidden_bias": (units,),
            "attention": (units,),
            "output": (units, sources),
            "output_bias": (sources,),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape or not np.isfinite(getattr(self, name)).all():
                raise InputError(f"gate: the weights {name!r} are not finite numbers of shape {shape}; train it again")

    @classmethod
    def constant(cls, weights: Values) -> Gate:
        """A gate that weights the sources in these proportions, float64 (K,) above 0, whatever the query."""
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise InputError(f"gate: constant weights are {weights.tolist()}; give positive numbers")
        sources, width = len(weights), len(FEATURES)
        start = (np.zeros(width), np.ones(width), np.zeros((3 * sources + width, 1)), np.zeros(1), np.zeros(1))
        return cls(*start, np.zeros((1, sources)), np.log(weights))

    def standardised(self, features: Values) -> Values:
        """Query features float64 (q, 5) by training mean and spread; an unknown query (NaN) counts as average."""
        standard: Values = np.nan_to_num((features - self.mean) / self.spread, nan=0.0)
        return standard

    def weights(self, slates: Slates, features: Values) -> Values:
        """The gate of every query, float64 (q, K), summing to 1 over the sources that answered.

        Args:
            slates: q queries.
            features: float64 (q, 5), NaN where unknown.
        """
        answered = slates.weights > 0
        logits = self._logits(slates, answered, self.standardised(features))
        logits = np.where(answered, logits, -np.inf)
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        # Rounded, so that a query's weights do not depend on its batch by the last bits of a matrix product.
        weights: Values = np.round(exp / exp.sum(axis=1, keepdims=True), 9)
        return weights

    def scores(self, slates: Slates, features: Values) -> Values:
        """Every candidate's score Σ_k g_k w_k s_k, float64 (n,); g w sums to 1 over the sources that answered."""
        weights = self.weights(slates, features) * slates.weights
        weights /= weights.sum(axis=1, keepdims=True)
        scores: Values = np.einsum("nk,nk->n", slates.values, weights[slates.query])
        return scores

    def _logits(self, slates: Slates, answered: np.ndarray[tuple[int, int], np.dtype[np.bool_]], q: Values) -> Values:
        """The gate before its softmax, float64 (q, K)."""
        seen = np.flatnonzero(((slates.ranks > 0) & (slates.ranks <= TOP)).any(axis=1))
        query = slates.query[seen]
        inputs = [slates.values[seen], slates.ranks[seen] > 0, answered[query], q[query]]
        hidden = np.tanh(np.concatenate(inputs, axis=1) @ self.hidden + self.hidden_bias)
        logit = hidden @ self.attention
        begins = np.searchsorted(query, np.arange(len(slates.starts)))
        exp = np.exp(logit - np.maximum.reduceat(logit, begins)[query])
        share = exp / np.add.reduceat(exp, begins)[query]
        pooled = np.add.reduceat(share[:, None] * hidden, begins)
        logits: Values = pooled @ self.output + self.output_bias
        return logits

    def arrays(self) -> dict[str, Values]:
        """The weights by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def copied(self) -> Gate:
        """The same gate in arrays of its own."""
        return replace(self, **{name: array.copy() for name, array in self.arrays().items()})
