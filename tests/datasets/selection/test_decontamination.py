"""What tests ask is found in a pool: against a search in plain Python, and with planted queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.decontamination import (
    Asked,
    Decontamination,
    evaluation_queries,
    queries_of,
)
from periti.errors import InputError

LONG = "does a daily dose of vitamin d with calcium prevent falls and fractures in older adults"
SHORT = "vitamin D and falls"
TESTS = [Asked("first", (LONG, "   ")), Asked("second", (SHORT, "骨质疏松症的病人应当如何补充维生素以防止跌倒"))]
FINDER = Decontamination.of(TESTS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LONG, 0),
        (f"We asked: «{LONG.upper()}?» And then", 0),
        (LONG.replace(" ", " \n "), 0),
        (LONG.replace("vitamin d", "vitamin-D").replace("falls and", "falls, and"), 0),
        (" ".join(LONG.split()[:13]), 0),
        (" ".join(LONG.split()[3:]), 0),
        (" ".join(LONG.split()[:12]), -1),
        (" ".join(LONG.split()[:7]) + " x " + " ".join(LONG.split()[7:]), -1),
        ("Vitamin D, and FALLS!", 1),
        ("\uff56\uff49\uff54\uff41\uff4d\uff49\uff4e D and falls", 1),
        ("a text about vitamin D and falls of the old", -1),
        ("vitamin D and", -1),
        ("对骨质疏松症的病人应当如何补充维生素以防止跌倒的研究", 1),
        ("骨质疏松症的病人应当如何", -1),
        ("", -1),
        (" !? ", -1),
    ],
)
def test_a_planted_query_is_found_and_a_likeness_is_not(text: str, reason: int) -> None:
    assert FINDER.found([text]).tolist() == [reason]
    assert FINDER.found(["something else", text, ""]).tolist() == [-1, reason, -1]


def plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_what_is_found_is_what_a_plain_search_finds(data: st.DataObject) -> None:
    text = st.lists(st.sampled_from(["a", "b", "B", "c1", "-", "."]), max_size=12).map(" ".join)
    queries, texts = data.draw(st.lists(text, min_size=1, max_size=4)), data.draw(st.lists(text, max_size=6))
    n = data.draw(st.integers(2, 4))

    def holds(text: str, query: str) -> bool:
        words, asked = plain(text), plain(query)
        if not asked or len(asked) < n:
            return bool(asked) and words == asked
        runs = {tuple(asked[i : i + n]) for i in range(len(asked) - n + 1)}
        return any(tuple(words[i : i + n]) in runs for i in range(len(words) - n + 1))

    found = Decontamination.of([Asked("only", tuple(queries))], n=n).found(texts)

    assert (found >= 0).tolist() == [any(holds(text, query) for query in queries) for text in texts]


def directions(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors by the first letter: x is between a and b."""
    table = {"a": (1.0, 0.0), "b": (0.0, 1.0), "x": (0.8, 0.6)}
    return np.array([table[text[0]] for text in texts], np.float32)


def test_closeness_finds_what_words_do_not() -> None:
    tests = [Asked("first", ("a question",)), Asked("second", ("b question",))]
    finder = Decontamination.of(tests, embed=directions, threshold=0.75)

    assert finder.reasons == ("first", "second", "first by cosine", "second by cosine")
    assert finder.found(["a question", "x", "b other", ""]).tolist() == [0, 2, 3, -1]
    assert Decontamination.of(tests, embed=directions, threshold=0.9).found(["x"]).tolist() == [-1]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        Decontamination.of(TESTS, n=1)
    with pytest.raises(InputError, match=r"cosine is 1\.5"):
        Decontamination.of(TESTS, embed=directions, threshold=1.5)


def test_nothing_is_found_without_queries() -> None:
    assert Decontamination.of([]).found(["a"]).tolist() == [-1]


def test_every_held_out_split_that_is_there_is_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERITI_DATA", str(tmp_path))

    tests, absent = evaluation_queries()

    assert [(test.name, len(test.texts)) for test in tests] == [("demo:dev", 24), ("demo:test", 48)]
    assert "scifact" in absent
    assert "demo" not in absent


def test_queries_of_a_file_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "asked.tsv"
    path.write_text(f"q1\t{LONG}\n")

    (asked,) = queries_of([str(path)])

    assert Decontamination.of([asked]).found([f"x {LONG} y"]).tolist() == [0]


def test_each_real_test_query_is_found_in_a_pool_that_holds_it(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    tests, absent = evaluation_queries()
    assert not absent
    names = {test.name for test in tests}
    assert {"scifact:test", "msmarco-dl19-dl20-pool:dl20", "obliqa-dev:dev", "stard-relevant-statutes:dev"} <= names
    assert not {name for name in names if ":train" in name}
    finder = Decontamination.of(tests)
    (scifact,) = (test for test in tests if test.name == "scifact:test")

    planted = [f"{text.upper()}  " for text in scifact.texts]

    assert (finder.found(planted) >= 0).all()
    assert (finder.found([f"an unrelated text, number {i}" for i in range(200)]) < 0).all()
