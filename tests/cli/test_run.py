"""`periti run` and `periti search` as a user calls them, on a collection that is built once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.datasets.trec import read_run
from tests.cli.calling import periti
from tests.tiny import DOCUMENTS, QUERIES, Tiny


@pytest.fixture
def topics(tmp_path: Path) -> Path:
    path = tmp_path / "topics.tsv"
    path.write_text("".join(f"{query_id}\t{text}\n" for query_id, text in QUERIES.frame.iter_rows()))
    return path


def test_a_run_holds_the_panel_s_ranking_in_falling_scores(
    tiny: Tiny, topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tiny.run.gz"
    assert periti("run", tiny.folder, "--queries", topics, "--out", out, "-k", 20) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{out}: 7 queries, {7 * 20} documents, 0 queries without an answer, ")
    assert said[1] == "bm25: 1 unanswered queries"
    written, expected = read_run(out), tiny.pipeline.search(QUERIES, 20)
    assert written.name == "tiny"
    for query_id in QUERIES.ids:
        assert written.doc_ids(query_id) == expected.doc_ids(query_id)
    steps = written.frame.select((written.frame["score"].diff() < 0) | (written.frame["rank"] == 1)).to_series()
    assert steps.all(), "any evaluator that sorts by score finds the same order"


def test_experts_tag_and_a_summary_for_machines(
    tiny: Tiny, topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "words.run"
    command = ("run", tiny.folder, "--queries", topics, "--out", out, "--experts", "bm25", "--tag", "words", "--json")
    assert periti(*command) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["tag"], told["queries"], told["queries_without_answer"]) == ("words", 7, 1)
    assert told["notes"] == {"bm25": {"unanswered_queries": 1}}
    assert out.read_text().splitlines()[0].split()[:2] == ["q-a", "Q0"]
    assert read_run(out).name == "words"


def test_the_demo_s_words_alone_reach_what_its_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("index", "build", "--dataset", "demo", "--no-dense", "--out", tmp_path / "demo") == 0
    assert periti("run", tmp_path / "demo", "--queries", "demo", "--out", tmp_path / "demo.run") == 0
    capsys.readouterr()
    assert periti("evaluate", "--qrels", "demo", tmp_path / "demo.run", "--measures", "nDCG@10", "R@100") == 0

    assert capsys.readouterr().out.splitlines()[1].split() == ["demo", "0.4576", "0.7913"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"1\ta\nno tab\n", "topics.tsv:2: expected id<TAB>text"),
        (b"1\t \n", "topics.tsv:1: query '1' has no text; give it one or remove it"),
        (b"1\ta\n1\tb\n", "topics.tsv:2: query '1' was given before"),
        (b"1\t\xff\n", "topics.tsv:1: byte 0xff is not UTF-8"),
        (b"", "the file holds no query"),
    ],
)
def test_bad_topics_are_one_sentence_and_leave_no_run(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    topics = tmp_path / "topics.tsv"
    topics.write_bytes(content)
    assert periti("run", tiny.folder, "--queries", topics, "--out", tmp_path / "x.run") == 2

    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["topics.tsv"]


def test_what_can_not_be_run_is_told_before_any_search(
    tiny: Tiny, topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.run"
    refused: list[tuple[tuple[str | Path, ...], str]] = [
        ((tiny.folder, "--queries", "scifct", "--out", out), "no dataset named 'scifct'; did you mean 'scifact'?"),
        ((tiny.folder, "--queries", topics, "--out", out, "-k", "0"), "k is 0; it must be between 1 and 10,000"),
        ((tiny.folder, "--queries", topics, "--out", out, "-k", "10001"), "k is 10001; it must be between"),
        ((tiny.folder, "--queries", topics, "--out", out, "--experts", "bm52"), "did you mean 'bm25'?"),
        ((tmp_path / "none", "--queries", topics, "--out", out), "no configuration at"),
        ((tiny.folder, "--queries", topics, "--out", tmp_path / "no" / "x.run"), "is not a folder; make it first"),
    ]
    for options, sentence in refused:
        assert periti("run", *options) == 2
        said = capsys.readouterr()
        assert sentence in said.err
        assert "searching" not in said.err or "k is" in sentence
    assert [path.name for path in tmp_path.iterdir()] == ["topics.tsv"]


# search


def test_a_question_is_answered_with_ids_titles_and_texts(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("search", tiny.folder, "breach of contract damages", "-k", 2) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[::2] == ["1", "law-3"]
    assert shown[1].strip() == "Breach of contract entitles the buyer to damages."

    assert periti("search", tiny.folder, "breach of contract damages", "-k", 2, "--json", "--explain") == 0
    told = json.loads(capsys.readouterr().out)
    assert [hit["rank"] for hit in told["hits"]] == [1, 2]
    assert [step["step"] for step in told["steps"]] == ["route", "retrieve:bm25", "retrieve:dense", "fuse", "rerank"]
    by_id = {document.doc_id: document for document in DOCUMENTS}
    assert all(by_id[hit["doc_id"]].text == hit["text"] for hit in told["hits"])


def test_words_that_nobody_knows_find_nothing(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert periti("search", tiny.folder, "zzzz qqqq", "--experts", "bm25", "--explain") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("nothing found\n")
    assert "1 unanswered queries" in shown


@pytest.mark.parametrize(
    ("question", "options", "sentence"),
    [
        ("", (), "the query is empty; ask something"),
        (" \t\n", (), "the query is empty; ask something"),
        ("x", ("-k", "0"), "k is 0; it must be between 1 and 10,000"),
        ("x", ("-k", "10001"), "k is 10001; it must be between 1 and 10,000"),
        ("x", ("--experts", "words"), "has no expert 'words'; known: bm25, dense"),
        ("\udcff", (), "not valid Unicode"),
    ],
)
def test_a_question_that_can_not_be_asked_is_one_sentence(
    tiny: Tiny, capsys: pytest.CaptureFixture[str], question: str, options: tuple[str, ...], sentence: str
) -> None:
    assert periti("search", tiny.folder, question, *options) == 2

    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.startswith("periti: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
