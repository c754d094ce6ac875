"""Answers of language models as permutations, whatever they look like; windows from the bottom up."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from periti.rankers.llm.permutations import Form, read_permutation, windows


@pytest.mark.parametrize(
    ("text", "order", "form"),
    [
        ("[2] > [3] > [1]", [1, 2, 0], Form.OK),
        ("  [2]>[ 3 ] >[1]\n", [1, 2, 0], Form.OK),
        ("[3] > [3] > [1] > [2]", [2, 0, 1], Form.REPETITION),
        ("[3] > [3]", [2, 0, 1], Form.REPETITION),
        ("[3]", [2, 0, 1], Form.MISSING_DOCUMENTS),
        ("[3] > [9] > [1] > [2]", [2, 0, 1], Form.WRONG_FORMAT),
        ("[0] > [3] > [1] > [2]", [2, 0, 1], Form.WRONG_FORMAT),
        ("[-3] > [2]", [1, 0, 2], Form.WRONG_FORMAT),
        ("3 > 1 > 2", [2, 0, 1], Form.WRONG_FORMAT),
        ("3, 1, 2", [2, 0, 1], Form.WRONG_FORMAT),
        ("Sure! Here is the ranking of 3 passages: [2] > [1] > [3].", [1, 0, 2], Form.WRONG_FORMAT),
        ("[2] > [1] > [", [1, 0, 2], Form.WRONG_FORMAT),
        ("<think>[3] or [1]? there are 2</think>[2] > [1] > [3]", [1, 0, 2], Form.OK),
        ("I can not rank these.", [0, 1, 2], Form.WRONG_FORMAT),
        ("", [0, 1, 2], Form.WRONG_FORMAT),
        ("[" + "9" * 5000 + "] > [2]", [1, 0, 2], Form.WRONG_FORMAT),
        ("[٣] > [2]", [1, 0, 2], Form.WRONG_FORMAT),
        ("[²] > [2]", [1, 0, 2], Form.WRONG_FORMAT),
    ],
)
def test_an_answer_is_read_as_far_as_it_makes_sense(text: str, order: list[int], form: Form) -> None:
    assert read_permutation(text, 3) == (order, form)


pieces = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.integers(-5, 30).map(lambda number: f"[{number}]"),
        st.integers(0, 10**9).map(str),
        st.sampled_from([" > ", ">", "\n", "[", "]", "</think>", "[[1]]"]),
    ),
    max_size=40,
).map("".join)


@given(pieces, st.integers(0, 25))
@example("1" * 10000, 3)
def test_any_text_gives_a_permutation(text: str, n: int) -> None:
    order, form = read_permutation(text, n)

    assert sorted(order) == list(range(n))
    assert form in Form


@given(st.permutations(range(20)))
def test_an_order_written_as_asked_is_read_back(order: list[int]) -> None:
    text = " > ".join(f"[{place + 1}]" for place in order)

    assert read_permutation(text, 20) == (order, Form.OK)


@given(st.permutations(range(12)), st.integers(1, 11))
def test_what_is_not_named_follows_in_its_original_order(order: list[int], named: int) -> None:
    text = " > ".join(f"[{place + 1}]" for place in order[:named])

    assert read_permutation(text, 12) == (order[:named] + sorted(order[named:]), Form.MISSING_DOCUMENTS)


# windows


def test_a_hundred_documents_take_nine_windows_from_the_bottom_up() -> None:
    found = [(window.start, window.stop) for window in windows(100, 20, 10)]

    assert found == [(80, 100), (70, 90), (60, 80), (50, 70), (40, 60), (30, 50), (20, 40), (10, 30), (0, 20)]


@pytest.mark.parametrize(
    ("n", "expected"),
    [(0, []), (1, []), (2, [(0, 2)]), (20, [(0, 20)]), (21, [(1, 21), (0, 11)]), (25, [(5, 25), (0, 15)])],
)
def test_short_lists(n: int, expected: list[tuple[int, int]]) -> None:
    assert [(window.start, window.stop) for window in windows(n, 20, 10)] == expected


@given(st.integers(2, 300), st.integers(2, 40), st.data())
def test_windows_reach_every_document_and_each_other(n: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    found = list(windows(n, size, stride))

    assert len(found) == max(0, math.ceil((n - size) / stride)) + 1
    assert found[0].stop == n
    assert found[-1].start == 0
    for lower, upper in pairwise(found):
        assert upper.start < lower.start <= upper.stop < lower.stop
