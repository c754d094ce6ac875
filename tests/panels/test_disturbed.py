"""Queries asked again: the same content, always disturbed in the same way."""

from __future__ import annotations

import pytest

from periti.errors import InputError
from periti.panels.disturbed import disturb


def test_typos_swap_neighbours_inside_long_words_only() -> None:
    text = "does vitamin D prevent falls"
    typed = disturb(text, "typos")

    assert typed != text
    assert typed == disturb(text, "typos")
    assert [sorted(word) for word in typed.split()] == [sorted(word) for word in text.split()]
    assert [word[0] + word[-1] for word in typed.split()] == [word[0] + word[-1] for word in text.split()]
    assert disturb("to be or", "typos") == "to be or"


def test_rewording_keeps_the_content_words() -> None:
    assert disturb("What are the symptoms of lupus?", "reworded") == "information about symptoms lupus"
    assert disturb("who are you", "reworded") == "information about who are you"


def test_an_unknown_disturbance_is_refused() -> None:
    with pytest.raises(InputError, match="no disturbance 'noise'; known: typos, reworded"):
        disturb("x", "noise")
