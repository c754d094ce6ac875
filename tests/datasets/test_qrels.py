"""Judgements: TREC's four columns, BEIR's three, what is refused, and what is written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.beir import write_beir_qrels
from periti.datasets.trec import read_qrels, write_qrels
from periti.errors import FormatError, InputError
from periti.types import QRELS, Qrels


def saved(folder: Path, content: str | bytes, name: str = "some.qrels") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "q1 0 d1 1\nq1 0 d2 -1\nq2 0 d1 0\n",
        "q1\t0\td1\t1\r\nq1\t0\td2\t-1\t \r\nq2\t0\td1\t0",
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t-1\nq2\td1\t0\n",
        "query-id\tcorpus-id\tscore\r\nq1\td1\t1 \r\n\r\nq1\td2\t-1\r\nq2\td1\t+0\r\n",
    ],
    ids=["trec", "trec with tabs, crlf and trailing blanks", "beir", "beir with crlf"],
)
def test_both_layouts_hold_the_same_judgements(tmp_path: Path, content: str) -> None:
    qrels = read_qrels(saved(tmp_path, content))
    assert qrels.frame.rows() == [("q1", "d1", 1), ("q1", "d2", -1), ("q2", "d1", 0)]
    assert qrels.name == "some"


def test_beir_ids_may_hold_blanks(tmp_path: Path) -> None:
    content = "query-id\tcorpus-id\tscore\nq 1\tHans Müller\t2\n"
    assert read_qrels(saved(tmp_path, content)).frame.rows() == [("q 1", "Hans Müller", 2)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("q 0 d 1\nq 0 e\n", r"some\.qrels:2: expected 4 columns, found 3"),
        ("q d 1\n", r"some\.qrels:1: expected 4 columns, found 3"),
        ("q 0 d 1.5\n", r"some\.qrels:1: relevance '1\.5' is not an integer"),
        ("q 0 d 1\nq 0 e yes\n", r"some\.qrels:2: relevance 'yes'"),
        ("q 0 d 3000000000\n", r"some\.qrels:1: relevance '3000000000' is beyond 32 bits"),
        ("q 0 d 1\nr 0 d 1\nq 0 d 2\n", r"some\.qrels:3: the judgement of 'q d' stands on line 1"),
        ("query-id\tcorpus-id\tscore\nq\td\t1\nq\t\t1\n", r"some\.qrels:3: the doc_id is empty"),
        ("query-id\tcorpus-id\tscore\nq\td\n", r"some\.qrels:2: expected 3 columns, found 2"),
        ("query-id\tcorpus-id\tscore\n", r"some\.qrels: the file holds no judgement"),
        ("", r"some\.qrels: the file holds no judgement"),
        (b"q 0 d 1\n\xff\xfe\n", r"some\.qrels:2: byte 0xff is not UTF-8"),
    ],
)
def test_malformed_judgements_are_refused_with_file_and_line(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(FormatError, match=sentence):
        read_qrels(saved(tmp_path, content))


IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=5).filter(
    lambda text: not text.startswith("\ufeff")
)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.tuples(IDS, IDS), st.integers(-(2**31), 2**31 - 1), min_size=1), st.booleans())
def test_any_judgements_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[tuple[str, str], int], beir: bool
) -> None:
    rows = [(*pair, grade) for pair, grade in pairs.items()]
    qrels = Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))
    path = tmp_path_factory.mktemp("qrels") / "any.tsv"
    (write_beir_qrels if beir else write_qrels)(qrels, path)
    assert read_qrels(path).frame.rows() == qrels.frame.rows()


def test_ids_that_the_formats_can_not_carry_are_refused(tmp_path: Path) -> None:
    blank = Qrels.of(pl.DataFrame([("q 1", "d", 1)], schema=QRELS, orient="row"))
    tab = Qrels.of(pl.DataFrame([("q\t1", "d", 1)], schema=QRELS, orient="row"))
    with pytest.raises(InputError, match="'q 1' holds a blank"):
        write_qrels(blank, tmp_path / "a")
    with pytest.raises(InputError, match="does not fit a TSV file"):
        write_beir_qrels(tab, tmp_path / "a")
    assert not list(tmp_path.iterdir())
