"""Queries asked again: with typos, and in other words. Deterministic, from the text alone."""

from __future__ import annotations

import hashlib

import numpy as np

from periti.errors import InputError

DISTURBANCES = ("typos", "reworded")
TYPO_RATE = 0.1
"""Share of the words of four letters or more that get two neighbouring letters swapped; at least one."""
_FILLERS = frozenset(
    {
        *("a", "an", "the", "of", "for", "to", "in", "on", "at", "by", "with", "from", "and", "or", "is", "are", "was"),
        *("were", "be", "been", "do", "does", "did", "can", "could", "what", "which", "who", "whom", "when", "where"),
        *(
            "why",
            "how",
            "please",
            "tell",
            "me",
            "i",
            "my",
            "we",
            "our",
            "you",
            "your",
            "there",
            "this",
            "that",
            "these",
        ),
    }
)


def disturb(text: str, kind: str) -> str:
    """The text with typos, or reworded as a keyword query in a question's frame.

    Raises:
        InputError: no such kind.
    """
    if kind == "typos":
        return _mistyped(text)
    if kind == "reworded":
        return _reworded(text)
    raise InputError(f"no disturbance {kind!r}; known: {', '.join(DISTURBANCES)}")


def _mistyped(text: str) -> str:
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) >= 4]
    if not long:
        return text
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    for place in rng.choice(long, size=max(1, round(TYPO_RATE * len(long))), replace=False):
        word = words[place]
        at = int(rng.integers(1, len(word) - 2))
        words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def _reworded(text: str) -> str:
    """Function words dropped and a frame put around the rest; the same content in another form."""
    kept = [word for word in text.split() if word.lower().strip("?.,;:!") not in _FILLERS]
    return f"information about {' '.join(kept) or text}".rstrip("?.!")
