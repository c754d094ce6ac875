"""The whole order in which a method would have a pool judged, and how far a budget goes along it.

Every budget is a prefix of the same order, so a method runs once a query and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Literal, get_args

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.methods import Fixed, dice, open_method
from periti.evaluation.adjudication.methods.active import ActiveSampling
from periti.evaluation.adjudication.pool import UNJUDGED, Pool, TopicPool
from periti.evaluation.ranking import Ints, Values
from periti.registry import nearest

Mode = Literal["per_topic_share", "per_topic_fixed", "global"]
ROUNDING = 1e-9
"""A share of a whole number of documents may miss it by so much in float64."""


@dataclass(frozen=True)
class Budget:
    """How many judgements there are to spend.

    Args:
        amount: `per_topic_share`: share of every query's pool, above 0 and at most 1, rounded half up, at least one
            document; `per_topic_fixed`: documents of every query; `global`: documents over all queries, or their
            share of the whole pool if it is at most 1; the method says which query they go to.
        mode: one of those.

    Raises:
        InputError: another mode, or an amount that is not positive, or not whole where it counts documents.
    """

    amount: float
    mode: Mode = "per_topic_share"

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"no budget mode named {self.mode!r}; {nearest(self.mode, get_args(Mode))}")
        if not self.amount > 0 or not np.isfinite(self.amount):
            raise InputError(f"the budget is {self.amount:g}; give a positive number")
        if self.mode == "per_topic_share" and self.amount > 1:
            raise InputError(
                f"the budget is {self.amount:g} of every query's pool, larger than the pool; give a share from 0 to 1, "
                "or count documents with per_topic_fixed"
            )
        counts = self.mode == "per_topic_fixed" or (self.mode == "global" and self.amount > 1)
        if counts and self.amount != int(self.amount):
            raise InputError(f"the budget is {self.amount:g} documents; give a whole number")

    def require(self, pool: Pool) -> None:
        """Refuse a budget that is larger than the pool.

        Raises:
            InputError: it is.
        """
        if self.mode == "per_topic_fixed":
            smallest = int(np.argmin(pool.sizes))
            if self.amount > pool.sizes[smallest]:
                raise InputError(
                    f"the budget is {self.amount:g} documents a query, but the pool of query "
                    f"{pool.query_ids[smallest]!r} holds {pool.sizes[smallest]}; give at most that, or a share"
                )
        if self.mode == "global" and self.amount > max(1, len(pool)):
            raise InputError(
                f"the budget is {self.amount:g} documents, but the pool of all queries holds {len(pool)}; "
                "give at most that, or a share"
            )

    def most(self, size: int) -> int:
        """The most documents of a query with a pool of that size that the budget can reach."""
        if self.mode == "per_topic_share":
            return min(size, max(1, int(np.floor(self.amount * size + 0.5 + ROUNDING))))
        if self.mode == "per_topic_fixed":
            return min(size, int(self.amount))
        return size

    def __str__(self) -> str:
        if self.mode == "per_topic_fixed":
            return f"{int(self.amount)} a query"
        share = f"{100 * self.amount:g} %"
        if self.mode == "per_topic_share":
            return share
        return f"{share} of all" if self.amount <= 1 else f"{int(self.amount)} in all"


@dataclass(frozen=True)
class Order:
    """One method's order of one query's pool, as far as it was followed.

    Args:
        docs: int64 (m,), document numbers within the query's pool.
        urgency: float64 (m,), how much each was worth beside those of other queries when it was chosen.
        chances, draws: of active sampling: p(d) at each of the m choices, float64 (m, n), and the draws it took,
            float64 (m,); None for other methods.
    """

    docs: Ints
    urgency: Values
    chances: Values | None = None
    draws: Values | None = None


def follow(method: str, topic: TopicPool, *, seed: int, limit: int, level: int = 1) -> Order:
    """The first `limit` documents that a method would have judged, told the true judgements as it goes.

    Args:
        method: a name of `METHODS`.
        topic: the pool with its true grades.
        seed: with the query id it fixes every random choice.
        limit: how many documents, at most the pool.
        level: the lowest grade that is relevant.
    """
    chooser = open_method(method)(topic, dice(seed, topic.query_id))
    if isinstance(chooser, Fixed):
        docs = chooser.order[:limit]
        return Order(docs, chooser.worth[docs])
    relevant = (topic.grades >= level).tolist()
    docs, urgency = np.empty(limit, dtype=np.int64), np.empty(limit)
    for place in range(limit):
        doc = chooser.choose()
        docs[place], urgency[place] = doc, chooser.urgency
        chooser.tell(doc, relevant=relevant[doc])
    if isinstance(chooser, ActiveSampling):
        chances = np.array(chooser.chances).reshape(limit, len(topic))
        return Order(docs, urgency, chances, np.array(chooser.draws, dtype=np.float64))
    return Order(docs, urgency)


def prefixes(pool: Pool, orders: Sequence[Order], budget: Budget) -> Ints:
    """How many documents of each order the budget pays for, int64 (q,).

    With a `global` budget the next document is always that of the most urgent query, ties by query id.
    """
    if budget.mode != "global":
        return np.array([budget.most(size) for size in pool.sizes.tolist()], dtype=np.int64)
    share = budget.amount <= 1
    left = int(np.floor(budget.amount * len(pool) + 0.5 + ROUNDING)) if share else int(budget.amount)
    spent = np.zeros(len(orders), dtype=np.int64)
    queue = [(-order.urgency[0], topic) for topic, order in enumerate(orders) if len(order.docs)]
    heapify(queue)
    for _ in range(left):
        _, topic = heappop(queue)
        spent[topic] += 1
        if spent[topic] < len(orders[topic].docs):
            heappush(queue, (-orders[topic].urgency[spent[topic]], topic))
    return spent


def judged_grades(pool: Pool, orders: Sequence[Order], lengths: Ints) -> Ints:
    """The grades that these prefixes would leave, int64 (N,), `UNJUDGED` elsewhere."""
    grades = np.full(len(pool), UNJUDGED, dtype=np.int64)
    for offset, order, length in zip(pool.offsets[:-1].tolist(), orders, lengths.tolist(), strict=True):
        chosen = order.docs[:length] + offset
        grades[chosen] = pool.grades[chosen]
    return grades


def inclusion(order: Order, length: int, wanted: Ints) -> Values:
    """The chance that both of two documents are in a sample of that length, float64 (m, m); of one on the diagonal.

    Args:
        order: of active sampling.
        length: how many documents were judged; all of them is a census, in which every chance is 1.
        wanted: int64 (m,), the documents.

    Raises:
        InputError: the order is not one of active sampling.
    """
    if order.chances is None or order.draws is None:
        raise InputError("only active sampling knows with what chance a document was judged; choose method active")
    if length == order.chances.shape[1]:
        return np.ones((len(wanted), len(wanted)))
    chance, draws = order.chances[:length, wanted], order.draws[:length]
    with np.errstate(divide="ignore"):
        missed = draws @ np.log1p(-np.minimum(chance, 1.0))
        both = np.zeros((len(wanted), len(wanted)))
        for row, count in zip(chance, draws, strict=True):
            both += count * np.log1p(-np.minimum(row[:, None] + row[None, :], 1.0))
    joint = 1.0 - np.exp(missed)[:, None] - np.exp(missed)[None, :] + np.exp(both)
    np.fill_diagonal(joint, -np.expm1(missed))
    return joint


def is_seeded(method: str) -> bool:
    """Whether the method's order hangs on the seed."""
    return open_method(method).seeded
