"""How a model's answer is read: one letter, or nothing."""

from __future__ import annotations

import pytest

from periti.datasets.selection.quality.judging import Criterion
from periti.datasets.selection.quality.prompts import (
    INSTRUCTION,
    LONGEST_DESCRIPTION,
    RETRIEVAL,
    SHOWN_CHARACTERS,
    SHOWN_PAIRS,
    prompt,
    read_answer,
    read_description,
    rewriting_prompt,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A", 1.0),
        (" b.", 0.0),
        ("**B**", 0.0),
        ("Answer: A", 1.0),
        ("Text B", 0.0),
        ("The better text is A.", 1.0),
        ("B\nBecause it is clearer.", 0.0),
        ("Tie", 0.5),
        ("A and B", None),
        ("A or B", None),
        ("A good question", None),
        ("Both are fine", None),
        ("Apples", None),
        ("", None),
        ("I can not say", None),
    ],
)
def test_one_letter_is_an_answer_and_nothing_else(text: str, answer: float | None) -> None:
    assert read_answer(text) == answer


def test_a_question_holds_both_texts_in_order_and_says_what_to_ignore() -> None:
    asked = prompt(Criterion("clarity", "is clearer"), "one text", "another text")

    assert asked.index("clarity") < asked.index("is clearer") < asked.index("one text") < asked.index("another text")
    for word in ("long", "language", "first"):
        assert word in INSTRUCTION
    assert [one.name for one in RETRIEVAL] == ["answerability", "self-containedness", "specificity", "expertise"]
    assert all(one.description for one in RETRIEVAL)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("Description: says one definite thing.", "says one definite thing"),
        ('Sure!\n**Description:** "names its subject"\nI hope it helps.', "names its subject"),
        ("description : a b", "a b"),
        ("names its subject", ""),
        ("Description:", ""),
        ("Description: one\nDescription: two", ""),
        (f"Description: {'word ' * LONGEST_DESCRIPTION}", ""),
        ("", ""),
    ],
)
def test_one_line_is_a_description_and_nothing_else(text: str, description: str) -> None:
    assert read_description(text) == description


def test_a_rewriting_is_asked_for_with_a_few_pairs_cut_at_a_length() -> None:
    wrong = [(f"better {number} " + "x" * 5000, f"worse {number}") for number in range(9)]

    asked = rewriting_prompt(Criterion("clarity", "is clearer"), wrong)

    assert asked.count("People prefer:") == SHOWN_PAIRS
    assert "x" * (SHOWN_CHARACTERS - 9) in asked
    assert "x" * SHOWN_CHARACTERS not in asked
    assert asked.index("is clearer") < asked.index("better 0") < asked.index("worse 0") < asked.index("better 1")
