"""Denominators, counts, warnings, and runs of another collection."""

from __future__ import annotations

import pytest

from periti.errors import CollectionMismatch
from periti.evaluation import Policy, evaluate, parse
from periti.evaluation.summary import tied_pairs
from periti.types import Run

from .trec_files import qrels_from, run_from

# q1 answered, q2 missing, q3 answered and without a relevant document; q9 is not judged.
QRELS = qrels_from([("q1", "a", 2), ("q1", "b", 0), ("q2", "a", 1), ("q3", "c", 0)])
RUN = run_from([("q1", "b", 1.0), ("q1", "a", 1.0), ("q3", "c", 1.0), ("q9", "a", 1.0)])


def test_counts_say_what_the_numbers_are_over() -> None:
    counts = evaluate(RUN, QRELS, parse(["P@1"])).counts
    assert (counts.judged, counts.answered, counts.missing, counts.unjudged) == (3, 2, 1, 1)
    assert (counts.without_relevant, counts.retrieved, counts.tied_pairs) == (1, 3, 1)


@pytest.mark.parametrize(
    ("policy", "rr", "n"),
    [
        (Policy(), 0.5 / 3, 3),
        (Policy(missing="skip"), 0.5 / 2, 2),
        (Policy(no_relevant="exclude"), 0.5 / 2, 2),
        (Policy(missing="skip", no_relevant="exclude"), 0.5, 1),
    ],
)
def test_each_rule_changes_the_denominator_as_it_says(policy: Policy, rr: float, n: int) -> None:
    evaluation = evaluate(RUN, QRELS, parse(["RR"]), policy=policy)
    assert evaluation.values["RR"] == pytest.approx(rr)
    assert evaluation.denominators["RR"] == n


def test_excluding_queries_without_relevant_documents_follows_each_measures_own_level() -> None:
    evaluation = evaluate(
        RUN, QRELS, parse(["RR", "RR(rel=2)", "nDCG", "judged@10"]), policy=Policy(no_relevant="exclude")
    )
    assert dict(evaluation.denominators) == {"RR": 2, "RR(rel=2)": 1, "nDCG": 2, "judged@10": 3}


def test_counts_add_up_instead_of_being_averaged() -> None:
    values = evaluate(RUN, QRELS, parse(["NumQ", "NumRet", "NumRel", "NumRelRet"])).values
    assert list(values.values()) == [3.0, 3.0, 2.0, 1.0]


def test_a_value_without_any_counted_query_is_none() -> None:
    qrels = qrels_from([("q1", "a", 0)])
    evaluation = evaluate(run_from([("q1", "a", 1.0)]), qrels, parse(["AP"]), policy=Policy(no_relevant="exclude"))
    assert evaluation.values["AP"] is None
    assert evaluation.denominators["AP"] == 0


def test_deleting_ten_queries_from_a_run_lowers_every_mean() -> None:
    qrels = qrels_from([(f"q{i:02}", "a", 1) for i in range(30)])
    whole = run_from([(f"q{i:02}", doc, score) for i in range(30) for doc, score in (("a", 2.0), ("b", 1.0))])
    part = Run(whole.name, whole.frame.filter(whole.frame["query_id"] >= "q10"))
    measures = parse(["nDCG@10", "AP", "R@10", "RR@10", "P@5"])
    full, cut = evaluate(whole, qrels, measures), evaluate(part, qrels, measures)
    for measure in measures:
        before, after = full.values[measure.name], cut.values[measure.name]
        assert before is not None
        assert after == pytest.approx(before * 20 / 30)
    assert "no documents for 10 of 30 judged queries" in cut.warnings[0]


def test_partial_overlap_is_a_warning_with_the_counts() -> None:
    warnings = evaluate(RUN, QRELS, parse(["P@1"])).warnings
    assert [warning.split(";")[0] for warning in warnings] == [
        "run 'run' has no documents for 1 of 3 judged queries",
        "1 of 3 queries of run 'run' are not judged",
        "1 of 3 judged queries have no relevant document",
    ]


def test_a_run_of_other_queries_is_refused_with_an_example_of_each() -> None:
    with pytest.raises(CollectionMismatch, match=r"share no query: the run has e.g. 'x1', the judgements 'q1'"):
        evaluate(run_from([("x1", "a", 1.0)]), QRELS, parse(["P@1"]))


def test_a_run_of_other_documents_is_refused_unless_the_caller_vouches_for_it() -> None:
    run = run_from([("q1", "z", 1.0)])
    with pytest.raises(CollectionMismatch, match="share no document"):
        evaluate(run, QRELS, parse(["P@1"]))
    assert evaluate(run, QRELS, parse(["P@1"]), same_collection=True).values == {"P@1": 0.0}


def test_a_run_whose_documents_are_judged_for_other_queries_is_merely_bad() -> None:
    assert evaluate(run_from([("q1", "c", 1.0)]), QRELS, parse(["P@1"])).values == {"P@1": 0.0}


def test_an_empty_run_scores_zero_and_says_so() -> None:
    evaluation = evaluate(Run.empty("none"), QRELS, parse(["AP", "SetP", "judged@10"]))
    assert list(evaluation.values.values()) == [0.0, 0.0, 0.0]
    assert "no documents for 3 of 3" in evaluation.warnings[0]


def test_tied_pairs_are_counted_from_the_documents_that_are_seen() -> None:
    # Four tied documents, of which two are seen: 3 pairs of the first, 2 more of the second.
    run = run_from([("q", doc, 1.0) for doc in "abcd"])
    assert (tied_pairs(run, 2), tied_pairs(run, 4), tied_pairs(run, 10)) == (5, 6, 6)
    assert tied_pairs(run_from([("q", "a", 2.0), ("q", "b", 1.0)]), 10) == 0
