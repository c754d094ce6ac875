"""A routing study on the terminal: every number of the small study, and names that try to be more than names."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from periti.evaluation.routing.cells import number
from periti.evaluation.routing.results import RoutingStudy
from periti.evaluation.routing.tables import front, gap_text, macro, routed
from periti.evaluation.routing.text import WIDTH, text
from tests.evaluation.routing.small import BARE, HOSTILE, LONG, STUDY, renamed

OVERALL = """\
Systems over collections

#  system       kind       seen  unseen     all  gap closed (95 %)  regret  cost
1  base         base     0.4000  0.4000  0.4000                  -  0.0600  1.00
2  lex          expert   0.4250  0.3500  0.4000     25 % [-10, 60]  0.0500  1.00
3  med          expert   0.4250  0.3000  0.3833                  -  0.0500  1.00
4  all domains  control  0.4500  0.4000  0.4333      50 % [20, 80]  0.0400  1.00
5  argmax       router   0.4900  0.4000  0.4600     90 % [70, 110]  0.0200  1.02
6  top-2        router   0.4900  0.4100  0.4633     90 % [65, 115]  0.0000  2.02
7  oracle       oracle   0.5000  0.4100  0.4700                  -       -  1.00
"""

REST = """\
Unseen collections: nDCG@10

system         news   macro
base         0.4000  0.4000
lex          0.3500  0.3500
med          0.3000  0.3000
all domains  0.4000  0.4000
argmax       0.4000  0.4000
top-2        0.4100  0.4100
oracle       0.4100  0.4100

Collections

collection  domain    expert at home  queries
law         law       lex               1,200
medicine    medicine  med                  50
news        -         -                    30

Who is asked by argmax, in % of each collection's queries

collection  expert at home   lex    med  base
law         lex             90.0   10.0   0.0
medicine    med              0.0  100.0   0.0
news        -               25.0   25.0  50.0
"""

LAST = """\
Stability of routing

system   typo  paraphrase
argmax   95.0        90.0
top-2   100.0           -

Share of the queries, in %, that still go to the same expert after the disturbance.

Time a query

step        ms  of encoding
encode  10.000      100.0 %
route    0.200        2.0 %

Significance

study        comparison            difference  p corrected               interval  won/tied/lost
law: router  all domains - argmax     +0.0000       1.0000     [-0.0894, +0.0894]          4/0/4
law: router  base - argmax            -0.1500       0.0156  *  [-0.1947, -0.1053]          0/0/8

1 of 2 comparisons is significant (*).
"""


def test_means_gap_regret_and_cost_of_every_system() -> None:
    assert OVERALL in text(STUDY)


def test_every_collection_and_who_is_asked() -> None:
    assert "base         0.5000    0.3000  0.4000\n" in text(STUDY)
    assert REST in text(STUDY)


def test_stability_seconds_and_corrected_p() -> None:
    # Exact sign flips of 8 topics: 2 of 256 reach the base's difference, doubled by Holm.
    assert LAST in text(STUDY)


def test_the_lead_says_what_was_measured_and_what_came_out() -> None:
    measured, outcome = text(STUDY).splitlines()[:2]
    assert measured == (
        "nDCG@10, training seeds 1, 2 averaged per query; 3 collections (2 seen by an expert in training, 1 unseen), "
        "2 experts, 7 systems."
    )
    assert outcome == (
        "Macro nDCG@10 on seen collections: argmax 0.4900, base 0.4000 (+9.0 points), all domains 0.4500 (+4.0 "
        "points); it closes 90 % [70, 110] of the gap from base to dataset oracle. Picked as the highest of 2 routers "
        "on these very queries, which favours it."
    )


def test_how_it_was_tested_and_every_note_and_fact_are_printed() -> None:
    written = text(STUDY)
    for words in (
        "every study: paired randomisation (sign-flip) test on the mean difference; two-sided; Holm step-down",
        "alpha 0.05, intervals 95 %",
        "warning, every study: 8 topics are few",
        "argmax: chosen on dev",
        "table tie rate: 12 %",
    ):
        assert words in written
    assert written.endswith("command: periti router evaluate small.toml\n")


def test_a_study_with_one_router_and_nothing_else_prints_what_there_is() -> None:
    written = text(BARE)
    assert "Who is asked by argmax" in written
    assert "favours" not in written
    for absent in ("Significance", "Stability", "Time a query", "nan"):
        assert absent not in written


@pytest.mark.parametrize("empty", [replace(BARE, systems=()), replace(BARE, collections=(), systems=(), experts=())])
def test_a_study_of_nothing_is_printed_too(empty: RoutingStudy) -> None:
    assert "Systems over collections" in text(empty)


def test_names_keep_to_their_line_and_move_no_cursor() -> None:
    written = text(renamed("two\nlines", "\x1b[31mred", "tab\there"))
    assert "\x1b" not in written
    assert "two lines" in written
    assert "tab here" in written


def test_hostile_and_long_names_are_printed_whole() -> None:
    written = text(renamed(*HOSTILE))
    for name in HOSTILE:
        assert name in written


def test_a_wide_table_goes_on_below_with_the_names_again() -> None:
    names = [f"collection-{place:02}" for place in range(20)]
    study = replace(
        BARE,
        collections=tuple(replace(BARE.collections[0], name=name) for name in names),
        systems=tuple(replace(one, values=dict.fromkeys(names, 0.5), shares={}) for one in BARE.systems),
    )
    written = text(study)
    assert sum(line.startswith("argmax") and "0.5000" in line for line in written.splitlines()) == 3
    heads = [line for line in written.splitlines() if line.startswith("system  collection-")]
    assert [len(line) <= WIDTH for line in heads] == [True] * 3
    assert " ".join(heads).split().count("collection-13") == 1


def test_a_system_that_lacks_a_collection_has_no_macro_mean() -> None:
    system = replace(STUDY.systems[0], values={"law": 0.5})
    study = replace(STUDY, systems=(system, *STUDY.systems[1:]))
    assert math.isnan(macro(study, system, seen=True))
    assert "1  base         base          -       -       -" in text(study)


def test_the_front_is_what_no_other_beats_at_its_cost_or_less() -> None:
    assert front(STUDY) == ("all domains", "argmax", "top-2")
    dearer = replace(STUDY, systems=tuple(replace(one, cost=3.0 - one.cost) for one in STUDY.systems))
    assert front(dearer) == ("top-2",)


def test_routers_come_before_oracles_among_those_that_were_routed() -> None:
    oracle = replace(STUDY.systems[-1], shares=STUDY.systems[4].shares)
    study = replace(STUDY, systems=(oracle, *STUDY.systems[:-1]))
    assert [one.name for one in routed(study)] == ["argmax", "top-2", "oracle"]


@pytest.mark.parametrize(
    ("gap", "printed"),
    [
        (None, "-"),
        ((math.nan, math.nan, math.nan), "-"),
        ((0.624, 0.5, 0.7), "62 % [50, 70]"),
        ((-0.001, -0.1, 0.1), "0 % [-10, 10]"),
        ((0.5, math.nan, math.nan), "50 %"),
        ((0.5, -math.inf, 0.6), "50 % [-, 60]"),
    ],
)
def test_gaps_are_printed_in_percent(gap: tuple[float, float, float] | None, printed: str) -> None:
    assert gap_text(gap) == printed


def test_a_rounded_nought_has_no_sign_of_loss() -> None:
    assert number(-1e-9) == "0.0000"
    assert number(None) == number(math.inf) == "-"


def test_the_long_name_is_longer_than_any_picture() -> None:
    assert len(LONG) > WIDTH
