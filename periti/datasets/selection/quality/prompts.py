"""What a language model is asked about two texts, and how its answer is read; the criteria that retrieval wants."""

from __future__ import annotations

import re

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
