"""Semantic duplicates with vectors whose cosines are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection import semantic as module
from periti.datasets.selection.semantic import CLOSEST, FARTHEST, FIRST, KEEPS, SemanticDuplicates
from periti.datasets.selection.stages import Stage
from periti.errors import ConfigError, InputError


def angles(texts: Sequence[str]) -> NDArray[np.float32]:
    """Each text is an angle in degrees."""
    radians = np.radians([float(text) for text in texts])
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(texts), 2):
        yield texts[at : at + 2]


def stay(texts: Sequence[str], degrees: float, keep: str = FIRST, group: int = 0) -> list[bool]:
    stage = SemanticDuplicates(angles, float(np.cos(np.radians(degrees))), group, keep)
    return [bool(one) for one in stage.stay(lambda: blocks(texts), seed=0)]


def test_the_first_of_like_texts_stays() -> None:
    assert stay(["0", "50", "3", "52", "0"], 5) == [True, True, False, False, False]


def test_a_chain_thins_out_to_its_first() -> None:
    assert stay(["0", "4", "8", "12"], 5) == [True, False, False, False]


def test_the_farthest_from_or_the_closest_to_the_centroid_stays() -> None:
    # The centroid of 0, 1, 2 and 20 lies near 6 degrees.
    texts = ["0", "20", "1", "2"]

    assert stay(texts, 30, FARTHEST) == [False, True, False, False]
    assert stay(texts, 30, CLOSEST) == [False, False, False, True]


def test_of_copies_the_first_stays_whatever_else_is_kept() -> None:
    texts = ["20", "0", "1", "20", "2"]

    assert stay(texts, 30, FARTHEST) == [True, False, False, False, False]


def test_groups_keep_far_texts_from_being_compared() -> None:
    texts = ["0", "1", "90", "91", "180", "181"]

    assert stay(texts, 2, group=2) == [True, False, True, False, True, False]


@given(st.lists(st.integers(0, 359).map(str), min_size=1, max_size=30), st.sampled_from(KEEPS), st.sampled_from([0, 4]))
@settings(max_examples=40, deadline=None)
def test_what_goes_has_a_likeness_and_one_of_each_text_stays(texts: list[str], keep: str, group: int) -> None:
    staying = stay(texts, 0.5, keep, group)  # whole degrees: only copies are alike

    assert sum(staying) == len(set(texts))
    assert {text for text, stays in zip(texts, staying, strict=True) if stays} == set(texts)


def test_blank_texts_are_like_nothing() -> None:
    assert stay(["", "0", " ", "0", ""], 5) == [True, True, True, False, True]


def test_many_rows_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(number % 40) for number in range(100)]
    whole = stay(texts, 0.5)
    monkeypatch.setattr(module, "_COMPARED", 7)

    assert stay(texts, 0.5) == whole
    assert sum(whole) == 40


def test_an_empty_pool_and_impossible_options_are_refused() -> None:
    with pytest.raises(InputError, match="no text"):
        stay([], 5)
    with pytest.raises(ConfigError, match="threshold"):
        SemanticDuplicates(angles, 1.5)
    with pytest.raises(ConfigError, match="'best' stays"):
        SemanticDuplicates(angles, keep="best")
    with pytest.raises(ConfigError, match="groups of -1"):
        SemanticDuplicates(angles, group=-1)
    assert isinstance(SemanticDuplicates(angles), Stage)
