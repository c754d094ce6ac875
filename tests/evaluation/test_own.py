"""Measures that ir-measures lacks: their spellings, and values by hand."""

from __future__ import annotations

import pytest

from periti.errors import InputError
from periti.evaluation import evaluate, parse

from .trec_files import qrels_from, run_from

# q1: 4 shown, 1 judged of the first 2; q2: 1 shown, judged.
QRELS = qrels_from([("q1", "a", 1), ("q1", "b", 0), ("q2", "c", 1), ("q2", "d", 1)])
RUN = run_from([("q1", "a", 4.0), ("q1", "x", 3.0), ("q1", "b", 2.0), ("q1", "y", 1.0), ("q2", "c", 1.0)])

SPELLED = [
    ("judged@10", "judged@10"),
    ("WSS(recall=0.9)@1", ""),
    ("WSS@0.95", "WSS@0.95"),
    ("WSS(rounding='half_even')@0.950", "WSS@0.95"),
    ("WSS(rounding='ceil')@0.95", "WSS(rounding='ceil')@0.95"),
    ("RBP_residual(p=0.8)@5", "RBP_residual@5"),
    ("RBP_residual(p=.5)", "RBP_residual(p=0.5)"),
    ("Utility(found=2,wrong=-1)", "Utility(found=2.0)"),
    ("RprecMult(rel=2)@0.5", "RprecMult(rel=2)@0.5"),
    ("NCG@10", "NCG@10"),
]

REFUSED = [
    ("WSS", "it needs recall"),
    ("WSS@95", "between 0 and 1"),
    ("WSS(rounding='floor')@0.95", "no rounding 'floor'"),
    ("WSS(rounding=ceil)@0.95", "is not like rounding='half_even'"),
    ("last_rel@10", "nothing after @"),
    ("NCG@ten", "not a whole number"),
    ("GMAP@0", "from 1"),
    ("RBP_residual(p=1.0)", "between 0 and 1"),
    ("norm_area(p=2)", "no parameter 'p'"),
]


@pytest.mark.parametrize(("written", "name"), [case for case in SPELLED if case[1]])
def test_a_spelling_has_one_canonical_form(written: str, name: str) -> None:
    assert [measure.name for measure in parse([written])] == [name]


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_a_bad_spelling_is_one_sentence(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        parse([name])
    assert "\n" not in str(caught.value)


def test_min_rel_applies_to_our_own_binary_measures() -> None:
    names = [m.name for m in parse(["GMAP", "last_rel", "xinfAP(rel=3)", "judged_micro@5"], min_rel=2)]
    assert names == ["GMAP(rel=2)", "last_rel(rel=2)", "xinfAP(rel=3)", "judged_micro@5"]


def test_judged_averages_queries_and_judged_micro_documents() -> None:
    # At 2: 1 of 2 and 1 of 1; at all: 2 of 4 and 1 of 1.
    evaluation = evaluate(RUN, QRELS, parse(["judged@2", "judged_micro@2", "judged", "judged_micro"]))
    assert list(evaluation.values.values()) == pytest.approx([0.75, 2 / 3, 0.75, 3 / 5])


def test_a_geometric_mean_floors_queries_that_found_nothing() -> None:
    qrels = qrels_from([("q1", "a", 1), ("q2", "c", 1)])
    run = run_from([("q1", "x", 2.0), ("q1", "a", 1.0), ("q2", "x", 1.0)])
    evaluation = evaluate(run, qrels, parse(["GMAP", "GMBpref"]))
    assert evaluation.values["GMAP"] == pytest.approx((0.5 * 1e-5) ** 0.5)
    assert evaluation.values["GMBpref"] == pytest.approx((1.0 * 1e-5) ** 0.5)


def test_beta_of_the_set_measure_is_beta_and_not_its_square() -> None:
    # q1: P 1/4, R 1; q2: P 1, R 1/2; F2 = 5PR / (4P + R)
    evaluation = evaluate(RUN, QRELS, parse(["SetF(beta=2.0)"]))
    assert evaluation.per_query["value"].to_list() == pytest.approx([1.25 / 2.0, 2.5 / 4.5])


def test_counts_of_judged_non_relevant_documents_are_summed() -> None:
    assert evaluate(RUN, QRELS, parse(["NumNonrelRet"])).values == {"NumNonrelRet": 1.0}


def test_utility_weighs_what_is_found_wrong_and_missed() -> None:
    evaluation = evaluate(RUN, QRELS, parse(["Utility(found=3,wrong=-1,missed=-2)"]))
    assert evaluation.per_query["value"].to_list() == [3.0 - 3.0, 3.0 - 2.0]
