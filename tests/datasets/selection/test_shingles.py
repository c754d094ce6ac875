"""Hashed shingles against sets of Python strings."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.selection.shingles import CHARACTERS, WORDS, Shingling
from periti.errors import ConfigError

TEXTS = st.lists(st.text(alphabet="aAbß Ⅷ.,\n\t漢ん🙂é\x00", max_size=14), max_size=6)
_HAN = re.compile(r"[漢ん]|[^\W_漢ん]+")


def expected(text: str, unit: str, size: int) -> set[tuple[str, ...]]:
    folded = text.lower()
    units = _HAN.findall(folded) if unit == WORDS else list(" ".join(folded.split()))
    if not units:
        return set()
    return {tuple(units[at : at + size]) for at in range(max(len(units) - size + 1, 1))}


def hashed(texts: list[str], shingling: Shingling) -> list[set[int]]:
    values, offsets = shingling.sets(texts)
    return [set(values[a:b].tolist()) for a, b in pairwise(offsets)]


@settings(deadline=None)
@given(TEXTS, st.sampled_from([WORDS, CHARACTERS]), st.integers(1, 3))
def test_texts_share_as_many_hashes_as_strings(texts: list[str], unit: str, size: int) -> None:
    found = hashed(texts, Shingling(unit, size))

    sets = [expected(text, unit, size) for text in texts]
    for a, x in zip(found, sets, strict=True):
        assert len(a) == len(x)
        for b, y in zip(found, sets, strict=True):
            assert len(a & b) == len(x & y)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_hashes_alike_in_any_block(texts: list[str]) -> None:
    shingling = Shingling()

    assert hashed(texts, shingling) == [hashed([text], shingling)[0] for text in texts]


def test_hashes_of_a_text_ascend_and_are_distinct() -> None:
    values, offsets = Shingling(size=1).sets(["b a b c", "c a"])

    assert offsets.tolist() == [0, 3, 5]
    assert (np.diff(values[:3].astype(np.int64)) > 0).all()


def test_shingles_know_words_apart_by_order_and_place() -> None:
    ab, ba, aab, with_lone_surrogate = hashed(["a b", "b a", "a a b", "a \ud800 b"], Shingling(size=2))

    assert ab != ba
    assert ab < aab
    assert with_lone_surrogate == ab


@pytest.mark.parametrize(("unit", "size", "said"), [("tokens", 3, "'tokens'"), (WORDS, 0, "0 words")])
def test_impossible_shingles_are_refused(unit: str, size: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Shingling(unit, size)
