"""What a language model is asked about two texts, and how its answer is read; the criteria that retrieval wants."""

from __future__ import annotations

import re
from collections.abc import Sequence

from periti.datasets.selection.quality.judging import Answer, Criterion

RETRIEVAL = (
    Criterion("answerability", "answers a question that somebody could ask, fully and by itself"),
    Criterion("self-containedness", "can be understood without what stood around it: nothing refers to missing text"),
    Criterion("specificity", "says definite things about a definite subject, not what could be said of many"),
    Criterion("expertise", "takes knowledge of its field to write, and shows it correctly"),
)
"""The criteria of a text worth learning retrieval from."""
INSTRUCTION = (
    "You compare two texts under one criterion. Ignore how long they are, what language they are in, and which stands "
    "first. Answer with one letter: A or B."
)
TOKENS = 8
"""Most tokens of an answer."""

REWRITING = (
    "You improve the wording of a criterion by which texts are compared. Answer with one line that begins with "
    "Description: and goes on with a phrase that ends the sentence: The better text is the one that ..."
)
REWRITING_TOKENS = 120
SHOWN_PAIRS, SHOWN_CHARACTERS = 4, 1000
"""Of what a criterion got wrong, so much is shown to who rewrites it."""
LONGEST_DESCRIPTION = 400

_DESCRIPTION = re.compile(r"^\W*description\W*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(
    r"\W*(?:(?:the )?(?:answer|better text|text)(?: is)?\W+)?(?:text )?(a|b|tie)\W*(?:\n.*)?", re.IGNORECASE | re.DOTALL
)


def prompt(criterion: Criterion, first: str, second: str) -> str:
    """The question about two texts."""
    return (
        f"Which text better meets the criterion {criterion.name}, that is, which one {criterion.description}?\n\n"
        f"Text A:\n{first}\n\nText B:\n{second}\n\nAnswer (A or B):"
    )


def read_answer(text: str) -> Answer:
    """1 for A, 0 for B, 0.5 for a tie; None if the answer is none of these, such as "A and B" or a longer sentence."""
    found = _ANSWER.fullmatch(text)
    return {"a": 1.0, "b": 0.0, "tie": 0.5}[found.group(1).lower()] if found else None


def rewriting_prompt(criterion: Criterion, wrong: Sequence[tuple[str, str]]) -> str:
    """The question for a better description, given pairs (better, worse by people) that the criterion got wrong."""
    shown = [
        f"Pair {number}. People prefer:\n{better[:SHOWN_CHARACTERS]}\n\nto:\n{worse[:SHOWN_CHARACTERS]}\n\n"
        for number, (better, worse) in enumerate(wrong[:SHOWN_PAIRS], 1)
    ]
    return (
        f"The criterion {criterion.name} reads: the better text is the one that {criterion.description}. It chose the "
        f"text that people like less in these pairs, whose texts are cut at {SHOWN_CHARACTERS:,} characters.\n\n"
        f"{''.join(shown)}Describe {criterion.name} so that it agrees with people, in general words that name none of "
        "these texts."
    )


def read_description(text: str) -> str:
    """The description in an answer; empty if there is not exactly one, or it is longer than LONGEST_DESCRIPTION."""
    found = _DESCRIPTION.findall(text)
    description = found[0].strip(" \t\"'*`").rstrip(".").strip() if len(found) == 1 else ""
    return description if len(description) <= LONGEST_DESCRIPTION else ""
