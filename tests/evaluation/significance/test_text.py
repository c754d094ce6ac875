"""Studies as text, Markdown and JSON: only here numbers are rounded."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from periti.evaluation.significance import Design, Evidence, Study, compare, text

from .toy import table, toy

STUDY = compare([toy()], Design(bootstrap=200, margin=0.05))


def test_the_table_shows_places_tied_groups_and_marks() -> None:
    lines = text.text(STUDY).splitlines()
    assert lines[0] == "AP on scores: 8 topics, 3 systems"
    assert lines[2].split() == ["system", "mean", "sd", "place", "groups"]
    assert lines[3].split() == ["A", "0.4037", "0.1375", "1-2", "a"]
    row = next(line for line in lines if line.startswith("A - C"))
    assert "<0.0001" in row
    assert " *" in row


def test_everything_that_was_decided_stands_below() -> None:
    written = text.text(STUDY)
    for sentence in (
        "test: paired t-test on the mean difference",
        "sides: two-sided",
        "family: all pairs, of each measure by itself: 3 comparisons",
        "correction: Holm step-down",
        "alpha: 0.05",
        "200 samples, seed 1",
        "TOST with the declared margin 0.05",
        "with 8 topics, differences below 1.156 standard deviations (d_z)",
        "warning: 8 topics are few",
    ):
        assert sentence in written


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        (Design("randomization", bootstrap=0), "all 2^8 sign flips counted (exact); seed 1"),
        (Design("randomized-hsd", bootstrap=0, permutations=99, seed=7), "p = (1 + reached) / (1 + 99); seed 7"),
        (Design("wilcoxon", bootstrap=0), "zero differences are dropped before ranking (wilcox)"),
        (Design("hsd", bootstrap=0), "p-values already hold for all pairs"),
        (Design(baseline="A", bootstrap=0), "every other system with the baseline A, of each measure by itself: 2"),
    ],
)
def test_each_test_says_how_it_was_done(design: Design, sentence: str) -> None:
    assert sentence in text.text(compare([toy()], design))


def test_a_family_tests_p_is_printed_once() -> None:
    head = text.text(compare([toy()], Design("hsd", bootstrap=0))).splitlines()[7]
    assert "p adjusted" not in head
    assert " p " in head


def test_markdown_has_superscripts_their_legend_and_the_footer_it_is_given() -> None:
    # Holm: of the three pairs only A - C differs (reference 5.2).
    written = text.markdown(STUDY, more={"versions": "periti 0"})
    assert "| 1. A | 0.4037 <sup>3</sup> |" in written
    assert "| 2. B | 0.3425 |" in written
    assert "Superscripts: the numbers of the systems that this one is significantly better than" in written
    assert written.endswith("- versions: periti 0\n")
    baseline = text.markdown(compare([toy()], Design(baseline="A", bootstrap=0)))
    assert "0.3088 <sup>▼</sup>" in baseline


def test_markdown_is_a_table_and_escapes_pipes() -> None:
    study = compare([table(**{"a|b": [0.1, 0.2, 0.4], "c": [0.2, 0.1, 0.5]})], Design(bootstrap=0))
    written = text.markdown(study)
    assert "| 1. c | 0.2667 |" in written
    assert "a\\|b" in written


def test_json_carries_every_number_unrounded_and_every_topic() -> None:
    told = json.loads(text.as_json(STUDY))
    (one,) = told["tables"]
    comparison = STUDY.tables[0].comparisons[0]
    assert one["comparisons"][0]["p"] == comparison.p
    assert one["comparisons"][0]["intervals"][1]["method"] == "bca"
    assert one["query_ids"] == list(STUDY.tables[0].scores.query_ids)
    assert one["scores"]["A"] == STUDY.tables[0].scores.values[:, 0].tolist()
    assert told["design"]["seed"] == 1
    assert told["decided"]["correction"] == "Holm step-down (family-wise error)"


def test_json_has_null_for_what_is_not_a_number() -> None:
    study = compare([table(x=[0.1, 0.2, 0.3], y=[0.2, 0.3, 0.4])], Design(bootstrap=0))
    (comparison,) = json.loads(text.as_json(study))["tables"][0]["comparisons"]
    assert comparison["statistic"] is None
    assert comparison["effect"]["d_z"] is None
    assert comparison["p"] > 0


def test_columns_of_judgements_seeds_and_missing_topics_appear_when_they_say_something() -> None:
    scores = replace(toy(), seeds={"A": ("A1", "A2")}, absent={"C": 2})
    written = text.text(compare([scores], Design(bootstrap=0), Evidence(judged={"A": 1.0, "B": 0.5})))
    assert written.splitlines()[2].split()[-3:] == ["judged@10", "seeds", "missing"]
    assert written.splitlines()[3].split()[-3:] == ["1.000", "2", "0"]
    assert written.splitlines()[5].split()[-3:] == ["-", "1", "2"]


def test_several_collections_are_told_apart_and_compared_over_all() -> None:
    rng = np.random.default_rng(1)
    tables = [replace(table(x=rng.random(9), y=rng.random(9)), collection=name) for name in ("one", "two")]
    study = compare(tables, Design(bootstrap=0))
    for written in (text.text(study), text.markdown(study)):
        assert "AP on one: 9 topics" in written
        assert "AP over 2 collections (each is one observation): Friedman chi-square" in written
        assert "power of AP on two" in written
    (over,) = json.loads(text.as_json(study))["over_collections"]
    assert over["pairs"][0]["p"] > 0


@pytest.mark.parametrize(
    ("p", "printed"), [(1.0, "1.0000"), (0.04887, "0.0489"), (1e-4, "0.0001"), (9.9e-5, "<0.0001"), (1e-300, "<0.0001")]
)
def test_a_printed_p_is_never_zero(p: float, printed: str) -> None:
    assert text.p_text(p) == printed


@pytest.mark.parametrize(("topics", "printed"), [(0, "-"), (34, "34"), (1_000_000, "1,000,000+")])
def test_topics_needed(topics: int, printed: str) -> None:
    assert text.topics_text(topics) == printed


def test_nothing_is_rounded_before_it_is_written() -> None:
    study: Study = STUDY
    assert study.tables[0].comparisons[0].difference == float(
        study.tables[0].differences(study.tables[0].comparisons[0]).mean()
    )
