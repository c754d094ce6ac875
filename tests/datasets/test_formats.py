"""JSON lines, tables, SMART, TREC documents and BEIR folders, each on files made by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from periti.datasets import jsonl, smart, tables
from periti.datasets.beir import BeirFolder, write_beir
from periti.datasets.sgml import read_trec_documents
from periti.errors import FormatError, InputError, PeritiError, UnknownName
from periti.types import QRELS, Document, Qrels, Queries


def saved(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


DOCUMENTS = [
    Document("1", "text with \u2028 and\ttab", "title", {"year": 1999}),
    Document("NA", "null", ""),
    Document("3", "", "only a title"),
]
QUERIES = Queries.from_pairs([("q2", "second"), ("q1", "first"), ("q3", "in no split")])
QRELS_OF = {
    "test": Qrels.of(pl.DataFrame([("q1", "1", 2), ("q1", "3", 0)], schema=QRELS, orient="row")),
    "train": Qrels.of(pl.DataFrame([("q2", "NA", 1)], schema=QRELS, orient="row")),
}


def test_json_documents_read_back_with_title_metadata_and_strange_blanks(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    assert jsonl.write_documents(DOCUMENTS, path) == 3
    assert list(jsonl.read_documents(path)) == DOCUMENTS
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 3


def test_json_ids_may_be_numbers_under_several_names(tmp_path: Path) -> None:
    path = saved(tmp_path, "d.jsonl", '{"id": 7, "contents": "a"}\n{"docid": "x", "text": "b", "title": null}\n')
    assert list(jsonl.read_documents(path)) == [Document("7", "a"), Document("x", "b")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"_id": "1", "text": "a"}\n{"_id": \n', r":2: not JSON"),
        ('["a"]\n', r":1: expected a JSON object"),
        ('{"text": "a"}\n', r":1: no id under _id, id"),
        ('{"_id": "", "text": "a"}\n', r":1: no id"),
        ('{"_id": "1"}\n', r":1: no text under text"),
        ('{"_id": "1", "text": "a", "title": 3}\n', r":1: title is int"),
        ('{"_id": "1", "text": "a", "metadata": [1]}\n', r":1: metadata is list"),
        (b'{"_id": "1", "text": "\xe9"}\n', r":1: byte 0xe9 is not UTF-8"),
    ],
)
def test_malformed_json_documents_are_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    path = saved(tmp_path, "d.jsonl", content)
    with pytest.raises(FormatError, match=rf"d\.jsonl{sentence}"):
        list(jsonl.read_documents(path))


def test_json_queries_and_judgements_are_refused_when_repeated(tmp_path: Path) -> None:
    queries = saved(tmp_path, "q.jsonl", '{"_id": "1", "text": "a"}\n{"_id": 1, "text": "b"}\n')
    with pytest.raises(FormatError, match=r"q\.jsonl:2: query '1' was given before"):
        jsonl.read_queries(queries)
    line = '{"query_id": "1", "doc_id": "d", "relevance": 1}\n'
    assert jsonl.read_qrels(saved(tmp_path, "r.jsonl", line)).frame.rows() == [("1", "d", 1)]
    with pytest.raises(FormatError, match=r"r\.jsonl:2: the judgement of '1 d' was given before"):
        jsonl.read_qrels(saved(tmp_path, "r.jsonl", line * 2))
    jsonl.write_qrels(QRELS_OF["test"], tmp_path / "written.jsonl.gz")
    assert jsonl.read_qrels(tmp_path / "written.jsonl.gz").frame.rows() == QRELS_OF["test"].frame.rows()
    with pytest.raises(FormatError, match=r"r\.jsonl:1: relevance True is not an integer"):
        jsonl.read_qrels(saved(tmp_path, "r.jsonl", line.replace("1}", "true}")))


def test_a_beir_folder_reads_back_and_has_the_queries_of_its_splits(tmp_path: Path) -> None:
    assert write_beir(tmp_path / "beir", DOCUMENTS, QUERIES, QRELS_OF, facts={"licence": "MIT"}) == 3
    folder = BeirFolder(tmp_path / "beir")
    assert folder.splits == ("test", "train")
    assert list(folder.documents()) == DOCUMENTS
    assert folder.queries().ids == ["q2", "q1", "q3"]
    assert folder.queries("train").ids == ["q2"]
    assert folder.qrels().frame.rows() == [("q1", "1", 2), ("q1", "3", 0)]
    with pytest.raises(UnknownName, match="no split 'dev'"):
        folder.qrels("dev")


def test_a_beir_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_beir(tmp_path / "taken", DOCUMENTS, QUERIES, QRELS_OF)
    bad = {"test": Qrels.of(pl.DataFrame([("q\t1", "1", 2)], schema=QRELS, orient="row"))}
    with pytest.raises(InputError, match="TSV"):
        write_beir(tmp_path / "new", DOCUMENTS, QUERIES, bad)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_judged_query_without_text_is_named(tmp_path: Path) -> None:
    write_beir(tmp_path / "beir", DOCUMENTS, Queries.from_pairs([("q2", "second")]), QRELS_OF)
    with pytest.raises(FormatError, match="1 queries that split 'test' judges have no text, the first is 'q1'"):
        BeirFolder(tmp_path / "beir").queries("test")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_tables_of_documents_queries_judgements_and_runs_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    frame = pl.DataFrame({"doc_id": ["1", "NA"], "title": ["", "t"], "text": ['a "b",\nc', "null"], "year": ["x", ""]})
    tables.write_table(frame, path)
    assert list(tables.read_documents(path)) == [
        Document("1", 'a "b",\nc', "", {"year": "x"}),
        Document("NA", "null", "t", {"year": ""}),
    ]
    tables.write_table(pl.DataFrame({"qid": ["NA", "2"], "text": ["null", "3.0"]}), path)
    assert tables.read_queries(path).frame.rows() == [("NA", "null"), ("2", "3.0")]
    tables.write_table(pl.DataFrame({"query_id": ["q"], "doc_id": ["007"], "relevance": [2]}), path)
    assert tables.read_qrels(path).frame.rows() == [("q", "007", 2)]
    tables.write_table(pl.DataFrame({"query_id": ["q"], "doc_id": ["007"], "score": [0.5]}), path)
    assert tables.read_run(path).frame.rows() == [("q", "007", 0.5, 1)]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_documents_are_written_as_a_table_in_a_stream_and_read_back(tmp_path: Path, name: str) -> None:
    documents = [
        Document("1", 'a "b",\nc \u2028 ', "", {"year": "1999", "by": "x, y"}),
        Document("NA", "null", "t", {"by": "", "year": ""}),
        *(Document(f"d{i}", "", f"title {i}", {"year": str(i), "by": "z"}) for i in range(10_000)),
    ]
    assert tables.write_documents(iter(documents), tmp_path / name) == 10_002
    assert list(tables.read_documents(tmp_path / name)) == documents
    assert tables.write_documents([], tmp_path / f"no-{name}") == 0
    assert list(tables.read_documents(tmp_path / f"no-{name}")) == []


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"year": "1", "by": "x"}, r"document '2' has metadata \['by', 'year'\], the first one \['year'\]"),
        ({}, r"document '2' has metadata \[\], the first one \['year'\]"),
        ({"year": 1999}, "document '2' has the metadata value 1999, which is no text; write JSONL"),
    ],
)
def test_documents_that_a_table_can_not_hold_leave_no_table(
    tmp_path: Path, name: str, metadata: dict[str, object], sentence: str
) -> None:
    documents = [Document("1", "a", "", {"year": "1"}), Document("2", "b", "", metadata)]
    with pytest.raises(InputError, match=sentence):
        tables.write_documents(documents, tmp_path / name)
    with pytest.raises(InputError, match="the metadata key 'title' is a column's own name"):
        tables.write_documents([Document("1", "a", "", {"title": "b"})], tmp_path / name)
    with pytest.raises(FormatError, match="ending is none of"):
        tables.write_documents([], tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_longer_than_128_kilobytes_is_read_whole(tmp_path: Path) -> None:
    path = saved(tmp_path, "long.csv", f"id,text\n1,{'x' * 200_000}\n")
    assert len(next(tables.read_documents(path)).text) == 200_000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,words\n1,a\n", r"no column text or contents or content or query, found id, words"),
        ("id,text\n1,a,b\n", r"t\.csv:2: expected 2 cells, found 3"),
        ("id,text\n1\n", r"t\.csv:2: expected 2 cells, found 1"),
        ('id,text\n1,"a\n', r"t\.csv:2: not CSV"),
        ("id,text\n,a\n", r"record 1 has an empty id"),
        (b'id,text\n1,"a\nb"\n2,\xe9\n', r"t\.csv:4: byte 0xe9 is not UTF-8"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        list(tables.read_documents(saved(tmp_path, "t.csv", content)))


def test_numbers_in_tables_are_numbers_or_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"record 2 has relevance '1\.5'"):
        tables.read_qrels(saved(tmp_path, "t.csv", "query_id,doc_id,relevance\nq,d,1\nq,e,1.5\n"))
    with pytest.raises(FormatError, match="record 1 has score 'x'"):
        tables.read_run(saved(tmp_path, "t.csv", "query_id,doc_id,score\nq,d,x\n"))
    with pytest.raises(PeritiError, match="not finite"):
        tables.read_run(saved(tmp_path, "t.csv", "query_id,doc_id,score\nq,d,nan\n"))
    with pytest.raises(FormatError, match="not a table that can be read"):
        tables.read_run(saved(tmp_path, "t.parquet", "not parquet"))
    with pytest.raises(FormatError, match="ending is none of"):
        tables.write_table(pl.DataFrame({"a": [1]}), tmp_path / "t.xlsx")


def test_smart_records_keep_their_fields_and_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path, "s", ".I 001\r\n.T\r\na  title \r\n.W\r\nfirst\r\n second.I 3\r\n.I 2\r\n.W\r\n")
    records = list(smart.read_smart(path))
    assert [(one.number, one.text("T"), one.text()) for one in records] == [
        ("001", "a title", "first second.I 3"),
        ("2", "", ""),
    ]


def test_smart_documents_read_back_and_markers_in_texts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.gz"
    documents = [Document("1", "a b", "t"), Document("2", "", "")]
    smart.write_smart(documents, path)
    assert list(smart.read_smart_documents(path)) == documents
    with pytest.raises(InputError, match="looks like a SMART marker"):
        smart.write_smart([Document("1", "a\n.W\nb")], path)
    with pytest.raises(InputError, match="one word"):
        smart.write_smart([Document("1 2", "a")], path)
    assert list(smart.read_smart_documents(path)) == documents


@pytest.mark.parametrize("content", ["stray\n.I 1\n", ".I 1\nstray\n"])
def test_text_outside_a_smart_field_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(FormatError, match=r"s:[12]: expected \.I or a field"):
        list(smart.read_smart(saved(tmp_path, "s", content)))


def test_trec_documents_give_number_title_and_text(tmp_path: Path) -> None:
    content = (
        "<DOC>\n<DOCNO> a-1 </DOCNO>\n<TITLE>T &amp; t</TITLE>\n<TEXT>\n x <b \n y\n</TEXT>\n</DOC>\n"
        "<DOC>\n<DOCNO>2</DOCNO>\n</DOC>\n"
    )
    assert list(read_trec_documents(saved(tmp_path, "d", content))) == [
        Document("a-1", "x <b y", "T & t"),
        Document("2", ""),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("stray\n", "d:1: expected <DOC>"),
        ("<DOC>\n<DOCNO>1</DOCNO>\n", "d:1: the document has no </DOC>"),
        ("<DOC>\nx\n</DOC>\n", "d:1: a <DOC> without <DOCNO>"),
        ("<DOC>\n<DOC>\n", "d:2: <DOC> inside the document of line 1"),
    ],
)
def test_malformed_trec_documents_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        list(read_trec_documents(saved(tmp_path, "d", content)))
