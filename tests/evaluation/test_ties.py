"""Expected values and bounds over tied orders, against every order written out."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import InputError
from periti.evaluation import Policy, evaluate, parse, per_query

from .trec_files import qrels_from, run_from

DOCS = "abcde"
EXPECTED = Policy(order="expected")
NAMES = (
    *("P@2", "R@3", "R(rel=2)@2", "Rprec", "Success@1", "Success@2", "AP", "AP@2", "AP(rel=2)", "RR", "RR@2"),
    *("nDCG", "nDCG@2", "nDCG(dcg='exp-log2')@3", "nDCG(gains={1:5,2:1})@2", "RBP(p=0.7)", "RBP(rel=1)@2"),
    *("RBP_residual", "RBP_residual(p=0.5)@2", "judged@2", "AP(judged_only=True)", "P(judged_only=True)@2"),
)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.sampled_from(DOCS), st.sampled_from([0.0, 1.0, 2.0]), min_size=1),
    st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), min_size=1),
)
def test_values_are_the_mean_and_the_extremes_over_every_order(
    scores: dict[str, float], grades: dict[str, int]
) -> None:
    orders = [o for o in permutations(scores) if all(scores[a] >= scores[b] for a, b in pairwise(o))]
    # Every order is a query of its own, with scores that do not tie.
    rows = [(str(n), doc, float(-i)) for n, order in enumerate(orders) for i, doc in enumerate(order)]
    judged = [(str(n), doc, grade) for n in range(len(orders)) for doc, grade in grades.items()]
    measures = parse(NAMES)
    every = per_query(run_from(rows), qrels_from(judged), measures)
    evaluation = evaluate(
        run_from([("q", doc, score) for doc, score in scores.items()]),
        qrels_from([("q", doc, grade) for doc, grade in grades.items()]),
        measures,
        policy=EXPECTED,
        same_collection=True,
    )
    assert evaluation.bounds is not None
    for (name,), part in every.group_by("measure"):
        values = part["value"].to_numpy()
        found = (evaluation.values[str(name)], *evaluation.bounds[str(name)])
        assert found == pytest.approx((float(np.mean(values)), values.min(), values.max()), abs=1e-9), name


def test_a_fully_tied_run_has_the_mean_reciprocal_rank_of_a_random_order() -> None:
    run = run_from([("q", doc, 1.0) for doc in "abcd"])
    evaluation = evaluate(run, qrels_from([("q", "d", 1)]), parse(["RR"]), policy=EXPECTED)
    assert evaluation.values["RR"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert evaluation.bounds == {"RR": (0.25, 1.0)}


def test_a_run_without_ties_has_its_usual_values_and_no_room() -> None:
    run = run_from([("q", doc, float(i)) for i, doc in enumerate("abcd")])
    qrels = qrels_from([("q", "b", 1), ("q", "d", 2)])
    measures = parse(["AP", "nDCG@3", "RR"])
    usual, tied = evaluate(run, qrels, measures), evaluate(run, qrels, measures, policy=EXPECTED)
    assert list(tied.values.values()) == pytest.approx(list(usual.values.values()))
    assert all(low == pytest.approx(high) for low, high in (tied.bounds or {}).values())


def test_scores_that_only_a_double_tells_apart_tie() -> None:
    run = run_from([("q", "a", 1.00000001), ("q", "b", 1.0)])
    evaluation = evaluate(run, qrels_from([("q", "a", 1)]), parse(["P@1"]), policy=EXPECTED)
    assert evaluation.values == {"P@1": 0.5}


def test_a_measure_without_a_known_expectation_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="expected value of Bpref over tied orders is not known; known: AP"):
        evaluate(run_from([("q", "a", 1.0)]), qrels_from([("q", "a", 1)]), parse(["Bpref"]), policy=EXPECTED)
