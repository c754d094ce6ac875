"""A selection from pool to file: what is chosen, that nothing else decides it, and that no kill costs anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from periti.datasets.selection.blocks import Block
from periti.datasets.selection.decontamination import Asked, Decontamination
from periti.datasets.selection.executors import Work, here, processes
from periti.datasets.selection.gathering import Written
from periti.datasets.selection.job import select
from periti.datasets.selection.parts import Part
from periti.datasets.selection.pool import Columns
from periti.datasets.selection.quotas import Quota
from periti.datasets.selection.report import lines_of
from periti.datasets.selection.selector import Blocks, Target
from periti.errors import FormatError, InputError, StorageError
from tests.datasets.selection.jobs import NumberSelector, job, records, write


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write(tmp_path / "pool.jsonl", records(300))


def number(text: str) -> int:
    return int(text.rpartition(" ")[2])


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# what is chosen


@pytest.mark.parametrize("name", ["chosen.parquet", "chosen.jsonl"])
def test_the_best_are_written_in_the_pool_s_order_with_their_columns_and_score(
    pool: Path, tmp_path: Path, name: str
) -> None:
    report = select(job(pool), tmp_path / name)

    ranked = sorted(range(300), key=lambda i: (-(7 * i % 101), i))
    expected = [records(300)[i] | {"score": float(7 * i % 101)} for i in sorted(ranked[:30])]
    assert read(tmp_path / name) == expected
    assert (report.pool.documents, report.left.documents, report.chosen.documents) == (300, 300, 30)
    assert report.chosen.tokens == 180
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "pool.jsonl"], "the work folder is gone"


def test_a_budget_in_tokens_counts_tokens(pool: Path, tmp_path: Path) -> None:
    report = select(job(pool, "100 tokens"), tmp_path / "chosen.jsonl")

    assert (report.chosen.documents, report.chosen.tokens) == (16, 96)


def test_duplicates_go_first_and_the_first_of_them_stays(tmp_path: Path) -> None:
    twice = [record | {"text": "  " + record["text"].upper()} for record in records(300)]
    path = write(tmp_path / "pool.jsonl", [*records(300), *twice])
    selected = {}
    for keep in (False, True):
        report = select(job(path, "30", duplicates=not keep), tmp_path / "chosen.jsonl")
        selected[keep] = [(row["text"], row["score"]) for row in read(tmp_path / "chosen.jsonl")]
        assert report.removed.get("exact duplicates") == (None if keep else 300)

    assert all(text == text.lower() for text, _ in selected[False])
    assert sum(text != text.lower() for text, _ in selected[True]) == 15


@pytest.mark.parametrize("block", [3, 4096])
def test_each_value_of_a_column_is_chosen_once_by_its_best_record(tmp_path: Path, block: int) -> None:
    rows = [record | {"source": f"S{i % 40}"} for i, record in enumerate(records(300))]
    rows[5]["text"] = "never 5"
    path = write(tmp_path / "pool.jsonl", rows)

    report = select(job(path, "100%", once="source", block=block), tmp_path / "chosen.jsonl")

    best = [max((i for i in range(300) if i % 40 == source and i != 5), key=lambda i: (7 * i % 101, -i))
            for source in range(40)]  # fmt: skip
    assert [row["id"] for row in read(tmp_path / "chosen.jsonl")] == [f"d{i}" for i in sorted(best)]
    assert report.removed["the same source, a lower score"] == 259
    # What is never chosen is left, but nothing that is 100% of.
    assert report.left.documents == 41


def test_with_several_targets_a_value_is_of_the_record_that_suits_any_best(tmp_path: Path) -> None:
    rows = [
        {"id": f"d{i}", "text": f"x {number}", "source": "ab"[i % 2]} for i, number in enumerate((1, 9, 5, 8, 2, 4))
    ]
    targets = (Target("large", ("any",)), Target("small", ("any",)))

    select(job(write(tmp_path / "pool.jsonl", rows), "2", once="source", targets=targets), tmp_path / "chosen.jsonl")

    assert [row["id"] for row in read(tmp_path / "chosen.jsonl")] == ["d0", "d1"]


def test_a_record_with_nothing_in_the_column_is_named(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="record 1: it has nothing in 'source'"):
        select(job(pool, once="source"), tmp_path / "chosen.jsonl")


def test_tests_filters_and_stages_take_out_what_they_name(pool: Path, tmp_path: Path) -> None:
    class Odd:
        name = "odd rows"

        def stay(self, pool: Blocks, *, seed: int) -> NDArray[np.bool_]:  # noqa: ARG002
            even: NDArray[np.bool_] = np.arange(sum(len(block) for block in pool())) % 2 == 0
            return even

    best = next(record["text"] for record in records(300) if number(record["text"]) == 100)
    against = Decontamination.of([Asked("asked", (best,)), Asked("silent", ("nothing",))], n=5)

    report = select(
        job(pool, "10", filters=(High(),), stages=(Odd(),), decontamination=against), tmp_path / "chosen.jsonl"
    )

    chosen = read(tmp_path / "chosen.jsonl")
    assert all(int(row["id"][1:]) % 2 == 0 and row["score"] < 90 for row in chosen)
    numbers = [7 * i % 101 for i in range(300)]
    high = sum(value >= 90 for value in numbers)
    odd = sum(value < 90 for i, value in enumerate(numbers) if i % 2)
    assert dict(report.removed) == {
        "blank": 0, "90 and more": high, "asked": 0, "silent": 0, "exact duplicates": 0, "odd rows": odd,
    }  # fmt: skip
    assert report.left.documents == 300 - high - odd
    assert not select(job(pool, decontamination=against), tmp_path / "chosen.jsonl").removed["silent"]
    with pytest.raises(InputError, match="judged 3 of 300 texts"):
        select(job(pool, stages=(Wrong(),)), tmp_path / "chosen.jsonl")


class High:
    name = "90 and more"

    def keep(self, texts: Any) -> NDArray[np.bool_]:
        return np.array([number(text) < 90 for text in texts], np.bool_)

    def __repr__(self) -> str:
        return "High()"


class Wrong:
    name = "wrong"

    def stay(self, pool: Blocks, *, seed: int) -> NDArray[np.bool_]:  # noqa: ARG002
        return np.ones(3, np.bool_)


def test_test_queries_are_taken_out_of_documents_and_of_pairs_by_the_query(tmp_path: Path) -> None:
    rows = [{"query": f"question {i} 5", "document": f"answer {i} {i}"} for i in range(20)]
    path = write(tmp_path / "pool.jsonl", rows)
    against = Decontamination.of([Asked("asked", ("Question 3 - 5?", "answer 4 4"))])

    report = select(job(path, "100%", decontamination=against), tmp_path / "chosen.jsonl")

    assert report.removed["asked"] == 1
    assert [row["query"] for row in read(tmp_path / "chosen.jsonl")] == [f"question {i} 5" for i in range(20) if i != 3]


def test_targets_choose_in_turn_by_their_sizes_or_shares(pool: Path, tmp_path: Path) -> None:
    targets = (Target("large", ("a", "b")), Target("small", ("c",)))

    report = select(job(pool, "30", targets=targets), tmp_path / "chosen.parquet")

    rows = read(tmp_path / "chosen.parquet")
    assert report.targets == {"large": 20, "small": 10}
    assert all((number(row["text"]) > 90) == (row["target"] == "large") for row in rows)
    assert all(row["score"] == number(row["text"]) * (1 if row["target"] == "large" else -1) for row in rows)
    shared = tuple(replace(target, share=share) for target, share in zip(targets, (1.0, 2.0), strict=True))
    assert select(job(pool, "30", targets=shared), tmp_path / "c.jsonl").targets == {"large": 10, "small": 20}
    for shares in ((1.0, None), (1.0, -1.0)):
        wrong = tuple(replace(target, share=share) for target, share in zip(targets, shares, strict=True))
        with pytest.raises(InputError, match="give each a positive one, or none"):
            select(job(pool, "30", targets=wrong), tmp_path / "c.jsonl")


def test_criteria_that_are_no_targets_are_summed(pool: Path, tmp_path: Path) -> None:
    report = select(job(pool, "3", selector=NumberSelector(("clear", "deep"))), tmp_path / "chosen.parquet")

    rows = read(tmp_path / "chosen.parquet")
    assert report.targets == {}
    assert [number(row["text"]) for row in rows] == [100, 100, 100]
    assert all(3 < row["score"] < 4 and "target" not in row for row in rows), "twice the z of 100"


def test_quotas_divide_the_budget_among_groups(pool: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"columns": Columns(group="domain"), "quota": Quota.parse("a=2,b=1")}

    report = select(job(pool, "30", **options), tmp_path / "chosen.jsonl")

    assert report.groups == {"a": (150, 20), "b": (150, 10)}
    assert [row["domain"] for row in read(tmp_path / "chosen.jsonl")].count("a") == 20


# bad input


def test_bad_records_are_told_or_counted_and_nothing_else_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", records(50))
    with path.open("ab") as stream:
        stream.write(b"{\n" + json.dumps({"text": "caf\u00e9 1"}, ensure_ascii=False).encode("latin-1") + b"\n")
    with path.open("a") as stream:
        stream.write("".join(json.dumps(row) + "\n" for row in records(50, 50)))

    with pytest.raises(FormatError, match=r"pool\.jsonl:51: not JSON"):
        select(job(path), tmp_path / "chosen.jsonl")
    report = select(job(path, "100%", skip_bad=True), tmp_path / "chosen.jsonl")

    assert [row["id"] for row in read(tmp_path / "chosen.jsonl")] == [f"d{i}" for i in range(100)]
    assert [bad.where.rpartition(":")[2] for bad in report.bad] == ["51", "52"]
    assert any("2 records and 0 files" in line for line in lines_of(report))


def test_identical_texts_leave_one(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", [{"text": "the same 1"}] * 200)

    report = select(job(path, "5%"), tmp_path / "chosen.jsonl")

    assert (report.chosen.documents, report.removed["exact duplicates"]) == (1, 199)
    with pytest.raises(InputError, match=r"budget is 2 documents, and only 1 of the pool may be chosen"):
        select(job(path, "2"), tmp_path / "chosen.jsonl")


def test_blank_texts_and_what_scores_minus_infinity_are_never_chosen(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("a 1", "", "  ", "never 9", "b 2")]
    path = write(tmp_path / "pool.jsonl", rows)

    report = select(job(path, "100%"), tmp_path / "chosen.jsonl")

    assert [row["text"] for row in read(tmp_path / "chosen.jsonl")] == ["a 1", "b 2"]
    assert report.removed["blank"] == 2
    with pytest.raises(InputError, match="no document of the pool may be chosen"):
        select(job(write(tmp_path / "blank.jsonl", [{"text": " "}])), tmp_path / "chosen.jsonl")


def test_a_pool_of_bad_records_only_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text("{\n{\n")

    with pytest.raises(InputError, match="there is no document in it"):
        select(job(path, skip_bad=True), tmp_path / "chosen.jsonl")


@pytest.mark.parametrize(
    ("targets", "found"),
    [((Target("t", ()),), "no text in it"), ((Target("t", (" ",)),), "no text in it"),
     ((Target("t", ("a",)), Target("t", ("b",))), "two targets are named 't'")],
)  # fmt: skip
def test_a_target_without_a_text_or_a_name_of_its_own_is_refused(
    pool: Path, targets: tuple[Target, ...], found: str
) -> None:
    with pytest.raises(InputError, match=found):
        job(pool, targets=targets)


def test_a_target_larger_than_the_pool_is_no_error(pool: Path, tmp_path: Path) -> None:
    target = Target("large", tuple(f"example {i}" for i in range(1000)))

    assert select(job(pool, "5", targets=(target,)), tmp_path / "chosen.jsonl").chosen.documents == 5


def test_an_output_that_can_not_be_is_refused_before_any_work(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"the ending is none of \.parquet, \.jsonl, \.jsonl\.gz"):
        select(job(pool), tmp_path / "chosen.txt")
    with pytest.raises(StorageError, match="is not a folder"):
        select(job(pool), tmp_path / "absent" / "chosen.jsonl")


# what is written


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"text": ["a 1", "b 2", "c 3"], "n": [1, None, 3], "x": [0.5, 1.0, None], "tags": [["p"], [], None]},
        schema={"text": pl.String(), "n": pl.Int16(), "x": pl.Float32(), "tags": pl.List(pl.String())},
    )
    frame.write_parquet(tmp_path / "pool.parquet")

    select(job(tmp_path / "pool.parquet", "2"), tmp_path / "chosen.parquet")

    found = pl.read_parquet(tmp_path / "chosen.parquet")
    assert found.drop("score").equals(frame[1:])
    assert found.schema == frame.schema | {"score": pl.Float64()}


def test_records_of_many_shapes_become_one_table_and_nothing_is_lost(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a 1", "n": 1, "meta": {"k": [1]}, "mixed": 1},
        {"text": "b 2", "n": 2.5, "late": True, "mixed": "one"},
        {"text": "c 3", "n": None, "big": 2**70, "mixed": None},
    ]

    select(job(write(tmp_path / "pool.jsonl", rows), "100%"), tmp_path / "chosen.parquet")

    found = pl.read_parquet(tmp_path / "chosen.parquet").drop("score")
    assert found.to_dicts() == [
        {"text": "a 1", "n": 1.0, "meta": '{"k": [1]}', "mixed": "1", "late": None, "big": None},
        {"text": "b 2", "n": 2.5, "meta": None, "mixed": "one", "late": True, "big": None},
        {"text": "c 3", "n": None, "meta": None, "mixed": None, "late": None, "big": str(2**70)},
    ]


def test_a_column_of_the_pool_that_is_named_like_ours_is_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", [{"text": "a 1", "score": 7}])

    with pytest.raises(InputError, match="the pool has a column 'score' of its own"):
        select(job(path, "1"), tmp_path / "chosen.jsonl")


def test_pairs_hold_what_training_reads_and_weights_and_order_if_asked(tmp_path: Path) -> None:
    rows = [
        {"query": f"q{i}", "document": f"text {i}", "doc_id": f"d{i}", "grade": 1, "domain": "x"} for i in range(20)
    ]
    path = write(tmp_path / "pool.jsonl", rows)

    report = select(job(path, "4"), tmp_path / "chosen.parquet")
    assert read(tmp_path / "chosen.parquet") == [
        {key: value for key, value in row.items() if key != "domain"} for row in rows[16:]
    ]
    assert report.dropped == ("domain",)
    assert report.text == ("query", "document")
    select(job(path, "4", written=Written(weight=True, order="best-first")), tmp_path / "chosen.parquet")
    found = pl.read_parquet(tmp_path / "chosen.parquet")
    assert found["order"].to_list() == [-16, -17, -18, -19]
    z = (np.arange(4) - 1.5) / np.std(np.arange(4))
    np.testing.assert_allclose(found["weight"].to_numpy(), np.exp(z), rtol=1e-9)


def test_pairs_that_are_chosen_are_what_an_expert_learns_from(tmp_path: Path) -> None:
    from periti.panels.collection import CollectionConfig
    from periti.panels.sources import open_source

    rows = [{"query": f"q{i}", "document": f"text {i}", "source": "a"} for i in range(20)]
    written = Written(weight=True, order="best-last")
    select(job(write(tmp_path / "pool.jsonl", rows), "4", written=written), tmp_path / "chosen.parquet")

    source = open_source("pool", CollectionConfig(queries="pairs", file=tmp_path / "chosen.parquet"))

    assert {document.text for document in source.documents()} == {f"text {i}" for i in range(16, 20)}


def test_pairs_of_one_query_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    rows = [{"query": "the same 1", "document": f"text {i}"} for i in range(5)]
    path = write(tmp_path / "pool.jsonl", [*rows, rows[0]])

    report = select(job(path, "100%", columns=Columns(("query",))), tmp_path / "chosen.jsonl")

    assert (report.chosen.documents, report.removed["exact duplicates"]) == (5, 1)


# explaining


@pytest.mark.parametrize(
    ("asked", "fate", "score"),
    [("d72", "chosen", 100.0), ("d0", "not chosen", 0.0), ("d300", "taken out: exact duplicates", 100.0),
     ("d301", "taken out: blank", 0.0), ("#73", "chosen", 100.0), ("d173", "chosen", 100.0)],
)  # fmt: skip
def test_a_document_is_explained(tmp_path: Path, asked: str, fate: str, score: float) -> None:
    again = records(300)[72] | {"id": "d300"}
    path = write(tmp_path / "pool.jsonl", [*records(300), again, {"id": "d301", "text": " "}])

    report = select(job(path, "10", explain=asked, block=64), tmp_path / "chosen.jsonl")

    assert report.explained is not None
    assert (report.explained.fate, report.explained.scores) == (fate, {"number": score})
    assert report.explained.reasons[0].what == "its last word"
    assert any(f"{asked}: {fate}; number" in line for line in lines_of(report))


def test_an_id_that_no_document_has_is_one_sentence(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the id 'dd' in column 'id'; a row is named #1"):
        select(job(pool, "10", explain="dd"), tmp_path / "chosen.jsonl")


# nothing else decides


@pytest.mark.parametrize("name", ["chosen.parquet", "chosen.jsonl.gz"])
def test_blocks_and_processes_change_not_one_byte(pool: Path, tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"temperature": 0.7, "seed": 5, "columns": Columns(group="domain")}
    written = {}
    for block, blocks in ((7, here), (4096, here), (64, processes(2))):
        select(job(pool, "20%", block=block, **options), tmp_path / name, blocks=blocks)
        written[block] = (tmp_path / name).read_bytes()

    assert len(set(written.values())) == 1
    select(job(pool, "20%", **(options | {"seed": 6})), tmp_path / name)
    assert (tmp_path / name).read_bytes() not in written.values()


def test_an_error_in_a_process_is_the_same_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.jsonl", records(20))
    with path.open("a") as stream:
        stream.write("{\n")

    with pytest.raises(FormatError, match=r"pool\.jsonl:21: not JSON"):
        select(job(path, block=5), tmp_path / "chosen.jsonl", blocks=processes(2))


# kills


class Cut:
    """Runs blocks here until so many are done, then fails as a full disk or a killed machine would."""

    def __init__(self, after: int | None = None) -> None:
        self.after, self.seen = after, list[int]()

    def __call__(self, work: Work, blocks: Iterable[Block]) -> Iterator[Part]:
        for count, block in enumerate(blocks):
            if count == self.after:
                raise KeyboardInterrupt
            self.seen.append(block.first)
            yield work(block)


def test_a_job_that_was_cut_off_goes_on_where_it_was(pool: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"block": 30, "temperature": 0.5}
    select(job(pool, **options), tmp_path / "whole.parquet")
    with pytest.raises(KeyboardInterrupt):
        select(job(pool, **options), tmp_path / "chosen.parquet", blocks=Cut(4))
    assert not (tmp_path / "chosen.parquet").exists()
    rest = Cut()

    select(job(pool, **options), tmp_path / "chosen.parquet", blocks=rest)

    assert rest.seen == [121, 151, 181, 211, 241, 271]
    assert (tmp_path / "chosen.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_another_budget_uses_the_scores_and_another_seed_does_not(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.jsonl"
    changes: list[tuple[dict[str, Any], int]] = [
        ({"budget": "20"}, 6),
        ({"temperature": 1.0}, 6),
        ({"seed": 2}, 10),
        ({"columns": Columns(id="text")}, 10),
    ]
    for changed, blocks in changes:
        with pytest.raises(KeyboardInterrupt):
            select(job(pool, block=30), out, blocks=Cut(4))
        rest = Cut()
        options: dict[str, Any] = {"budget": "10%", "block": 30} | changed
        select(job(pool, **options), out, blocks=rest)
        assert len(rest.seen) == blocks, changed


def test_parts_that_are_not_what_this_run_would_make_are_made_anew(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.jsonl"
    with pytest.raises(KeyboardInterrupt):
        select(job(pool, block=30), out, blocks=Cut(4))
    part = tmp_path / ".chosen.jsonl.work" / "part-000000.npy"
    rows = np.load(part)
    rows["scores"] += 1000
    np.save(part, rows)
    rest = Cut()

    select(job(pool, block=30), out, blocks=rest)

    assert len(rest.seen) == 10
    assert max(row["score"] for row in read(out)) == 100


@pytest.mark.slow
def test_a_command_killed_in_the_middle_writes_the_same_bytes_when_given_again(tmp_path: Path) -> None:
    pool = write(tmp_path / "pool.jsonl", [{"id": i, "text": f"the words of text {i} " * 8} for i in range(60_000)])
    write(tmp_path / "target.jsonl", [{"text": f"example {'word ' * i}"} for i in range(40, 90)])

    def command(out: str) -> list[str]:
        run = "import sys; from periti.cli import main; sys.exit(main())"
        return [sys.executable, "-c", run, "select", "random-length", "--pool", str(pool),
                "--target", str(tmp_path / "target.jsonl"), "--budget", "5%", "--seed", "3", "--processes", "2",
                "--no-decontaminate", "--no-kl", "--temperature", "0.3",
                "--out", str(tmp_path / out)]  # fmt: skip

    whole = subprocess.run(command("whole.parquet"), capture_output=True, text=True, check=True)
    assert "60,000 documents" in whole.stdout
    work = tmp_path / ".chosen.parquet.work"
    killed = subprocess.Popen(command("chosen.parquet"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(work.glob("part-*.npy"))) < 3:
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    done = len(list(work.glob("part-*.npy")))
    assert 3 <= done < 15
    assert not (tmp_path / "chosen.parquet").exists()

    again = subprocess.run(command("chosen.parquet"), capture_output=True, text=True, check=True)

    assert (tmp_path / "chosen.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    scored = int(again.stderr.split("score: ")[1].split(", ")[0].replace(",", ""))
    assert scored <= 60_000 - 4096 * 2, "it did not begin anew"
    assert not work.exists()
