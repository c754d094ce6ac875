"""Words of many texts at once, against Python's regular expressions."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.selection.hashing import span_hashes, within
from periti.datasets.selection.words import Words, words_of

TEXTS = st.lists(st.text(st.characters(codec=None)) | st.text("aB ,_\n\x00é中ก"), max_size=6)


def split(words: Words) -> list[list[str]]:
    return [[words.at(j) for j in range(words.indptr[i], words.indptr[i + 1])] for i in range(len(words.indptr) - 1)]


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_words_of_re_are_those_of_the_regular_expression(texts: list[str]) -> None:
    assert split(words_of(texts, "re")) == [re.findall(r"\w+|[^\w\s]+", text.lower()) for text in texts]


@pytest.mark.parametrize(
    ("text", "by_re", "by_regex"),
    [
        ("those.¹ air¹", ["those", ".", "¹", "air¹"], ["those", ".¹", "air", "¹"]),
        ("a\x1cb", ["a", "b"], ["a", "\x1c", "b"]),
        ("हिन्दी", ["ह", "ि", "न", "्", "द", "ी"], ["हिन्दी"]),
        ("Ⓐb x\u200dy 你好", ["ⓐ", "b", "x", "\u200d", "y", "你好"], ["ⓐb", "x\u200dy", "你好"]),
    ],
)
def test_two_engines_disagree_about_words(text: str, by_re: list[str], by_regex: list[str]) -> None:
    assert split(words_of([text], "re")) == [by_re] == [re.findall(r"\w+|[^\w\s]+", text.lower())]
    assert split(words_of([text], "regex")) == [by_regex]


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([None, "re", "regex"]))
def test_equal_words_have_equal_hashes_and_others_do_not(texts: list[str], engine: str | None) -> None:
    words = words_of(texts, engine)
    seen: dict[str, int] = {}
    for j, value in enumerate(words.hashes.tolist()):
        assert seen.setdefault(words.at(j), value) == value
    assert len(set(seen.values())) == len(seen)


@settings(max_examples=50, deadline=None)
@given(TEXTS, st.integers(0, 6))
def test_a_text_has_the_same_words_in_whatever_block_it_stands(texts: list[str], cut: int) -> None:
    whole = words_of(texts)
    parts = [words_of(part) for part in (texts[:cut], texts[cut:])]

    assert split(whole) == [words for part in parts for words in split(part)]
    np.testing.assert_array_equal(whole.hashes, np.concatenate([part.hashes for part in parts]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("New York's 3.88$!", ["new", "york", "'", "s", "3", ".", "88", "$!"]),
        ("你好, world", ["你", "好", ",", "world"]),
        ("学习deep学", ["学", "习", "deep", "学"]),
        ("กาแฟ", ["ก", "า", "แ", "ฟ"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("한국어 문서", ["한국어", "문서"]),
        ("ΟΔΟΣ İz", ["οδοσ", "İz"]),
        ("\U00020000\U00020001", ["\U00020000", "\U00020001"]),
        ("a\x00b", ["a", "\x00", "b"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert split(words_of(["x", text, "x"])) == [["x"], words, ["x"]]


def test_a_word_longer_than_the_window_is_hashed_as_any_other() -> None:
    long = "ab" * 40_000
    words = words_of([f"x {long} y", f"{long}", f"z {long}c"])

    assert words.hashes[1] == words.hashes[3]
    assert words.hashes[1] != words.hashes[5]
    assert len(words.hashes) == 6


def test_the_window_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    import periti.datasets.selection.hashing as module

    text = ["the quick brown fox, jumps; over " * 40 + "internationalisation"]
    wide = words_of(text).hashes
    monkeypatch.setattr(module, "_WINDOW", 16)
    module._powers.cache_clear()
    narrow = words_of(text).hashes
    module._powers.cache_clear()

    np.testing.assert_array_equal(wide, narrow)


def test_characters_beyond_the_basic_plane_do_not_show() -> None:
    halves = "b \ud83d\ude00 Ab,中"  # two lone surrogates are two characters, not one
    basic = words_of([halves])
    mixed = words_of([halves, "\U0001f600"])

    assert basic.text == halves.lower() + "\n"
    np.testing.assert_array_equal(basic.hashes, mixed.hashes[: len(basic.hashes)])
    assert mixed.at(len(basic.hashes)) == "\U0001f600"


def test_hashes_are_the_polynomial_of_their_definition() -> None:
    codes = np.array([97, 98, 0x10FFFF], np.uint32)
    found = span_hashes(codes, np.array([0]), np.array([3]))[0]
    base, half, mask = 0x9E3779B97F4A7C15, 32, (1 << 64) - 1
    value = (98 + 99 * base + 0x110000 * base**2) & mask
    mixed = ((value ^ (value >> half)) * 0xD6E8FEB86659FD93) & mask

    assert int(found) == mixed ^ (mixed >> half)


def test_hashes_are_the_same_in_every_process() -> None:
    code = "from periti.datasets.selection.words import words_of; print(words_of(['One more, 中']).hashes.tolist())"
    seen = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }

    assert seen == {f"{words_of(['One more, 中']).hashes.tolist()}\n"}


def test_buckets_are_evenly_filled() -> None:
    hashes = words_of([" ".join(f"w{i}" for i in range(100_000))]).hashes
    filled = np.bincount(within(hashes, 1_000), minlength=1_000)

    # 100 a bucket with standard deviation 10: chi-square of 999 degrees is 999 +- 45.
    assert 850 < ((filled - 100.0) ** 2 / 100).sum() < 1_150
