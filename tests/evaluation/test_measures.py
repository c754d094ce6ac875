"""Names of measures, the engines' inputs, and what can not change a value."""

from __future__ import annotations

import random

import ir_measures
import pytest

from periti.errors import InputError, MissingDependency
from periti.evaluation import DEFAULTS, Policy, evaluate, parse, per_query
from periti.evaluation.measures import known_measures, require_engine

from .test_exact import TOY_QRELS, TOY_RUN
from .trec_files import qrels_from, run_from

REFUSED = [
    ("ndcg@10", "did you mean 'nDCG'"),
    ("nDGC@10", "did you mean 'nDCG'"),
    ("recip_rank", "spelled RR here"),
    ("ndcg_cut_10", "spelled nDCG@10 here"),
    ("P_5", "spelled P@5 here"),
    ("P", "it needs cutoff"),
    ("P@0", "counts documents from 1"),
    ("nDCG@ten", "write it like nDCG@10"),
    ("AP(rel='x')", "invalid param rel"),
    ("NumQ@5", "unsupported params"),
    ("RBP(p=2.0)", "between 0 and 1"),
    ("alpha_nDCG@10", "judgements per sub-topic"),
    ("", "can not be read"),
]


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_a_bad_name_is_one_sentence_that_says_what_to_write(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        parse([name])
    assert "\n" not in str(caught.value)


def test_a_measure_of_an_absent_engine_says_what_to_install() -> None:
    # Every family of this ir-measures is defined here; a later one may bring a family that is not.
    parsed = ir_measures.parse_measure("INST(T=1.0,max_rel=3)")
    with pytest.raises(MissingDependency, match="pip install"):
        require_engine(parsed, "INST(T=1.0,max_rel=3)")


def test_no_measure_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        parse([])


def test_the_default_measures_parse_to_their_own_names() -> None:
    assert tuple(measure.name for measure in parse(DEFAULTS)) == DEFAULTS


def test_aliases_are_one_measure_and_are_kept_once() -> None:
    names = [measure.name for measure in parse(["MRR@10", "RR@10", "Judged@10", "judged@10", " P(rel=1)@5", "P@5"])]
    assert names == ["RR@10", "judged@10", "P@5"]


def test_min_rel_applies_to_binary_measures_that_name_no_level() -> None:
    names = [m.name for m in parse(["P@5", "AP(rel=3)", "nDCG@10", "RBP", "judged@10", "RR@10"], min_rel=2)]
    assert names == ["P(rel=2)@5", "AP(rel=3)", "nDCG@10", "RBP", "judged@10", "RR(rel=2)@10"]


def test_min_rel_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="1 or more"):
        parse(["P@5"], min_rel=0)


def test_known_measures_can_be_listed_without_those_that_need_subtopics() -> None:
    assert {"nDCG", "judged", "SetF"} <= set(known_measures())
    assert "alpha_nDCG" not in known_measures()


def test_a_tied_run_has_one_value_whatever_engine_computes_it() -> None:
    # trec_eval puts d1 last of four tied documents, the msmarco engine first; both must see rank 4.
    qrels = qrels_from([("q", "d1", 1)])
    run = run_from([("q", doc, 1.0) for doc in ("d1", "d2", "d3", "d4")])
    measures = parse(["RR", "RR@10", "Success@3", "Success@4", "Accuracy", "Compat(p=0.5)"])
    for engines in (False, True):
        values = dict(per_query(run, qrels, measures, engines=engines).select("measure", "value").iter_rows())
        assert [values[name] for name in ("RR", "RR@10", "Success@3", "Success@4", "Accuracy")] == [0.25, 0.25, 0, 1, 0]
        reference = run_from([("q", f"d{i}", float(i)) for i in (1, 2, 3, 4)])
        expected = per_query(reference, qrels, parse(["Compat(p=0.5)"]), engines=engines)["value"][0]
        assert values["Compat(p=0.5)"] == expected


def test_scores_that_only_a_double_tells_apart_are_a_tie_for_every_engine() -> None:
    qrels = qrels_from([("q", "a", 1)])
    run = run_from([("q", "a", 1.00000001), ("q", "b", 1.0)])
    measures = parse(["RR", "RR@10"])
    for engines in (False, True):
        assert per_query(run, qrels, measures, engines=engines)["value"].to_list() == [0.5, 0.5]


def test_the_order_of_rows_changes_nothing() -> None:
    rows = [(f"q{q}", f"d{d}", float((q * d) % 4)) for q in range(5) for d in range(8)]
    judged = [(f"q{q}", f"d{d}", (q + d) % 3) for q in range(5) for d in range(0, 8, 2)]
    expected = per_query(run_from(rows), qrels_from(judged), parse(DEFAULTS))
    random.Random(7).shuffle(rows)
    random.Random(8).shuffle(judged)
    assert per_query(run_from(rows), qrels_from(judged), parse(DEFAULTS)).equals(expected)


def test_evaluation_leaves_its_inputs_as_they_were() -> None:
    run, qrels = run_from(TOY_RUN), qrels_from(TOY_QRELS)
    before = run.frame.clone(), qrels.frame.clone()
    measures = parse([*DEFAULTS, "nDCG(gains={1:5})@3", "SetP", "Compat"])
    for engines in (False, True):
        per_query(run, qrels, measures, engines=engines)
    evaluate(run, qrels, measures)
    assert run.frame.equals(before[0])
    assert qrels.frame.equals(before[1])


def test_every_judged_query_has_a_row_and_missing_ones_are_zero_for_every_engine() -> None:
    qrels = qrels_from([("q1", "a", 1), ("q2", "a", 1), ("q3", "a", 1)])
    run = run_from([("q2", "a", 1.0), ("q9", "a", 1.0)])
    for engines in (False, True):
        frame = per_query(run, qrels, parse(["RR@10", "SetP"]), engines=engines)
        assert frame.rows() == [
            *[("q1", "RR@10", 0.0), ("q2", "RR@10", 1.0), ("q3", "RR@10", 0.0)],
            *[("q1", "SetP", 0.0), ("q2", "SetP", 1.0), ("q3", "SetP", 0.0)],
        ]


def test_skipped_queries_are_null_not_zero() -> None:
    qrels = qrels_from([("q1", "a", 1), ("q2", "a", 1)])
    frame = per_query(run_from([("q2", "a", 1.0)]), qrels, parse(["P@1"]), Policy(missing="skip"))
    assert frame["value"].to_list() == [None, 1.0]


def test_a_rule_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"missing='skp' is no rule; did you mean 'skip'"):
        Policy(missing="skp")  # type: ignore[arg-type]
