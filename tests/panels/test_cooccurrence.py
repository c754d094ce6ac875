"""Heads and bags of attributes: what becomes a query, a document, an answer, and what is neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.errors import FormatError
from periti.panels.collection import CollectionConfig
from periti.panels.sources import open_source
from periti.panels.sources.cooccurrence import bag_id
from periti.panels.sources.source import Asked, Source
from periti.panels.sources.texts import text_id

ADS: list[dict[str, Any]] = [
    {"job": "Nurse", "skills": ["triage", "wound care"], "place": "Kyiv"},
    {"job": "nurse ", "skills": ["night shifts"]},
    {"job": "Staff nurse", "skills": ["Wound care", "triage", "triage"]},
    {"job": "Head of ward", "skills": ["nurse", "rosters"]},
    {"job": "Porter", "skills": []},
]


def opened(folder: Path, rows: list[dict[str, Any]] = ADS, **settings: Any) -> Source:
    path = folder / "ads.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return open_source(
        "ads", CollectionConfig(queries="cooccurrence", file=path, head="job", attributes="skills", **settings)
    )


def answers(found: Asked) -> dict[str, set[str]]:
    rows: dict[str, set[str]] = {}
    for query_id, doc_id, _ in found.qrels.frame.iter_rows():
        rows.setdefault(query_id, set()).add(doc_id)
    return rows


def test_equal_heads_are_one_query_and_equal_bags_one_document(tmp_path: Path) -> None:
    source = opened(tmp_path)
    found = source.asked(source.documents())

    care, nights, rosters = bag_id(["triage", "wound care"]), bag_id(["night shifts"]), bag_id(["rosters", "NURSE"])
    assert answers(found) == {
        text_id("nurse"): {care, nights},
        text_id("staff nurse"): {care},
        text_id("head of ward"): {rosters},
    }
    assert {one.doc_id for one in source.documents()} == {care, nights, rosters}
    assert found.notes["without attributes"] == 1
    # Nurse and staff nurse share a bag: they are never divided.
    assert found.groups[text_id("nurse")] == found.groups[text_id("staff nurse")]


def test_a_bag_that_holds_the_head_is_neither_answer_nor_negative(tmp_path: Path) -> None:
    source = opened(tmp_path)

    assert source.asked(source.documents()).hints.ignored == {text_id("nurse"): [bag_id(["nurse", "rosters"])]}


def test_a_bag_that_holds_its_own_head_stays_its_answer(tmp_path: Path) -> None:
    source = opened(tmp_path, [{"job": "nurse", "skills": ["nurse", "triage"]}])
    found = source.asked(source.documents())

    assert answers(found) == {text_id("nurse"): {bag_id(["triage", "nurse"])}}
    assert found.hints.ignored == {text_id("nurse"): []}


def test_a_bag_is_written_once_each_shuffled_and_cut_by_hash(tmp_path: Path) -> None:
    skills = [f"skill {i}" for i in range(20)]
    rows = [{"job": "a", "skills": [*skills, "SKILL 3"]}]
    (whole,) = opened(tmp_path, rows).documents()
    (cut,) = opened(tmp_path, rows, max_items=5).documents()
    (again,) = opened(tmp_path, [{"job": "a", "skills": skills[::-1]}], max_items=5).documents()

    assert sorted(whole.text.split(", ")) == sorted(skills)
    assert whole.text.split(", ") != skills
    assert whole.text.startswith(cut.text)
    assert len(cut.text.split(", ")) == 5
    assert cut == again


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_tables_hold_lists_or_separated_texts(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ads.{ending}"
    flat = pl.DataFrame({"job": ["Nurse", "Cook"], "skills": ["triage; wound care;", "soup"]})
    if ending == "parquet":
        flat.with_columns(pl.Series("skills", [["triage", "wound care"], ["soup"]])).write_parquet(path)
    else:
        flat.write_csv(path, separator="\t" if ending == "tsv" else ",")
    config = CollectionConfig(queries="cooccurrence", file=path, head="job", attributes="skills")

    source = open_source("ads", config)

    assert {one.doc_id for one in source.documents()} == {bag_id(["triage", "wound care"]), bag_id(["soup"])}


def test_titles_and_texts_of_a_dataset_stand_together() -> None:
    config = CollectionConfig(dataset="demo", queries="cooccurrence", head="title", attributes="text")
    source = open_source("titles", config)
    found = source.asked(source.documents())

    assert source.licence == "MIT"
    assert len(list(source.documents())) == 330
    assert found.notes["pairs"] == 330
    assert "Offer distinguished from invitation to treat" in found.queries.texts


def test_a_field_that_documents_do_not_have_is_told() -> None:
    config = CollectionConfig(dataset="demo", queries="cooccurrence", head="title", attributes="mesh")

    with pytest.raises(FormatError, match=r"has no field 'mesh'; it has .*text, title"):
        open_source("titles", config)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"skills": ["a"]}, ":2: job is missing or blank"),
        ({"job": " ", "skills": ["a"]}, ":2: job is missing or blank"),
        ({"job": "x", "skills": [1]}, r":2: skills is \[1\]; write a list of texts, or one text"),
        ({"job": "x", "skills": {"a": 1}}, r":2: skills is .*; write a list of texts"),
        ({"job": "x", "skills": ["half \ud800"]}, ":2: skills holds half a character"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    with pytest.raises(FormatError, match=says):
        opened(tmp_path, [ADS[0], row])


def test_no_attributes_at_all_are_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="none of 1 records has a head with an attribute; check the fields' names"):
        opened(tmp_path, [{"job": "x", "skill": ["a"]}])
