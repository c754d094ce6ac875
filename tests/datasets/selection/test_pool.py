"""Pools: every format, one way of cutting lines, and what happens to what can not be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.datasets.selection import blocks
from periti.datasets.selection.pool import Columns, open_pool
from periti.errors import FormatError, InputError

RECORDS = [{"id": f"d{i}", "text": f"text {i}", "source": "ab"[i % 2]} for i in range(7)]


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def write(folder: Path, name: str, raw: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def texts(path: Path, **options: Any) -> list[str]:
    return [text for block in open_pool(path, **options).texts() for text in block]


def table(separator: str) -> bytes:
    rows = [separator.join(record.values()) for record in RECORDS]
    return "\n".join([separator.join(RECORDS[0]), *rows]).encode() + b"\n"


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson", "p.jsonl.gz", "p.csv", "p.csv.gz", "p.tsv", "p.parquet"])
def test_every_format_gives_the_same_documents_in_blocks_of_any_size(tmp_path: Path, name: str, block: int) -> None:
    path = tmp_path / name
    if name == "p.parquet":
        pl.DataFrame(RECORDS).write_parquet(path, row_group_size=2)
    else:
        write(tmp_path, name, {"csv": table(","), "tsv": table("\t")}.get(name.split(".")[1], lines(*RECORDS)))

    pool = open_pool(path, Columns(group="source"), block=block)
    found = list(pool.documents())

    assert max(len(one.texts) for one in found) <= block
    assert [text for one in found for text in one.texts] == [record["text"] for record in RECORDS]
    assert [name for one in found for name in one.ids] == [record["id"] for record in RECORDS]
    assert [group for one in found for group in one.groups] == [record["source"] for record in RECORDS]
    assert [record for one in found for record in one.records] == RECORDS
    assert list(pool.texts()) == list(pool.texts()), "a pool can be read again"


def test_plain_text_has_a_document_on_each_line_and_lines_end_at_lf_only(tmp_path: Path) -> None:
    raw = "\ufeffone\u2028still one\r\n\n  \ntwo\u0085still two\vtwo\rtwo\nthree".encode()

    assert texts(write(tmp_path, "p.txt", raw)) == ["one\u2028still one", "two\u0085still two\vtwo\rtwo", "three"]


def test_a_csv_cell_may_hold_line_feeds_and_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", b'text,id\n"two\nlines, ""quoted""",a\nplain,b\n')

    assert texts(path) == ['two\nlines, "quoted"', "plain"]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"contents": "c", "x": "y"}, "c"),
        ({"title": "t", "text": "b"}, "t\nb"),
        ({"title": "", "text": "b"}, "b"),
        ({"title": None, "text": "b"}, "b"),
        ({"query": "q", "document": "d"}, "q\nd"),
        ({"text": None}, ""),
    ],
)
def test_the_usual_columns_are_found(tmp_path: Path, record: dict[str, Any], text: str) -> None:
    assert texts(write(tmp_path, "p.jsonl", lines(record))) == [text]


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "p.jsonl", lines({"query": "q", "document": "d", "n": 3}))

    pool = open_pool(path, Columns(("query",), id="n"))
    (found,) = pool.documents()

    assert (found.texts, found.ids, found.keys, found.asked) == (["q"], ["3"], ["q\nd"], ["q"])
    with pytest.raises(InputError, match="no column 'body'; the first record has query, document, n"):
        open_pool(path, Columns(("body",)))


def test_no_text_column_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.jsonl: no text under text, contents, content; name the column, found a"):
        open_pool(write(tmp_path, "p.jsonl", lines({"a": "b"})))


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.tsv", "p.txt", "p.txt.gz"])
@pytest.mark.parametrize("skip_bad", [True, False])
def test_an_empty_pool_is_one_sentence(tmp_path: Path, name: str, skip_bad: bool) -> None:
    with pytest.raises(InputError, match="there is no document in it"):
        open_pool(write(tmp_path, name, b""), skip_bad=skip_bad)


def test_a_parquet_file_without_rows_is_an_empty_pool(tmp_path: Path) -> None:
    pl.DataFrame({"text": []}, schema={"text": pl.String()}).write_parquet(tmp_path / "p.parquet")

    with pytest.raises(InputError, match="there is no document in it"):
        open_pool(tmp_path / "p.parquet")


