"""What of a text goes into a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.rankers.llm.passages import cut, filled, without_identifiers


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("one two three", 3, ("one two three", False)),
        ("one two three", 2, ("one two", True)),
        ("one\n two \t", 2, ("one two", False)),
        ("", 1, ("", False)),
        ("合同无效", 2, ("合同", True)),
        ("合同无效", 4, ("合同无效", False)),
        ("买卖contract合同", 3, ("买卖contract", True)),
        ("x" * 70, 2, ("x" * 64, True)),
        ("x" * 64, 2, ("x" * 64, False)),
    ],
)
def test_a_text_is_cut_after_so_many_words(text: str, words: int, expected: tuple[str, bool]) -> None:
    assert cut(text, words) == expected


@given(st.text(), st.integers(1, 20))
def test_what_is_kept_is_a_beginning_on_one_line_and_cutting_again_changes_nothing(text: str, words: int) -> None:
    kept, was_cut = cut(text, words)

    assert " ".join(text.split()).startswith(kept)
    assert was_cut == (kept != " ".join(text.split()))
    assert cut(kept, words) == (kept, False)


def test_references_in_brackets_are_put_in_parentheses() -> None:
    assert without_identifiers("as shown [3], [ 12 ] and [a] in [1997]") == "as shown (3), (12) and [a] in (1997)"


def test_braces_in_texts_stay_as_they_are() -> None:
    template = "Query: {query} Document: {document} Relevant: {other}"

    found = filled(template, {"query": "{document} {0}", "document": "{query} {"})

    assert found == "Query: {document} {0} Document: {query} { Relevant: {other}"
