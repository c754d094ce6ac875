"""References: files by their ending, BEIR folders, datasets, splits after a colon."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from periti.datasets.beir import write_beir
from periti.datasets.references import open_documents, open_qrels, open_queries, open_run
from periti.errors import FormatError, InputError, UnknownName
from periti.types import QRELS, Document, Qrels, Queries

FILES = {
    "q.tsv": "1\tone\n",
    "q.txt": "<top><num>1<title>one</top>\n",
    "q.xml": '<topics><topic number="1"><query>one</query></topic></topics>',
    "q.jsonl": '{"_id": "1", "text": "one"}\n',
    "q.csv": "query_id,text\n1,one\n",
    "q.qry": ".I 1\n.W\none\n",
}
CORPORA = {
    "d.tsv": "1\tone\ttwo\n",
    "d.trec": "<DOC>\n<DOCNO>1</DOCNO>\none\ttwo\n</DOC>\n",
    "d.jsonl": '{"_id": "1", "text": "one\\ttwo"}\n',
    "d.csv": "doc_id,text\n1,one\ttwo\n",
    "d.all": ".I 1\n.W\none\ttwo\n",
}
JUDGED = {
    "r.txt": "1 0 d 2\n",
    "r.tsv": "query-id\tcorpus-id\tscore\n1\td\t2\n",
    "r.csv": "query_id,doc_id,relevance\n1,d,2\n",
    "r.jsonl": '{"query_id": "1", "doc_id": "d", "relevance": 2}\n',
}


def saved(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


@pytest.fixture
def beir(tmp_path: Path) -> str:
    judged = Qrels.of(pl.DataFrame([("a", "d", 1)], schema=QRELS, orient="row"))
    queries = Queries.from_pairs([("a", "one"), ("b", "two")])
    write_beir(tmp_path / "folder", [Document("d", "text")], queries, {"test": judged})
    return str(tmp_path / "folder")


@pytest.mark.parametrize("name", sorted(FILES))
def test_queries_are_opened_by_the_kind_of_file(tmp_path: Path, name: str) -> None:
    assert open_queries(saved(tmp_path, name, FILES[name])).frame.rows() == [("1", "one")]


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_documents_are_opened_by_the_kind_of_file(tmp_path: Path, name: str) -> None:
    (found,) = open_documents(saved(tmp_path, name, CORPORA[name]))
    assert (found.doc_id, found.text.split()) == ("1", ["one", "two"])


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_judgements_are_opened_by_the_kind_of_file(tmp_path: Path, name: str) -> None:
    assert open_qrels(saved(tmp_path, name, JUDGED[name])).frame.rows() == [("1", "d", 2)]


@pytest.mark.parametrize(
    ("name", "content"), [("r.run", "1 Q0 d 1 2 t\n"), ("r.csv", "query_id,doc_id,score\n1,d,2\n")]
)
def test_runs_are_opened_by_the_kind_of_file(tmp_path: Path, name: str, content: str) -> None:
    assert open_run(saved(tmp_path, name, content)).frame.rows() == [("1", "d", 2.0, 1)]


def test_a_beir_folder_may_name_its_split(beir: str) -> None:
    assert open_queries(beir).ids == ["a", "b"]
    assert open_queries(f"{beir}:test").ids == ["a"]
    assert open_qrels(beir, split="test").frame.rows() == [("a", "d", 1)]
    assert [one.doc_id for one in open_documents(beir)] == ["d"]


def test_a_dataset_may_name_its_split() -> None:
    assert len(open_queries("demo")) == 48
    assert len(open_queries("demo:train")) == len(open_queries("demo", split="train")) == 36
    assert open_qrels("demo:dev").name == "demo:dev"
    assert next(open_documents("demo")).doc_id == "law-001"


def test_a_path_wins_over_a_name_and_may_hold_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "scifact", "1\tmine\n")
    saved(tmp_path, "a:b", "1\tcolon\n")
    assert open_queries("scifact").texts == ["mine"]
    assert open_queries("a:b").texts == ["colon"]


def test_what_is_neither_path_nor_name_is_told_apart(tmp_path: Path, beir: str) -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'demo'\?"):
        open_queries("demoo")
    with pytest.raises(UnknownName, match="no split 'tset'"):
        open_queries("demo:tset")
    for absent in ("absent.tsv", "some/folder", "absent.run"):
        with pytest.raises(FormatError, match="there is no such file"):
            open_queries(absent)
    with pytest.raises(FormatError, match=r"without corpus\.jsonl"):
        open_queries(str(tmp_path))
    with pytest.raises(InputError, match="is a file and has no split 'train'"):
        open_queries(saved(tmp_path, "q.tsv", "1\tone\n"), split="train")
    with pytest.raises(InputError, match="'test' but 'train' was asked for"):
        open_queries(f"{beir}:test", split="train")
