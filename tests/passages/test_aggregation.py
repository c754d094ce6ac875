"""Rules of aggregation by hand, and that padding never counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import ConfigError, InputError
from periti.passages.aggregation import RULES, Aggregation, padded

SCORES = np.array([[1.0, 4.0, -2.0, 3.0], [-1.0, -3.0, 99.0, np.nan]])
MASK = np.array([[True, True, True, True], [True, True, False, False]])
BY_HAND = {
    "first": [1.0, -1.0],
    "max": [4.0, -1.0],
    "sum": [6.0, -4.0],
    "mean": [1.5, -2.0],
    "top-mean": [(4 + 3 + 1) / 3, (-1 - 3) / 2],
    "decayed": [4 + 0.5 * 3 + 0.25 * 1, -1 + 0.5 * -3],
}
number = st.floats(-50, 50, width=32)
ragged = st.lists(st.lists(number, min_size=1, max_size=7), min_size=1, max_size=5)


def flat(lists: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    owners = np.repeat(np.arange(len(lists)), [len(own) for own in lists])
    return padded(np.concatenate([np.array(own, float) for own in lists]), owners, len(lists))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_by_hand(rule: str) -> None:
    assert Aggregation(rule, k=3, decay=0.5)(SCORES, MASK).tolist() == pytest.approx(BY_HAND[rule])


@pytest.mark.parametrize("rule", RULES)
@given(lists=ragged, junk=st.floats(), width=st.integers(1, 20))
def test_padding_changes_no_bit(rule: str, lists: list[list[float]], junk: float, width: int) -> None:
    aggregate = Aggregation(rule, k=2, decay=0.7)
    scores, mask = flat(lists)
    wide = np.pad(scores, ((0, 0), (0, width)), constant_values=junk)
    alone = [float(aggregate(np.array(own), np.ones(len(own), bool))) for own in lists]

    assert aggregate(scores, mask).tolist() == alone
    assert aggregate(wide, np.pad(mask, ((0, 0), (0, width)))).tolist() == alone


@pytest.mark.parametrize("rule", RULES)
@given(lists=ragged, k=st.integers(1, 5), decay=st.floats(0, 1))
def test_no_document_exceeds_its_bound(rule: str, lists: list[list[float]], k: int, decay: float) -> None:
    aggregate = Aggregation(rule, k=k, decay=decay)
    scores, mask = flat(lists)
    highest = np.where(mask, scores, -np.inf).max(axis=1)
    bound = aggregate.bound(highest, int(mask.sum(axis=1).max()))

    assert (aggregate(scores, mask) <= bound + 1e-9).all()


def test_sums_of_logits_and_of_their_sigmoids_order_documents_differently() -> None:
    """Long: three passages of logit -1. Short: one of logit 1. SumP on logits prefers short, on probabilities long."""
    scores, mask = flat([[-1.0, -1.0, -1.0], [1.0]])
    logits = Aggregation("sum")(scores, mask)
    chances = Aggregation("sum")(1 / (1 + np.exp(-scores)), mask)

    assert logits[0] < logits[1]
    assert chances[0] > chances[1]


def test_one_passage_is_its_document_under_every_rule() -> None:
    for rule in RULES:
        assert Aggregation(rule)(np.array([[2.5]]), np.array([[True]])).tolist() == [2.5]


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="no aggregation 'maxp'; known: first, max"):
        Aggregation("maxp")
    with pytest.raises(ConfigError, match="k is 0"):
        Aggregation("top-mean", k=0)
    with pytest.raises(ConfigError, match=r"decay is 1\.5"):
        Aggregation("decayed", decay=1.5)
    with pytest.raises(InputError, match="without a first passage"):
        Aggregation()(np.zeros((2, 2)), np.array([[True, False], [False, False]]))
    with pytest.raises(InputError, match="under a mask of shape"):
        Aggregation()(np.zeros((2, 2)), np.ones((2, 3), bool))
