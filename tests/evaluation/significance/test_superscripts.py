from __future__ import annotations

import pytest

from periti.evaluation.significance import Design, compare
from periti.evaluation.significance.superscripts import groups, ranges, superscripts
from tests.evaluation.significance.toy import toy


@pytest.mark.parametrize(
    ("numbers", "written"),
    [([], ""), ([3], "3"), ([1, 2], "1,2"), ([1, 2, 3], "1–3"), ([2, 4, 5, 6, 8, 9, 12], "2,4–6,8,9,12")],
)
def test_stretches_of_three_and_more_are_drawn_together(numbers: list[int], written: str) -> None:
    assert ranges(numbers) == written


@pytest.mark.parametrize(("letters", "written"), [("", ""), ("a", "a"), ("a b", "a b"), ("c d e f", "c–f")])
def test_letters_of_groups_are_drawn_together(letters: str, written: str) -> None:
    assert groups(letters) == written


def test_a_system_names_those_it_beats_and_only_significantly() -> None:
    table = compare([toy()], Design(bootstrap=0)).tables[0]
    assert {(c.a, c.b): c.significant for c in table.comparisons}[("A", "C")]
    found = superscripts(table)
    beaten = {c.a: str(["A", "B", "C"].index(c.b) + 1) for c in table.comparisons if c.significant}
    assert found["A"] == beaten["A"]
    assert found["C"] == ""


def test_a_baseline_gets_no_sign_and_worse_systems_point_down() -> None:
    found = superscripts(compare([toy()], Design(baseline="A", bootstrap=0)).tables[0])
    assert found["A"] == ""
    assert found["C"] == "▼"
