"""The definitions against a hand-computed table, a slow oracle, and ir-measures' engines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import InputError
from periti.evaluation import Policy, evaluate, parse, per_query
from periti.evaluation.exact import DEFINITIONS
from periti.types import Qrels, Run

from . import oracle
from .trec_files import qrels_from, run_from

# One query, six documents, one of them unjudged; every value of the reference's toy table.
TOY_QRELS = [("q", "d1", 3), ("q", "d2", 0), ("q", "d3", 1), ("q", "d4", 2), ("q", "d5", 0)]
TOY_RUN = [("q", "d2", 5.0), ("q", "d1", 4.0), ("q", "dX", 3.0), ("q", "d3", 2.0), ("q", "d5", 1.0), ("q", "d4", 0.5)]
TOY = [
    ("nDCG@5", 0.487932),
    ("nDCG", 0.637541),
    ("nDCG(dcg='exp-log2')@5", 0.516054),
    ("nDCG(judged_only=True)@5", 0.664970),
    ("P@5", 0.4),
    ("R@5", 0.666667),
    ("P(rel=2)@5", 0.2),
    ("infAP", 0.500002),
    ("RBP(p=0.8,rel=1)", 0.327936),
    ("RBP_residual(p=0.8)", 0.390144),
    ("AP", 0.5),
    ("AP(rel=2)", 0.416667),
    ("AP(judged_only=True)", 0.588889),
    ("RR", 0.5),
    ("Rprec", 0.333333),
    ("Bpref", 0.333333),
    ("Bpref(rel=2)", 0.25),
    ("judged@5", 0.8),
    # 7/16 at rank 2 and 1/16 at rank 4 after 9/16: .21875 + .0087890625; gdeval prints .22754
    ("ERR@5", 0.227539),
]

SAMPLED = Policy(sampled=True)
QUERIES, DOCS = ("q1", "q2", "q3"), ("a", "b", "c", "d", "e", "f", "g")
SPELLINGS = (
    *("nDCG@3", "nDCG", "nDCG(gains={1:5,2:1})@4", "P@3", "P(rel=2)@5", "R@4", "R(rel=2)@2", "AP", "AP(rel=2)@3"),
    *("RR", "RR@2", "RR(rel=2)", "Rprec", "Rprec(rel=2)", "Bpref", "Bpref(rel=2)", "infAP", "infAP(rel=2)"),
    *("SetP", "SetR(rel=2)", "SetF", "SetAP", "SetP(relative=True)", "SetP(judged_only=True)"),
    *("Success@2", "Success(rel=2)@1", "AP(judged_only=True)", "P(judged_only=True)@3", "nDCG(judged_only=True)@3"),
)


@st.composite
def judged_runs(draw: st.DrawFn, lowest: int = 0) -> tuple[Run, Qrels]:
    """A run full of ties and its judgements; queries may be missing on either side."""
    pairs = st.tuples(st.sampled_from(QUERIES), st.sampled_from(DOCS))
    grades = draw(st.dictionaries(pairs, st.integers(lowest, 3), min_size=1))
    scores = draw(st.dictionaries(pairs, st.sampled_from([0.0, 0.5, 1.0, -1.0])))
    run = run_from([(query, doc, score) for (query, doc), score in scores.items()])
    return run, qrels_from([(query, doc, grade) for (query, doc), grade in grades.items()])


@pytest.mark.parametrize(("name", "value"), TOY)
def test_the_toy_table_is_reproduced_to_six_decimals(name: str, value: float) -> None:
    evaluation = evaluate(run_from(TOY_RUN), qrels_from(TOY_QRELS), parse([name]), policy=SAMPLED)
    assert next(iter(evaluation.values.values())) == pytest.approx(value, abs=5.1e-7)


@given(judged_runs(lowest=-1), st.integers(1, 8))
def test_definitions_agree_with_the_slow_oracle_on_any_run(case: tuple[Run, Qrels], k: int) -> None:
    run, qrels = case
    ours = per_query(
        run, qrels, parse([f"nDCG@{k}", f"nDCG(dcg='exp-log2')@{k}", f"P@{k}", f"R@{k}", f"RR@{k}", f"AP@{k}"])
    )
    by_query = ours["value"].to_list()
    tables = oracle.tables(run, qrels)
    theirs = [
        function(*tables[query], k)
        for function in (
            oracle.ndcg,
            lambda docs, grades, k: oracle.ndcg(docs, grades, k, exponential=True),
            oracle.precision,
            oracle.recall,
            oracle.reciprocal_rank,
            oracle.average_precision,
        )
        for query in qrels.query_ids
    ]
    assert by_query == pytest.approx(theirs, abs=1e-12)


@settings(deadline=None)
@given(judged_runs())
def test_definitions_agree_with_the_engines_of_ir_measures_on_any_run(case: tuple[Run, Qrels]) -> None:
    run, qrels = case
    # ir_measures 0.4.3 computes a plain nDCG with the gains of another one that happens to come first in its set, an
    # order that differs between processes; so measures with gains of their own are asked for by themselves.
    own_gains = [name for name in SPELLINGS if "gains" in name]
    for names in ([name for name in SPELLINGS if name not in own_gains], own_gains):
        measures = parse(names)
        ours, theirs = (per_query(run, qrels, measures, SAMPLED, engines=engines) for engines in (False, True))
        assert ours.select("query_id", "measure").equals(theirs.select("query_id", "measure"))
        assert ours["value"].to_list() == pytest.approx(theirs["value"].to_list(), abs=1e-9)


@settings(deadline=None)
@given(judged_runs(lowest=-1))
def test_inferred_ap_of_sampled_judgements_agrees_with_trec_eval(case: tuple[Run, Qrels]) -> None:
    run, qrels = case
    measures = parse(["infAP", "Bpref", "AP", "nDCG"])
    ours, theirs = (per_query(run, qrels, measures, SAMPLED, engines=engines) for engines in (False, True))
    assert ours["value"].to_list() == pytest.approx(theirs["value"].to_list(), abs=1e-9)


@given(judged_runs(lowest=-1))
def test_every_definition_gives_numbers_between_0_and_1_or_counts(case: tuple[Run, Qrels]) -> None:
    run, qrels = case
    names = ["P@3", "R@3", "Success@3", "IPrec@0.5", "AP", "nDCG", "judged@3", "RBP", "RBP_residual", "ERR", "infAP"]
    values = per_query(run, qrels, parse(names), SAMPLED)["value"]
    # infAP's smoothing may pass 1 by its epsilon.
    assert values.null_count() == 0
    assert values.is_between(0, 1 + 1e-5).all()


def test_a_query_with_negative_judgements_only_does_not_hang_an_engine() -> None:
    qrels = qrels_from([("q1", "a", 1), ("q2", "b", -1)])
    run = run_from([("q1", "a", 1.0), ("q2", "b", 1.0)])
    assert per_query(run, qrels, parse(["SetP"]), engines=True)["value"].to_list() == [1.0, 0.0]


def test_bpref_is_defined_when_nothing_was_judged_non_relevant() -> None:
    qrels = qrels_from([("q", "d1", 1), ("q", "d2", 1)])
    run = run_from([("q", "d9", 2.0), ("q", "d1", 1.0)])
    assert evaluate(run, qrels, parse(["Bpref"])).values == {"Bpref": 0.5}


def test_a_pooled_but_unjudged_document_is_not_counted_as_judged() -> None:
    qrels = qrels_from([("q", "d1", 1), ("q", "d2", -1)])
    run = run_from([("q", "d1", 2.0), ("q", "d2", 1.0)])
    assert evaluate(run, qrels, parse(["judged@2"])).values == {"judged@2": 0.5}


def test_judged_divides_by_what_was_retrieved_when_that_is_less_than_the_cutoff() -> None:
    run = run_from([("q", "d1", 2.0), ("q", "dX", 1.0)])
    assert evaluate(run, qrels_from(TOY_QRELS), parse(["judged@10"])).values == {"judged@10": 0.5}


def test_graded_rank_biased_precision_divides_grades_by_the_highest_judged() -> None:
    # gains 0, 3/3, 0, 1/3, 0, 2/3 at persistence .5: .25 + 1/48 + 1/96
    evaluation = evaluate(run_from(TOY_RUN), qrels_from(TOY_QRELS), parse(["RBP(p=0.5)"]))
    assert evaluation.values["RBP(p=0.5)"] == pytest.approx(0.25 + 1 / 48 + 1 / 96)


def test_interpolated_precision_rounds_the_share_of_relevant_documents_to_the_nearest() -> None:
    # 3 relevant: recall .4 asks for round(1.2) = 1 document, .6 for round(1.8) = 2.
    evaluation = evaluate(run_from(TOY_RUN), qrels_from(TOY_QRELS), parse(["IPrec@0.4", "IPrec@0.6", "IPrec@1.0"]))
    assert list(evaluation.values.values()) == [0.5, 0.5, 0.5]


def test_err_refuses_grades_that_gdeval_does_not_know() -> None:
    with pytest.raises(InputError, match="grade 5"):
        evaluate(run_from([("q", "d", 1.0)]), qrels_from([("q", "d", 5)]), parse(["ERR@5"]))


def test_every_definition_says_what_it_returns() -> None:
    assert all((function.__doc__ or "").strip() for function in DEFINITIONS.values())
