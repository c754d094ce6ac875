"""TREC runs: what is read, what is refused with file and line, and the order that survives writing."""

from __future__ import annotations

import gzip
import io
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.trec import falling, read_run, write_run
from periti.errors import FormatError, InputError, StorageError
from periti.types import Run

LINES = "q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.5 bm25\nq2 Q0 d1 1 -3e0 bm25\n"


def saved(folder: Path, content: str | bytes, name: str = "some.run") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(run: Run) -> list[tuple[str, str, float, int]]:
    return [(query, doc, score, rank) for query, doc, score, rank in run.frame.iter_rows()]


def test_a_run_is_named_by_its_tag_and_holds_its_lines(tmp_path: Path) -> None:
    run = read_run(saved(tmp_path, LINES))
    assert run.name == "bm25"
    assert rows(run) == [("q1", "d1", 2.5, 1), ("q1", "d2", 1.5, 2), ("q2", "d1", -3.0, 1)]


def test_the_rank_column_is_ignored_and_the_score_orders(tmp_path: Path) -> None:
    run = read_run(saved(tmp_path, "q Q0 low 1 1.0 t\nq Q0 high 9 2.0 t\n"))
    assert run.doc_ids("q") == ["high", "low"]


@pytest.mark.parametrize(
    "content",
    [
        LINES.replace("\n", "\r\n"),
        LINES.replace(" ", "\t"),
        LINES.replace(" ", "   ").replace("\n", "  \n"),
        "\n" + LINES.replace("\n", "\n\n") + " \n",
        LINES.rstrip("\n"),
        "\ufeff" + LINES,
    ],
    ids=["crlf", "tabs", "many blanks", "blank lines", "no last line end", "byte-order mark"],
)
def test_blanks_and_line_ends_do_not_matter(tmp_path: Path, content: str) -> None:
    assert rows(read_run(saved(tmp_path, content))) == rows(read_run(saved(tmp_path, LINES, "plain.run")))


def test_a_packed_run_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = saved(tmp_path, gzip.compress(LINES.encode()), "some.run.gz")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    assert rows(read_run(packed)) == rows(read_run("-"))


def test_ids_that_look_like_nothing_or_hold_quotes_are_kept(tmp_path: Path) -> None:
    run = read_run(saved(tmp_path, 'NA Q0 null 1 2 t\nNA Q0 "x" 2 1 t\nNA Q0 \u2028 3 0 t\nNA Q0 #1,5 4 -1 t\n'))
    assert run.doc_ids("NA") == ["null", '"x"', "\u2028", "#1,5"]


def test_several_tags_give_the_name_of_the_file(tmp_path: Path) -> None:
    assert read_run(saved(tmp_path, "q Q0 a 1 2 x\nq Q0 b 2 1 y\n", "mixed.run")).name == "mixed"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("q Q0 a 1 2 t\nq Q0 b 2 t\n", r"some\.run:2: expected 6 columns, found 5"),
        ("q Q0 a 1 2 t\nq Q0 b 2 1 t more\n", r"some\.run:2: expected 6 columns, found 7"),
        ("q Q0 a 1 2 t x\nq Q0 b 2 1\n", r"some\.run:1: expected 6 columns, found 7"),
        ("q Q0 a 1 2 t\n\nq Q0 b 2 nan t\n", r"some\.run:3: score 'nan' is not a finite number"),
        ("q Q0 a 1 inf t\n", r"some\.run:1: score 'inf'"),
        ("q Q0 a 1 1_0 t\n", r"some\.run:1: score '1_0'"),
        ("q Q0 a 1 high t\n", r"some\.run:1: score 'high'"),
        ("q Q0 a 1 1e39 t\n", r"some\.run:1: score '1e39' is beyond float32"),
        ("q Q0 a 1 1e400 t\n", r"some\.run:1: score '1e400' is beyond float32"),
        ("q Q0 a 1 2 t\nq Q0 b 1 2 t\n\nq Q0 a 2 1 t\n", r"some\.run:4: the query and document 'q a' stands on line 1"),
        (b"q Q0 a 1 2 t\nq Q0 \xe9 2 1 t\n", r"some\.run:2: byte 0xe9 is not UTF-8"),
        ("", r"some\.run: the file holds no line"),
        ("\n \n", r"some\.run: the file holds no line"),
    ],
)
def test_a_malformed_run_is_refused_with_file_and_line(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        read_run(saved(tmp_path, content))


def test_a_missing_file_and_a_cut_packed_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"absent\.run: there is no such file"):
        read_run(tmp_path / "absent.run")
    with pytest.raises(FormatError, match=r"cut\.run\.gz: the packed file is cut short"):
        read_run(saved(tmp_path, gzip.compress(LINES.encode())[:-9], "cut.run.gz"))
    with pytest.raises(FormatError, match=r"plain\.run\.gz: the packed file is cut short or damaged"):
        read_run(saved(tmp_path, LINES, "plain.run.gz"))


