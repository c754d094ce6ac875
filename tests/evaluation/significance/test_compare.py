"""Whole studies: families, baselines, warnings in words, bad input, and the last digit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from periti.errors import InputError, UnknownName
from periti.evaluation import parse
from periti.evaluation.significance import Comparison, Design, Evidence, Scores, Terms, compare, from_runs
from periti.evaluation.significance.design import Test
from tests.evaluation.trec_files import qrels_from, run_from

from .toy import A, B, table, toy

TESTS: tuple[Test, ...] = ("t", "randomization", "wilcoxon", "hsd", "randomized-hsd")
QUICK = {"permutations": 500, "bootstrap": 200}
RNG = np.random.default_rng(20)
NOISE = {name: RNG.random(40).round(3) for name in "vwxyz"}


def quick(test: Test = "t", correction: str = "", **others: object) -> Design:
    return Design(test, correction, **{**QUICK, **others})  # type: ignore[arg-type]


def only(scores: Scores, design: Design | None = None, evidence: Evidence | None = None) -> Comparison:
    (comparison,) = compare([scores], design or quick(), evidence).tables[0].comparisons
    return comparison


def kinds(comparison: Comparison) -> list[str]:
    return [caution.kind for caution in comparison.cautions]


# the last digit


@pytest.mark.parametrize("test", TESTS)
def test_neither_rows_nor_columns_order_reaches_the_last_bit(test: Test) -> None:
    frame = pl.DataFrame({"query_id": [f"q{i:02}" for i in range(40)], **NOISE})
    design = quick(test, every_test=True, margin=0.05)
    first = compare([Scores.of(frame, "AP")], design)
    for seed in range(3):
        shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed).select("query_id", *list("zxvyw"))
        again = compare([Scores.of(shuffled, "AP")], design)
        # Frozen dataclasses compare every float for equality.
        assert again.tables == first.tables
        assert again.tables[0].scores.digest == first.tables[0].scores.digest


def test_a_seed_gives_the_same_study_and_another_seed_another() -> None:
    scores = table(**NOISE)
    first, same, other = (
        compare([scores], quick("randomization", seed=seed)).tables[0].comparisons for seed in (1, 1, 2)
    )
    assert first == same
    assert [c.p for c in first] != [c.p for c in other]
    assert [c.interval("bca") for c in first] != [c.interval("bca") for c in other]


@pytest.mark.slow
def test_the_number_of_threads_reaches_no_digit() -> None:
    code = (
        "import numpy as np, polars as pl\n"
        "from periti.evaluation.significance import *\n"
        "from periti.evaluation.significance import text\n"
        "x = np.random.default_rng(3).random((300, 12))\n"
        "systems = {f's{j:02}': x[:, j] for j in range(12)}\n"
        "frame = pl.DataFrame({'query_id': [f'{i:03}' for i in range(300)], **systems})\n"
        "design = Design('randomization', 'maxt', permutations=3000, bootstrap=3000, every_test=True)\n"
        "print(text.as_json(compare([Scores.of(frame, 'AP')], design)))"
    )
    written = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        written.add(done.stdout)
    assert len(written) == 1


def test_the_counts_of_a_seed_are_those_of_integer_arithmetic() -> None:
    # Scores of three decimals are whole thousandths; PCG64 gives one 64-bit word a choice of 40 signs.
    found = compare([table(**NOISE)], quick("randomization", "none")).tables[0].comparisons
    words = [int(word) for word in np.random.PCG64(1).random_raw(500)]
    for comparison in found:
        thousandths = [round(1000 * (a - b)) for a, b in zip(NOISE[comparison.a], NOISE[comparison.b], strict=True)]
        sums = [sum(-d if word >> i & 1 else d for i, d in enumerate(thousandths)) for word in words]
        reached = sum(abs(one) >= abs(sum(thousandths)) for one in sums)
        assert comparison.p == (1 + reached) / 501


# families


def test_a_baseline_is_compared_with_every_other_and_places_are_left_open() -> None:
    study = compare([toy()], quick(baseline="B"))
    assert [(c.a, c.b) for c in study.tables[0].comparisons] == [("A", "B"), ("C", "B")]
    assert study.family_size == 2
    assert [(s.best, s.groups) for s in study.tables[0].standings] == [(None, "")] * 3


def test_a_smaller_family_corrects_less() -> None:
    everyone = compare([toy()], quick("t", "bonferroni")).tables[0].between("B", "A")
    with_baseline = compare([toy()], quick("t", "bonferroni", baseline="B")).tables[0].between("A", "B")
    assert everyone is not None
    assert with_baseline is not None
    assert everyone.adjusted == pytest.approx(3 * everyone.p)
    assert with_baseline.adjusted == pytest.approx(2 * with_baseline.p)


@pytest.mark.parametrize(("test", "correction"), [("t", "bonferroni"), ("randomization", "maxt")])
def test_a_family_over_measures_corrects_all_their_comparisons_together(test: Test, correction: str) -> None:
    tables = [table("AP", x=NOISE["x"], y=NOISE["y"]), table("RR", x=NOISE["z"], y=NOISE["v"])]
    apart = compare(tables, quick(test, correction))
    together = compare(tables, quick(test, correction, family="all"))
    assert (apart.family_size, together.family_size) == (1, 2)
    for one, both in zip(apart.tables, together.tables, strict=True):
        assert one.comparisons[0].adjusted == one.comparisons[0].p
        assert both.comparisons[0].adjusted >= one.comparisons[0].adjusted
    # Only the least extreme of a step-down family may stay as it is.
    assert sum(t.comparisons[0].adjusted for t in together.tables) > sum(t.comparisons[0].p for t in apart.tables)


def test_maxt_over_tables_of_other_topics_is_refused() -> None:
    tables = [table("AP", x=A, y=B), table("RR", x=NOISE["x"], y=NOISE["y"])]
    with pytest.raises(InputError, match="give tables of the same topics"):
        compare(tables, quick("randomization", "maxt", family="all"))


def test_simultaneous_p_values_are_not_corrected_twice() -> None:
    with pytest.raises(InputError, match="holm would correct them twice"):
        Design("hsd", "holm")
    table_of = compare([toy()], quick("hsd")).tables[0]
    assert [c.adjusted for c in table_of.comparisons] == [c.p for c in table_of.comparisons]
    assert "simultaneous" in [caution.kind for caution in table_of.cautions]


def test_every_test_is_added_without_deciding() -> None:
    comparison = compare([toy()], quick(every_test=True)).tables[0].comparisons[0]
    assert sorted(comparison.other_p) == ["hsd", "randomization", "wilcoxon"]
    assert comparison.other_p["randomization"] == 22 / 256


# bad and degenerate input: a sentence or a defined value


@pytest.mark.parametrize("test", TESTS)
def test_identical_runs_have_p_one_and_stay_in_the_family(test: Test) -> None:
    study = compare([table(x=NOISE["x"], twin=NOISE["x"], y=NOISE["y"])], quick(test))
    twins = study.tables[0].between("x", "twin")
    assert twins is not None
    assert (twins.p, twins.adjusted, twins.significant, twins.difference) == (1.0, 1.0, False, 0.0)
    assert twins.effect.d_z == 0.0
    assert kinds(twins) == ["identical"]
    assert len(study.tables[0].comparisons) == 3


@pytest.mark.parametrize("test", TESTS)
def test_a_constant_difference_is_defined_and_named(test: Test) -> None:
    comparison = only(table(x=NOISE["x"], y=NOISE["x"] + 0.1), quick(test))
    assert 0.0 < comparison.p < 0.01
    assert comparison.effect.d_z is None
    assert kinds(comparison) == ["constant"]
    assert "read the randomisation test" in comparison.cautions[0].sentence


@pytest.mark.parametrize("test", TESTS)
def test_a_measure_that_is_zero_everywhere_tells_nothing_apart(test: Test) -> None:
    study = compare([table(x=[0.0] * 20, y=[0.0] * 20, z=[0.0] * 20)], quick(test))
    assert [c.p for c in study.tables[0].comparisons] == [1.0] * 3
    assert [(s.best, s.worst) for s in study.tables[0].standings] == [(1, 3)] * 3
    assert "every score of AP is 0: nothing can be told apart" in [c.sentence for c in study.tables[0].cautions]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([], "no table of scores"),
        ([table(x=A)], "only 'x' is given; a comparison needs two systems"),
        ([table(x=[0.1], y=[0.2])], "there is one topic, 'q000'"),
        ([toy(), toy()], "two tables are both AP on scores"),
    ],
)
def test_what_can_not_be_compared_is_refused(tables: list[Scores], said: str) -> None:
    with pytest.raises(InputError, match=said):
        compare(tables, quick())


def test_two_topics_are_enough_to_compute_and_far_too_few_to_believe() -> None:
    study = compare([table(x=[0.5, 0.7], y=[0.1, 0.2])], quick("randomization"))
    assert study.tables[0].comparisons[0].p == 0.5
    assert "few-topics" in [caution.kind for caution in study.tables[0].cautions]


def test_an_unknown_baseline_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(InputError, match=r"no system named 'a' is compared; .*known: A, B, C"):
        compare([toy()], quick(baseline="a"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"test": "z"}, "test='z' is not known"),
        ({"correction": "holmes"}, "did you mean 'holm'"),
        ({"correction": "maxt"}, "does not fit the test t; use test randomization"),
        ({"alpha": 0.0}, "give a level"),
        ({"permutations": 0}, "permutations=0"),
        ({"bootstrap": 5}, "5 bootstrap samples make no interval"),
        ({"seed": -1}, "seed=-1"),
        ({"margin": -0.1}, "declare a difference above 0"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises((InputError, UnknownName), match=said):
        Design(**settings)  # type: ignore[arg-type]


# warnings in words


def test_unequal_judging_confounds() -> None:
    evidence = Evidence(judged={"x": 0.55, "y": 0.95})
    comparison = only(table(x=NOISE["x"], y=NOISE["y"]), evidence=evidence)
    sentence = next(c.sentence for c in comparison.cautions if c.kind == "confounded")
    assert "judged@10 is" in sentence
    assert "x has 0.40 more unjudged documents" in sentence
    near = Evidence(judged={"x": 0.90, "y": 0.95})
    assert "confounded" not in kinds(only(table(x=NOISE["x"], y=NOISE["y"]), evidence=near))


def test_runs_of_mostly_the_same_documents_are_named() -> None:
    shared = {("x", "y"): 0.93}
    comparison = only(table(x=NOISE["x"], y=NOISE["y"]), evidence=Evidence(shared=shared))
    assert "share 93 % of their first 10 documents" in comparison.cautions[0].sentence
    assert kinds(only(table(x=NOISE["x"], y=NOISE["y"]), evidence=Evidence(shared={("x", "y"): 0.7}))) == []


def test_a_significant_difference_below_what_n_detects_is_named() -> None:
    # Eight topics detect d_z of about 1.2 only; A - B has .84 and p = .049.
    comparison = only(table(x=A, y=B), quick("t", "none"))
    assert comparison.significant
    assert comparison.difference < comparison.detectable
    assert kinds(comparison) == ["underpowered"]


def test_differences_too_small_to_detect_are_no_evidence_of_equality() -> None:
    found = compare([table(**NOISE)], quick()).tables[0].cautions
    assert any(c.kind == "undetectable" and "40 topics can detect" in c.sentence for c in found)


def test_uncorrected_comparisons_are_counted() -> None:
    found = compare([table(**NOISE)], quick("t", "none")).tables[0].cautions
    assert "10 comparisons are not corrected: if no system differed, about 0.5" in found[0].sentence


def test_a_side_that_lacks_queries_is_named() -> None:
    qrels = qrels_from([(f"q{i}", "a", 1) for i in range(20)])
    full = run_from([(f"q{i}", d, s) for i in range(20) for d, s in (("a", 1.0), ("b", i % 3))], "full")
    part = run_from([(f"q{i}", "a", 1.0) for i in range(17)], "part")
    tables, evidence = from_runs([full, part], qrels, parse(["RR"]), Terms("zero"))
    comparison = only(tables[0], quick(), evidence)
    assert "part has no answer to 3 topics of the others" in comparison.cautions[-1].sentence


def test_many_pairs_with_the_same_warning_are_gathered() -> None:
    evidence = Evidence(judged=dict(zip("vwxyz", (0.1, 0.3, 0.5, 0.7, 0.9), strict=True)))
    study = compare([table(**NOISE)], quick(), evidence)
    gathered = [c.sentence for c in study.tables[0].cautions if c.kind == "confounded"]
    assert len(gathered) == 3
    assert "holds for 8 more pairs" in gathered[-1]
    assert all("confounded" in kinds(c) for c in study.tables[0].comparisons)


# seeds, equivalence, power


def test_seeds_are_averaged_before_the_test_and_the_evidence_with_them() -> None:
    scores = table(x1=NOISE["v"], x2=NOISE["w"], y=NOISE["z"]).averaged("(x)[12]")
    evidence = Evidence(judged={"x1": 0.8, "x2": 0.6, "y": 0.9}, shared={("x1", "y"): 1.0, ("x2", "y"): 0.8})
    study = compare([scores], quick(), evidence)
    comparison = only(table(x=(NOISE["v"] + NOISE["w"]) / 2, y=NOISE["z"]))
    assert study.tables[0].comparisons[0].p == comparison.p
    standing = next(s for s in study.tables[0].standings if s.system == "x")
    assert standing.seeds == ("x1", "x2")
    assert standing.judged == pytest.approx(0.7)
    assert "share 90 %" in " ".join(c.sentence for c in study.tables[0].comparisons[0].cautions)


def test_a_declared_margin_tests_equivalence_within_the_family() -> None:
    near = NOISE["x"] + np.where(np.arange(40) % 2, 0.001, -0.001)
    study = compare([table(x=NOISE["x"], near=near, far=NOISE["x"] + NOISE["y"])], quick(margin=0.01))
    equal = study.tables[0].between("x", "near")
    apart = study.tables[0].between("x", "far")
    assert equal is not None
    assert apart is not None
    assert equal.equivalence is not None
    assert apart.equivalence is not None
    assert equal.equivalence.equivalent
    assert not equal.significant
    assert not apart.equivalence.equivalent
    assert equal.equivalence.adjusted == pytest.approx(3 * equal.equivalence.p)
    # What is shown to be equal is not counted among what could not be told apart.
    assert "undetectable" not in [c.kind for c in study.tables[0].cautions]


def test_differences_by_topic_are_at_hand_for_a_report() -> None:
    tables = compare([toy()], quick()).tables
    comparison = tables[0].comparisons[0]
    assert tables[0].differences(comparison) == pytest.approx(np.array(A) - np.array(B))
    assert tables[0].differences(comparison).mean() == comparison.difference