@pytest.mark.parametrize("name", ["p.docx", "p", "p.parquet.gz"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match="the ending is none of"):
        open_pool(write(tmp_path, name, b"text"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"p\.jsonl: there is no such file"):
        open_pool(tmp_path / "p.jsonl")


GOOD = lines({"id": "1", "text": "good"})
BAD = [
    (b'{"id": "2", "text": "caf\xe9"}\n', "byte 0xe9 is not UTF-8"),
    (b'{"id": "2", "text": "a\\u0000b"}\n', "NUL"),
    (b'{"id": "2", "text": "a\x00b"}\n', "not JSON"),
    (b'{"id": "2", "text": "\\ud800"}\n', "half a character"),
    (b'{"id": "2", "text": 5}\n', "text is int; write a string"),
    (b'{"id": "2"}\n', "no 'text'; the record has id"),
    (b'{"id": "\\ud800", "text": "a"}\n', "half a character"),
    (b"[1, 2]\n", "expected a JSON object"),
    (b"{\n", "not JSON"),
    (b"[" * 100_000 + b"\n", "not JSON"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=[why for _, why in BAD])
def test_a_bad_line_is_named_or_passed_over_and_nothing_else_lost(tmp_path: Path, line: bytes, why: str) -> None:
    path = write(tmp_path, "p.jsonl", GOOD + line + GOOD)

    with pytest.raises(FormatError, match=rf"p\.jsonl:2: .*{why}.*--skip-bad"):
        texts(path)
    found = list(open_pool(path, skip_bad=True).documents())
    assert [text for one in found for text in one.texts] == ["good", "good"]
    assert [(bad.where, bad.file) for one in found for bad in one.bad] == [(f"{path}:2", False)]


def test_bad_cells_of_tables_are_named_too(tmp_path: Path) -> None:
    csv = write(tmp_path, "p.csv", b"id,text\n1,good\n2,caf\xe9\n3,a,b\n4,good\n")
    tsv = write(tmp_path, "p.tsv", b"id\ttext\n1\tgood\n2\tcaf\xe9\n3\ta\tb\n4\tgood\n")

    for path in (csv, tsv):
        with pytest.raises(FormatError, match=r"0xe9 is not UTF-8|expected 2 cells, found 3"):
            texts(path)
        found = list(open_pool(path, skip_bad=True).documents())
        assert [text for one in found for text in one.texts] == ["good", "good"]
        assert sorted(bad.where.rpartition(":")[2] for one in found for bad in one.bad) == ["3", "4"]


def test_a_broken_quote_ends_a_csv_file_and_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", b'id,text\n1,good\n2,"broken" quote\n3,lost\n')

    with pytest.raises(FormatError, match=r"p\.csv:3: not CSV"):
        texts(path)
    (found,) = open_pool(path, skip_bad=True).documents()
    assert found.texts == ["good"]
    assert [bad.file for bad in found.bad] == [True]


def test_one_corrupt_file_of_a_folder_is_named_or_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    write(folder, "a.jsonl", GOOD)
    write(folder, "b.jsonl", b"")
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(lines(*RECORDS) * 5000)[:-2000])
    write(folder, "d.parquet", b"not parquet")
    write(folder, "deep/e.tsv", b"id\ttext\n9\tlast\n")
    write(folder, "README.md", b"# a pool")
    write(folder, ".hidden.jsonl", b"{")

    with pytest.raises(FormatError, match=r"c\.jsonl\.gz: the packed file is cut short or damaged"):
        texts(folder)
    pool = open_pool(folder, skip_bad=True)
    found = list(pool.documents())

    assert [path.name for path in pool.files] == ["a.jsonl", "b.jsonl", "c.jsonl.gz", "d.parquet", "e.tsv"]
    assert [path.name for path in pool.passed_over] == ["README.md"]
    kept = [text for one in found for text in one.texts]
    assert (kept[0], kept[-1]) == ("good", "last")
    assert len(kept) > 100, "what stands before the damage is kept"
    bad = [one for block in found for one in block.bad]
    assert [Path(one.where.partition(":")[0]).name for one in bad if one.file] == ["c.jsonl.gz", "d.parquet"]


def test_a_folder_without_data_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, "pool/README.md", b"x")

    with pytest.raises(InputError, match="a folder without a file of documents"):
        open_pool(tmp_path / "pool")


def test_a_line_of_ten_megabytes_is_a_document_and_a_longer_one_than_allowed_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = b"word " * 2_000_000
    path = write(tmp_path, "p.txt", b"short\n" + long + b"\nshort\n")

    found = list(open_pool(path).documents())
    assert [len(one.texts) for one in found] == [2, 1], "a block ends where it is large"
    assert len(found[0].texts[1]) == len(long)

    monkeypatch.setattr(blocks, "LONGEST_LINE", 1 << 20)
    with pytest.raises(FormatError, match=r"p\.txt:2: a line of more than 1 MiB"):
        texts(path)
    assert texts(path, skip_bad=True) == ["short", "short"]


def test_real_pools_are_read(shared_data: Path) -> None:
    samples = shared_data / "selection-and-training-samples"

    assert len(texts(samples / "dsir_toy_pile_data.jsonl.gz")) == 1000
