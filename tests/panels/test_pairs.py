"""Files of pairs: what is read, what is merged, and one sentence with the line for everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.errors import FormatError
from periti.panels.collection import CollectionConfig
from periti.panels.sources import open_source
from periti.panels.sources.source import Asked
from periti.panels.sources.texts import text_id
from periti.types import Document

Lines = list[dict[str, Any]]
TWO: Lines = [{"query": "why?", "document": "because"}, {"query": "who?", "document": "me"}]


def written(folder: Path, rows: Lines) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def asked(path: Path, **settings: Any) -> tuple[Asked, list[Document]]:
    source = open_source("mine", CollectionConfig(queries="pairs", file=path, **settings))
    documents = list(source.documents())
    return source.asked(documents), documents


def judged(found: Asked, documents: list[Document]) -> set[tuple[str, str, int]]:
    """(query, document, grade) as texts."""
    queries = dict(found.queries.frame.iter_rows())
    texts = {one.doc_id: one.text for one in documents}
    return {(queries[q], texts[d], grade) for q, d, grade in found.qrels.frame.iter_rows()}


def test_pairs_become_queries_documents_and_judgements(tmp_path: Path) -> None:
    found, documents = asked(written(tmp_path, [*TWO, {"query": "who?", "document": "you", "grade": 2}]))

    assert judged(found, documents) == {("why?", "because", 1), ("who?", "me", 1), ("who?", "you", 2)}
    assert found.notes == {"pairs": 3, "repeated pairs": 0, "repeated documents": 0, "queries": 2, "groups": 2}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet", "jsonl.gz"])
def test_every_format_says_the_same(tmp_path: Path, ending: str) -> None:
    import gzip

    rows: Lines = [
        {
            "query": "why, oh why?",
            "document": 'she said "so"',
            "title": "Reasons",
            "grade": 2,
            "weight": 0.5,
            "order": 3,
        },
        {"query": "who?", "document": "me", "title": "", "grade": 1, "weight": 2.0, "order": 1},
    ]
    path = tmp_path / f"pairs.{ending}"
    if ending == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif ending == "csv":
        pl.DataFrame(rows).write_csv(path)
    elif ending == "tsv":
        pl.DataFrame(rows).write_csv(path, separator="\t", quote_style="never")
    else:
        plain = written(tmp_path, rows).read_bytes()
        path.write_bytes(gzip.compress(plain) if ending.endswith("gz") else plain)

    found, documents = asked(path)

    assert judged(found, documents) == {("why, oh why?", 'she said "so"', 2), ("who?", "me", 1)}
    assert {one.title for one in documents} == {"Reasons", ""}
    why, who = text_id("why, oh why?"), text_id("who?")
    assert found.hints.weights == {why: 0.5, who: 2.0}
    assert found.hints.order == {why: 3.0, who: 1.0}


def test_what_is_the_same_but_for_case_and_blanks_is_merged_and_counted(tmp_path: Path) -> None:
    rows = [*TWO, {"query": "WHY? ", "document": "Because", "weight": 3}, {"query": "how?", "document": " because"}]

    found, documents = asked(written(tmp_path, rows))

    assert judged(found, documents) == {("why?", "because", 1), ("who?", "me", 1), ("how?", "because", 1)}
    assert found.notes["repeated pairs"] == 1
    assert found.hints.weights[text_id("why?")] == 3
    # "why?" and "how?" share a document, so they are never divided.
    assert found.groups[text_id("why?")] == found.groups[text_id("how?")] != found.groups[text_id("who?")]


def test_a_text_under_two_ids_is_one_document(tmp_path: Path) -> None:
    rows = [{"query": q, "document": "the same", "doc_id": d} for q, d in (("a", "x"), ("b", "y"), ("c", "y"))]

    found, documents = asked(written(tmp_path, rows))

    assert [one.doc_id for one in documents] == ["x"]
    assert found.notes["repeated documents"] == 1
    assert found.notes["groups"] == 1


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    rows = [{"query": f"question {i % 7}", "document": f"answer {i % 5}"} for i in range(20)]
    (tmp_path / "b").mkdir()
    one = open_source("m", CollectionConfig(queries="pairs", file=written(tmp_path, rows)))
    other = open_source("m", CollectionConfig(queries="pairs", file=written(tmp_path / "b", rows[::-1])))

    assert one.folder == other.folder
    assert list(one.documents()) == list(other.documents())
    assert one.asked([]).groups == other.asked([]).groups


def test_another_text_is_another_index(tmp_path: Path) -> None:
    folders = []
    for text in ("me", "you"):
        path = written(tmp_path, [{"query": "who?", "document": text, "doc_id": "d"}])
        folders.append(open_source("mine", CollectionConfig(queries="pairs", file=path)).folder)

    assert folders[0] != folders[1]
    assert all(folder.startswith("mine-") for folder in folders)


def test_pairs_over_a_dataset_use_its_documents(tmp_path: Path) -> None:
    path = written(tmp_path, [{"query": "what is an offer?", "doc_id": "law-001", "grade": 2}])
    source = open_source("mine", CollectionConfig(dataset="demo", queries="pairs", file=path))

    assert source.folder == "demo"
    assert source.licence == "MIT"
    assert source.asked(source.documents()).qrels.frame.rows() == [(text_id("what is an offer?"), "law-001", 2)]


def test_a_document_that_the_dataset_does_not_have_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, [{"query": "a", "doc_id": "law-001"}, {"query": "b", "doc_id": "law-9"}])
    source = open_source("mine", CollectionConfig(dataset="demo", queries="pairs", file=path))

    with pytest.raises(FormatError, match=r"pairs.jsonl:2: dataset 'demo' has no document 'law-9'"):
        source.asked(source.documents())


@pytest.mark.parametrize(
    ("third", "says"),
    [
        ({"query": "x", "document": "y", "wieght": 2}, "unknown column 'wieght'; did you mean 'weight'"),
        ({"qeury": "x", "document": "y"}, "unknown column 'qeury'; did you mean 'query'"),
        ({"document": "y"}, "query is missing or blank"),
        ({"query": "x"}, "document is missing or blank"),
        ({"query": " \t", "document": "y"}, "query is missing or blank"),
        ({"query": "x", "document": "\n"}, "document is missing or blank"),
        ({"query": "x", "document": None}, "document is missing or blank"),
        ({"query": 7, "document": "y"}, "query is 7, which is no text"),
        ({"query": "x", "document": ["y"]}, "document is ['y'], which is no text"),
        ({"query": "x", "document": "y", "title": 5}, "title is 5, which is no text"),
        ({"query": "x", "document": "half \ud800"}, "document holds half a character"),
        ({"query": "x", "doc_id": "d"}, "no document; give its text, or name the `dataset`"),
        ({"query": "x", "document": "y", "doc_id": "a b"}, "doc_id is 'a b'; an id must not hold white space"),
        ({"query": "x", "document": "y", "weight": float("nan")}, "weight is nan; write a finite number"),
        ({"query": "x", "document": "y", "weight": float("inf")}, "weight is inf; write a finite number"),
        ({"query": "x", "document": "y", "weight": "much"}, "weight is 'much'; write a finite number"),
        ({"query": "x", "document": "y", "weight": True}, "weight is True; write a finite number"),
        ({"query": "x", "document": "y", "weight": 0}, "weight is 0; write a positive number"),
        ({"query": "x", "document": "y", "grade": 1.5}, "grade is 1.5; write a whole number"),
        ({"query": "x", "document": "y", "gain": -1}, "gain is -1; write a whole number"),
        ({"query": "x", "document": "y", "grade": 1, "gain": 1}, "both grade and gain are given"),
        ({"query": "x", "document": "y", "order": 1}, "order is given for some pairs only"),
        ({"query": "Why?", "document": "because", "grade": 2}, "the pair has grade 2, and 1 at"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, third: dict[str, Any], says: str) -> None:
    path = written(tmp_path, [*TWO, third])

    with pytest.raises(FormatError) as caught:
        asked(path)

    told = str(caught.value)
    assert told.startswith(f"{path}:3: ")
    assert says in told
    assert "\n" not in told


def test_one_id_with_two_texts_names_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, [{"query": q, "document": q, "doc_id": "same"} for q in ("a", "b")])

    with pytest.raises(FormatError, match=r"pairs.jsonl:2: doc_id 'same' has another text at .*pairs.jsonl:1"):
        asked(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("pairs.jsonl", b"", "no pairs in it"),
        ("pairs.csv", b"query,document\n", "no pairs in it"),
        ("pairs.jsonl", b"[1]\n", r":1: expected a JSON object"),
        ("pairs.csv", b"query,document\na\n", r":2: expected 2 cells, found 1"),
        ("pairs.tsv", b"query\tdocument\na\tb\tc\n", r":2: expected 2 cells, found 3"),
        ("pairs.parquet", b"PAR1 and no more", "not a Parquet file that can be read"),
        ("pairs.xlsx", b"x", "the ending is none of .jsonl, .csv, .tsv, .parquet"),
        ("pairs.jsonl", b'{"query": "\xff"}\n', r":1: byte 0xff is not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(FormatError, match=says):
        asked(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("pairs.jsonl", "pairs.parquet"):
        with pytest.raises(FormatError, match=name):
            asked(tmp_path / name)
