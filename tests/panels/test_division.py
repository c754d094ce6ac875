"""Pairs divided: no document on two sides, nothing learnt that a test of the panel asks."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.panels.collection import CollectionConfig
from periti.panels.decontamination import asked_in_tests, decontaminated
from periti.panels.slices import DEV, FIT, LEARNT, TEST, UTILITY, Slice, divided
from periti.panels.sources import open_source
from periti.panels.sources.groups import components
from periti.panels.sources.texts import text_id, words

EDGES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("stuvwxyz")), max_size=20)


@given(EDGES, st.randoms())
def test_components_are_what_search_finds_and_no_order_of_edges_matters(
    edges: list[tuple[str, str]], random: Random
) -> None:
    found = components(edges)
    for query, group in found.items():
        documents, before = {d for q, d in edges if q == query}, set[str]()
        while documents != before:
            before = documents
            queries = {q for q, d in edges if d in documents}
            documents = {d for q, d in edges if q in queries}
        assert group == min(documents)
    shuffled = list(edges)
    random.shuffle(shuffled)
    assert components(shuffled) == found


def pairs(folder: Path, rows: list[tuple[str, str]], name: str = "pairs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps({"query": q, "document": d}) + "\n" for q, d in rows), encoding="utf-8")
    return path


def slices_of(config: CollectionConfig) -> dict[str, Slice]:
    source = open_source("mine", config)
    return divided("mine", config, source, source.asked(source.documents()))


def test_no_document_is_on_two_sides(tmp_path: Path) -> None:
    rows = [(f"question {i}", f"answer {(i * 7) % 90}") for i in range(150)]
    rows += [(f"question {i}", f"ANSWER  {(i * 11) % 90}") for i in range(0, 150, 5)]
    found = slices_of(CollectionConfig(queries="pairs", file=pairs(tmp_path, rows), hold_out=0.25))

    assert set(found) == {FIT, DEV, UTILITY, TEST}
    documents = [set(part.qrels.frame["doc_id"]) for part in found.values()]
    queries = [set(part.queries.ids) for part in found.values()]
    for sides in (documents, queries):
        assert sum(map(len, sides)) == len(set().union(*sides))
    assert sum(map(len, queries)) == 150


def test_queries_can_be_divided_one_by_one_where_asked(tmp_path: Path) -> None:
    rows = [(f"question {i}", "the one answer") for i in range(50)]
    path = pairs(tmp_path, rows)

    assert len(slices_of(CollectionConfig(queries="pairs", file=path))) == 1
    assert len(slices_of(CollectionConfig(queries="pairs", file=path, group="query"))) == 3


def test_what_a_test_asks_is_not_learnt(tmp_path: Path) -> None:
    asked = open_source("t", CollectionConfig(dataset="demo", test="test")).test("test")[0].texts[0]
    variants = [asked.upper(), f"  {asked}", asked.rstrip("?.") + " ??"]
    rows = [*((text, f"answer {i}") for i, text in enumerate(variants)), *((f"q{i}", f"a{i}") for i in range(30))]
    mine = CollectionConfig(queries="pairs", file=pairs(tmp_path, rows))
    collections = {"mine": mine, "demo": CollectionConfig(dataset="demo", test="test")}

    kept, left_out = decontaminated(slices_of(mine), asked_in_tests(collections))

    texts = [text for part in kept.values() for text in part.queries.texts]
    # The first two differ in case and blanks: one query. The third is its own.
    assert left_out == 2
    assert sorted(texts) == sorted(f"q{i}" for i in range(30))
    assert decontaminated(slices_of(mine), asked_in_tests({"mine": mine}))[1] == 0


def test_what_is_held_out_of_one_file_is_not_learnt_from_another_nor_from_itself(tmp_path: Path) -> None:
    one = CollectionConfig(
        queries="pairs", file=pairs(tmp_path, [(f"q{i}", f"a{i}") for i in range(40)], "one.jsonl"), hold_out=0.5
    )
    other = CollectionConfig(
        queries="pairs", file=pairs(tmp_path, [(f"Q{i}!", f"b{i}") for i in range(40)], "other.jsonl")
    )
    collections = {"one": one, "other": other}
    held = {words(text) for text in slices_of(one)[TEST].queries.texts}
    assert 5 < len(held) < 35

    kept, left_out = decontaminated(slices_of(other), asked_in_tests(collections))

    assert left_out == len(held)
    assert not held & {words(text) for part in LEARNT if part in kept for text in kept[part].queries.texts}
    again, own = decontaminated(slices_of(one), asked_in_tests(collections))
    assert own == 0
    assert again[TEST].queries.texts == slices_of(one)[TEST].queries.texts


@pytest.mark.parametrize(
    ("text", "other", "alike"),
    [
        ("What is asthma?", "what is  asthma", True),
        ("What is asthma?", "What was asthma?", False),
        ("ﬁsh", "FISH", True),
        ("??", "!!", False),
    ],
)
def test_words_are_what_is_left_without_case_blanks_and_signs(text: str, other: str, alike: bool) -> None:
    assert (words(text) == words(other)) is alike


def test_texts_that_signs_tell_apart_have_ids_of_their_own() -> None:
    assert text_id("C++ pointers") != text_id("C pointers")
    assert text_id("a", "b") != text_id("a b")
