from __future__ import annotations

import json

import numpy as np
import pytest

from periti.errors import InputError, UnknownName
from periti.evaluation import evaluate, parse
from periti.evaluation.adjudication import report
from periti.evaluation.adjudication.left_out import leave_out
from periti.evaluation.adjudication.methods import METHODS
from periti.evaluation.adjudication.orders import Budget, Mode, follow, judged_grades
from periti.evaluation.adjudication.pool import build_pool
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.adjudication.simulate import Design, Simulation, simulate
from periti.evaluation.adjudication.summary import summarise
from periti.types import Run
from tests.evaluation.adjudication.toy import qrels, random_pool, run, toy_pool, toy_qrels, toy_runs

AP = parse(["AP"])[0]
MEASURES = ("AP", "AP(rel=2)@3", "nDCG@3", "nDCG(dcg='exp-log2')@5", "P@2", "R@3", "RR", "Bpref")
ESTIMATED = MEASURES[:-2]


@pytest.mark.parametrize("name", MEASURES)
def test_scores_of_the_whole_pool_are_those_of_evaluate(name: str) -> None:
    found = Scorer(toy_pool(), parse([name])[0]).scores(toy_pool().grades)
    # The pool's judgements count what qrels lack as not relevant: add those lines.
    grades = {
        (topic.query_id, doc): int(g)
        for topic in toy_pool().topics
        for doc, g in zip(topic.doc_ids, topic.grades, strict=True)
    }
    for column, one in enumerate(toy_runs()):
        values = evaluate(one, qrels(grades), parse([name])).per_query.sort("query_id")["value"].to_list()
        assert found[:, column].tolist() == pytest.approx(values)


def test_a_document_that_is_not_judged_is_not_relevant() -> None:
    # q1 of A: d1 d2 d3 d4; only d2 is known to be relevant, R = 1: AP 1/2. C has it second too, B first.
    grades = np.full(12, -1)
    grades[1] = 1
    assert Scorer(toy_pool(), AP).scores(grades)[0].tolist() == [0.5, 1.0, 0.5]


@pytest.mark.parametrize("name", ESTIMATED)
@pytest.mark.parametrize(("amount", "mode"), [(1.0, "per_topic_share"), (1.0, "global")])
def test_the_whole_pool_reproduces_gold_by_every_method(name: str, amount: float, mode: Mode) -> None:
    budgets = (Budget(amount, mode),)
    found = simulate(random_pool(4), parse([name])[0], Design(budgets=budgets, seeds=(0, 1), tests=("t+holm", "hsd")))
    assert len(found.outcomes) == len(METHODS) * 2
    for one in found.outcomes:
        assert one.scores == pytest.approx(found.gold, abs=1e-12), one.method
        assert one.ranks.tau == pytest.approx(1.0)
        assert one.judged == len(found.pool)
        for test, counted in one.pairs.items():
            assert counted.aa == found.verdicts[test].significant.sum()
            assert counted.aa + counted.pa + counted.ties == counted.pairs


def small(seeds: tuple[int, ...] = (0, 1, 2), **changes: object) -> Simulation:
    design = Design(budgets=(Budget(0.3), Budget(0.6)), seeds=seeds, **changes)  # type: ignore[arg-type]
    return simulate(random_pool(5), AP, design)


def test_outcomes_come_by_method_budget_and_seed_and_count_what_was_found() -> None:
    found = small(methods=("depth", "ts"))
    assert [(one.method, one.budget.amount, one.seed) for one in found.outcomes] == [
        (method, amount, seed) for method in ("depth", "ts") for amount in (0.3, 0.6) for seed in (0, 1, 2)
    ]
    one = found.outcomes[0]
    orders = [follow("depth", topic, seed=0, limit=Budget(0.3).most(len(topic))) for topic in found.pool.topics]
    grades = judged_grades(found.pool, orders, np.array([len(order.docs) for order in orders]))
    assert (one.judged, one.relevant) == (int((grades >= 0).sum()), int((grades > 0).sum()))


def test_a_seed_gives_the_same_whatever_the_order_of_runs_rows_and_seeds() -> None:
    def shuffled(one: Run, seed: int) -> Run:
        return Run.of(one.frame.sample(fraction=1.0, shuffle=True, seed=seed), one.name)

    mixed = [shuffled(one, number) for number, one in enumerate(reversed(toy_runs()))]
    first = simulate(toy_pool(), AP, Design(budgets=(Budget(0.5),), seeds=(0, 1)))
    pool = build_pool(mixed, toy_qrels(), depth=4)
    second = simulate(pool, AP, Design(budgets=(Budget(0.5),), seeds=(1, 0)))
    for one in first.outcomes:
        other = next(two for two in second.outcomes if (two.method, two.seed) == (one.method, one.seed))
        assert one.scores.tolist() == other.scores.tolist()


def test_a_query_more_changes_nothing_for_the_others() -> None:
    whole = toy_pool()
    alone = build_pool([run(one.name, {"q2": one.doc_ids("q2")}) for one in toy_runs()], toy_qrels(), depth=4)
    for method in METHODS:
        both = [follow(method, pool.topics[1], seed=9, limit=6).docs.tolist() for pool in (whole, alone)]
        assert both[0] == both[1]


