"""What training on a pair would do to the loss on a target, to first order, in closed form.

The student is a linear adapter W of query vectors, at the identity, under the contrastive loss of a pair (q, d) against
fixed other documents N (InfoNCE, van den Oord et al. 2018):

    l(q, d) = -log softmax over {d} and N of (W q) . x / T, at d

Its gradient is the rank-one matrix e q' with e = (sum p_x x - d) / T. One step of gradient descent on the pair lowers
the target's loss by the rate times <gradient of the pair, gradient of the target>: the influence of Koh and Liang
(2017) with the identity for the Hessian, or, as in Quad (Zhang et al. 2025, "Harnessing Diversity for Important Data
Selection in Pretraining Large Language Models"), with its Kronecker factors E[e e'] and E[q q'] (Martens, Grosse 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.clusters import Vectors
from periti.datasets.selection.selector import Embed
from periti.errors import InputError

Values = NDArray[np.float64]
TEMPERATURE = 0.05


@dataclass(frozen=True)
class Pairs:
    """Query and document vectors of n pairs, unit rows, (n, d) each."""

    queries: Vectors
    documents: Vectors

    def __post_init__(self) -> None:
        if self.queries.shape != self.documents.shape or self.queries.ndim != 2:
            raise InputError(
                f"queries are {self.queries.shape} and documents {self.documents.shape}; give n rows of d for both"
            )

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, rows: NDArray[np.integer] | slice) -> Pairs:
        return Pairs(self.queries[rows], self.documents[rows])

    @classmethod
    def of(cls, texts: Sequence[str], embed: Embed) -> Self:
        """Pairs made of texts, split by `halves`."""
        sides = [halves(text) for text in texts]
        return cls(embed([query for query, _ in sides]), embed([document for _, document in sides]))


def halves(text: str) -> tuple[str, str]:
    """A query and a document from one text: what stands before and after its first line feed, else its halves.

    A pair of a pool is "query, line feed, document" and a document "title, line feed, body"; of other texts the two
    halves are taken for each other's query and document (Izacard et al. 2022, "Unsupervised dense information retrieval
    with contrastive learning", independent cropping). A text of one word is both.
    """
    first, _, rest = text.partition("\n")
    if first.strip() and rest.strip():
        return first, rest
    words = text.split()
    if len(words) < 2:
        return text, text
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def errors(pairs: Pairs, others: Vectors, temperature: float = TEMPERATURE) -> Values:
    """The factor e of each pair's gradient, (n, d).

    Args:
        pairs: n of them.
        others: documents (m, d) that each pair is contrasted with; fixed, so that a pair's value does not depend on its
            company.
        temperature: T.
    """
    documents = pairs.documents.astype(np.float64)
    others = others.astype(np.float64)
    own = np.einsum("nd,nd->n", pairs.queries, documents)[:, None]
    logits = np.concatenate([own, pairs.queries @ others.T], axis=1) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    mixed: Values = (shares[:, 1:] @ others + (shares[:, :1] - 1) * documents) / temperature
    return mixed


@dataclass(frozen=True)
class Influence:
    """Values pairs by what they would do to a target.

    Attributes:
        direction: gradient of the target's mean loss, (d, d), with or without the inverse Hessian.
        others: documents that pairs are contrasted with, (m, d).
        low, high: influences that are worth 0 and 1.
        temperature: of the loss.
    """

    direction: Values
    others: Vectors
    low: float
    high: float
    temperature: float = TEMPERATURE

    @classmethod
    def on(
        cls, target: Pairs, reference: Pairs, *, temperature: float = TEMPERATURE, damping: float | None = None
    ) -> Self:
        """Of a target.

        Args:
            target: pairs whose loss shall fall.
            reference: pairs drawn from the pool by chance; their documents are what pairs are contrasted with, and the
                median of their influences is worth 0, the 99th percentile 1.
            temperature: of the loss.
            damping: λ of the Hessian, as a share of its factors' mean diagonal; None takes the identity for it.

        Raises:
            InputError: no target, no reference, or vectors of different widths.
        """
        if not len(target) or not len(reference):
            raise InputError("influence needs a target and a pool; there is no text in one of them")
        if target.queries.shape[1] != reference.queries.shape[1]:
            raise InputError(
                f"target vectors have {target.queries.shape[1]} dimensions and the pool's "
                f"{reference.queries.shape[1]}; embed both by one model"
            )
        others = reference.documents
        direction = errors(target, others, temperature).T @ target.queries.astype(np.float64) / len(target)
        if damping is not None:
            left = _damped(errors(reference, others, temperature), damping)
            right = _damped(reference.queries.astype(np.float64), damping)
            direction = np.linalg.solve(right, np.linalg.solve(left, direction).T).T
        raw = cls(direction, others, 0.0, 1.0, temperature).of(reference)
        low, high = np.median(raw), np.quantile(raw, 0.99)
        return cls(direction, others, float(low), float(high), temperature)

    def of(self, pairs: Pairs) -> Values:
        """<gradient of each pair, direction>, (n,); positive lowers the target's loss."""
        mistakes = errors(pairs, self.others, self.temperature)
        values: Values = np.einsum("nd,nd->n", mistakes @ self.direction, pairs.queries)
        return values

    def relative(self, values: Values) -> Values:
        """Influences in units of the pool: 0 its median, 1 its 99th percentile, beyond both where they are."""
        width = self.high - self.low
        # A pool of copies has no spread: what is above it is worth 1.
        return (values - self.low) / width if width > 0 else np.sign(values - self.low)

    def scaled(self, values: Values) -> Values:
        """The same as rewards, cut to 0..1."""
        return np.clip(self.relative(values), 0, 1)


def _damped(rows: Values, damping: float) -> Values:
    """E[r r'] of rows plus the damping on its diagonal."""
    factor = rows.T @ rows / len(rows)
    # A pool of identical pairs has no curvature; the smallest number keeps the system solvable.
    damped: Values = factor + max(damping * float(np.trace(factor)) / len(factor), 1e-12) * np.eye(len(factor))
    return damped