def test_tied_scores_are_written_one_float32_step_apart(tmp_path: Path) -> None:
    run = Run.of(pl.DataFrame({"query_id": ["q"] * 3, "doc_id": ["a", "b", "c"], "score": [1.0, 1.0, 1.0]}), "t")
    write_run(run, tmp_path / "t.run")
    lines = (tmp_path / "t.run").read_text().splitlines()
    # 1 - 2**-24 and 1 - 2**-23, the two float32 numbers below 1; documents in descending order of their ids.
    assert lines == [
        "q Q0 c 1 1.0 t",
        "q Q0 b 2 0.9999999403953552 t",
        "q Q0 a 3 0.9999998807907104 t",
    ]


def test_a_score_that_need_not_change_is_printed_exactly(tmp_path: Path) -> None:
    run = Run.of(pl.DataFrame({"query_id": ["q", "q"], "doc_id": ["a", "b"], "score": [0.1, -2.0]}), "t")
    write_run(run, tmp_path / "t.run")
    assert [line.split()[4] for line in (tmp_path / "t.run").read_text().splitlines()] == [
        "0.10000000149011612",
        "-2.0",
    ]


def test_the_lowest_float32_may_be_tied_too() -> None:
    lowest = np.finfo(np.float32).min
    found = falling(np.array([lowest] * 3, dtype=np.float32), np.array([1, 2, 3], dtype=np.int32))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=5).filter(
    lambda text: text == "".join(text.split()) and not text.startswith("\ufeff")
)
PAIRS = st.dictionaries(st.tuples(IDS, IDS), st.one_of(st.sampled_from([0.0, -0.0, 1.0, 3.4e38]), FLOATS), min_size=1)


@settings(deadline=None, max_examples=100)
@given(PAIRS)
def test_any_run_reads_back_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[tuple[str, str], float]
) -> None:
    frame = pl.DataFrame(
        [(*pair, score) for pair, score in pairs.items()], schema=["query_id", "doc_id", "score"], orient="row"
    )
    run = Run.of(frame, "tag")
    path = tmp_path_factory.mktemp("run") / "any.run"
    write_run(run, path)
    again = read_run(path)
    keys = ["query_id", "doc_id", "rank"]
    assert again.frame.select(keys).rows() == run.frame.select(keys).rows()
    assert again.frame.filter(pl.col("score").diff().over("query_id") >= 0).height == 0


def test_writing_packed_runs_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    run = read_run(saved(tmp_path, LINES))
    write_run(run, tmp_path / "a.run.gz")
    write_run(run, tmp_path / "b.run.gz")
    assert (tmp_path / "a.run.gz").read_bytes() == (tmp_path / "b.run.gz").read_bytes()
    assert rows(read_run(tmp_path / "a.run.gz")) == rows(run)


@pytest.mark.parametrize(
    ("query", "doc", "name"), [("a b", "d", "t"), ("q", "d\u000b", "t"), ("q", "d", "my run"), ("q", "d", "")]
)
def test_an_id_or_name_with_a_blank_is_refused_before_writing(tmp_path: Path, query: str, doc: str, name: str) -> None:
    run = Run.of(pl.DataFrame({"query_id": [query], "doc_id": [doc], "score": [1.0]}), name)
    with pytest.raises(InputError, match=r"blank|one word"):
        write_run(run, tmp_path / "t.run")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    run = read_run(saved(tmp_path, LINES))
    with pytest.raises(
        StorageError, match=r"t\.run: can not be written, since .*absent is not a folder; make it first"
    ):
        write_run(run, tmp_path / "absent" / "t.run")
    assert [path.name for path in tmp_path.iterdir()] == ["some.run"]


def test_three_hundred_thousand_lines_are_read_in_a_few_seconds(tmp_path: Path) -> None:
    index = np.arange(300_000)
    frame = pl.DataFrame({"query_id": index // 1000, "doc_id": index, "score": 1.0 / (1 + index % 1000)})
    run = Run.of(frame.with_columns(pl.col("query_id", "doc_id").cast(pl.String)), "big")
    write_run(run, tmp_path / "big.run")
    began = time.perf_counter()
    assert read_run(tmp_path / "big.run").frame.height == 300_000
    # Measured 0.3 s; the bound only notices a reader that goes line by line through Python several times over.
    assert time.perf_counter() - began < 5