def test_active_sampling_is_refused_where_nothing_can_be_estimated() -> None:
    with pytest.raises(InputError, match="method active has no estimate of RR; leave the method out"):
        simulate(toy_pool(), parse(["RR"])[0], Design(methods=("active",)))


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"methods": ()}, InputError, "methods are \\[\\]; give one or more"),
        ({"seeds": (1, 1)}, InputError, "each once"),
        ({"seeds": (-1,)}, InputError, "a seed is -1"),
        ({"methods": ("mft",)}, UnknownName, "did you mean 'mtf'"),
        ({"tests": ("tukey",)}, InputError, "no test of pairs named 'tukey'"),
        ({"alpha": 1.0}, InputError, "alpha is 1"),
    ],
)
def test_a_design_that_is_none_is_refused(changes: dict[str, object], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        Design(**changes)  # type: ignore[arg-type]


def test_a_simulation_needs_two_runs_two_queries_and_something_relevant() -> None:
    with pytest.raises(InputError, match="one run \\(A\\) is given"):
        simulate(build_pool(toy_runs()[:1], toy_qrels()), AP)
    with pytest.raises(InputError, match="1 query is judged"):
        simulate(build_pool(toy_runs(), qrels({("q1", "d1"): 1})), AP)
    with pytest.raises(InputError, match="the pool holds no relevant document"):
        simulate(build_pool(toy_runs(), qrels({("q1", "d1"): 0, ("q2", "e1"): 0})), AP)
    with pytest.raises(InputError, match="99 documents a query, but the pool of query 'q1' holds 6"):
        simulate(toy_pool(), AP, Design(budgets=(Budget(99, "per_topic_fixed"),)))


@pytest.mark.parametrize("name", ["NumRet", "judged@10", "GMAP"])
def test_measures_that_are_no_means_of_relevance_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="can not be followed through partial judgements"):
        Scorer(toy_pool(), parse([name])[0])


def test_a_summary_averages_seeds_and_sets_methods_against_depth() -> None:
    found = small(methods=("depth", "ts", "random"))
    summary = summarise(found, replicates=50)
    for row in summary.of("hsd", Budget(0.3)):
        counts = [one.pairs["hsd"].aa for one in found.of(row.method, Budget(0.3))]
        assert row.values["aa"].mean == pytest.approx(np.mean(counts))
        assert row.values["aa"].deviation == pytest.approx(np.std(counts, ddof=1))
        assert row.values["aa"].low <= row.values["aa"].high
        assert (row.beyond is None) == (row.method == "depth")
    depth, ts, _ = summary.of("hsd", Budget(0.3))
    assert ts.beyond is not None
    assert ts.beyond.mean == pytest.approx(ts.values["aa"].mean - depth.values["aa"].mean)


def test_a_summary_repeats_for_a_seed_and_has_no_intervals_without_replicates() -> None:
    found = small(methods=("depth", "ts"))
    texts = [report.as_json(summarise(found, replicates=20, seed=seed)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert summarise(found, replicates=0).rows[0].as_data()["aa"]["low"] is None


def test_reports_hold_every_method_and_the_rules() -> None:
    summary = summarise(small(methods=("depth", "hedge")), replicates=10)
    data = json.loads(report.as_json(summary, {"notes": ["said"]}))
    assert (data["measure"], data["notes"], len(data["rows"])) == ("AP", ["said"], 2 * 2 * 2)
    for written in (report.text(summary), report.markdown(summary)):
        assert "hedge" in written
        assert "Tukey's HSD for randomised blocks, the same on both sides" in written
        assert "not relevant" in written


def test_a_run_that_did_not_contribute_loses_its_own_relevant_documents() -> None:
    # Depth 1: A alone brings a1 (relevant) to q1 and q2; B and C bring b1. Without A its AP is 0 on both queries.
    runs = [run("A", {"q1": ["a1"], "q2": ["a1"]}), *(run(n, {"q1": ["b1"], "q2": ["b1"]}) for n in "BC")]
    judged = qrels({("q1", "a1"): 1, ("q1", "b1"): 1, ("q2", "a1"): 1, ("q2", "b1"): 1})
    scorer = Scorer(build_pool(runs, judged, depth=1), AP)
    found = leave_out(scorer, ["depth"], budget=Budget(1.0))[0]
    # With it R = 2 and every run has AP 1/2. B loses nothing: C brings the same document.
    assert found.change.tolist() == [-0.5, 0.0, 0.0]
    assert found.places.tolist() == [2, 0, 0]
    assert (found.mean_change, found.worst_change, found.most_places) == (-0.5 / 3, -0.5, 2)
    team = leave_out(scorer, ["depth"], budget=Budget(1.0), groups={"A": "x", "B": "y", "C": "y"})[0]
    # Without B and C only a1 is judged: both have 0.
    assert team.change.tolist() == [-0.5, -0.5, -0.5]


def test_leaving_out_refuses_what_it_can_not_do() -> None:
    scorer = Scorer(toy_pool(), AP)
    with pytest.raises(InputError, match="needs a budget per query"):
        leave_out(scorer, ["depth"], budget=Budget(0.5, "global"))
    with pytest.raises(InputError, match="run 'B' has no group"):
        leave_out(scorer, ["depth"], budget=Budget(0.5), groups={"A": "x"})
    with pytest.raises(InputError, match="all runs are of one group"):
        leave_out(scorer, ["depth"], budget=Budget(0.5), groups=dict.fromkeys("ABC", "x"))
