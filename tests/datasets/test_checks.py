"""The record rules: each broken by hand on a small copy, and all real collections as their catalog declares them."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from periti.datasets import load_dataset, names
from periti.datasets.beir import BeirFolder
from periti.datasets.checks import MOJIBAKE, CheckReport, check
from periti.datasets.dataset import Dataset


@pytest.fixture
def demo(tmp_path: Path) -> Dataset:
    """A copy of the demo collection that may be broken."""
    original = load_dataset("demo")
    assert original.folder is not None
    folder = tmp_path / "demo"
    shutil.copytree(original.folder, folder)
    return Dataset(original.facts, BeirFolder(folder), folder)


def failed(report: CheckReport) -> dict[str, str]:
    return {finding.name: finding.sentence for finding in report.of("failed")}


def rewritten(dataset: Dataset, name: str, old: str, new: str) -> None:
    assert dataset.folder is not None
    path = dataset.folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


@pytest.mark.parametrize("name", names())
def test_every_collection_is_what_its_catalog_entry_says(shared_data: Path, name: str) -> None:
    report = check(load_dataset(name, data=shared_data))
    assert failed(report) == {}
    assert report.ok


def test_declared_deviations_are_told_apart_from_what_is_fine(shared_data: Path) -> None:
    found = {one.name: one.sentence for one in check(load_dataset("cacm", data=shared_data)).of("declared")}
    assert found == {"test: unjudged queries": "queries without judgement: 12 (34, 35, 41 and 9 more)"}


def test_a_missing_document_fails_the_count_and_the_coverage(demo: Dataset) -> None:
    assert demo.folder is not None
    path = demo.folder / "corpus.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    judged = demo.qrels("dev").frame["doc_id"][0]
    path.write_text("".join(line for line in lines if json.loads(line)["_id"] != judged), encoding="utf-8")
    found = failed(check(demo))
    assert found["documents"].startswith("329 documents, the catalog states 330")
    assert f"have none ({judged}); the catalog declares 0 (0)" in found["dev: coverage"]


def test_a_repeated_document_id_fails(demo: Dataset) -> None:
    rewritten(demo, "corpus.jsonl", '"law-002"', '"law-001"')
    assert failed(check(demo))["document ids"] == "document ids that occur again: 1 (law-001)"


def test_a_repeated_judgement_fails_with_its_line(demo: Dataset) -> None:
    assert demo.folder is not None
    first = (demo.folder / "qrels" / "dev.tsv").read_text(encoding="utf-8").splitlines()[1]
    rewritten(demo, "qrels/dev.tsv", first, f"{first}\n{first}")
    assert "dev.tsv:3: the judgement of" in failed(check(demo))["dev: files"]


def test_an_unexplained_grade_fails(demo: Dataset) -> None:
    rewritten(demo, "qrels/dev.tsv", "\t3\n", "\t7\n")
    assert failed(check(demo)) == {"dev: grades": "grades [0, 1, 2, 3, 7], of which the catalog does not explain [7]"}


def test_lost_characters_mojibake_and_empty_texts_fail_unless_declared(demo: Dataset) -> None:
    rewritten(demo, "corpus.jsonl", "An offer is", "An \ufffdffer itâ€™s")
    found = failed(check(demo))
    assert found["replacement"] == "documents with U+FFFD, the mark of a lost character: 1; the catalog declares 0"
    assert found["mojibake"] == "documents with mojibake (UTF-8 read as Latin-1): 1; the catalog declares 0"
    facts = replace(demo.facts, texts=replace(demo.facts.texts, replacement=1, mojibake=1))
    report = check(replace(demo, facts=facts))
    assert report.ok
    assert {one.name for one in report.of("declared")} == {"replacement", "mojibake"}


def test_an_id_of_both_a_query_and_a_document_fails_unless_declared(demo: Dataset) -> None:
    for name in ("queries.jsonl", "qrels/test.tsv"):
        assert demo.folder is not None
        path = demo.folder / name
        path.write_text(path.read_text(encoding="utf-8").replace("law-q21", "law-001"), encoding="utf-8")
    assert failed(check(demo)) == {"identical ids": "ids of both a query and a document: 1 (law-001)"}
    assert check(replace(demo, facts=replace(demo.facts, identical_ids="keep"))).ok


def test_checksums_find_altered_and_missing_files(demo: Dataset) -> None:
    assert demo.folder is not None
    corpus = hashlib.sha256((demo.folder / "corpus.jsonl").read_bytes()).hexdigest()
    (demo.folder / "SHA256SUMS").write_text(
        f"{corpus}  corpus.jsonl\n{'0' * 64}  queries.jsonl\n{'0' * 64}  gone.txt\n"
    )
    found = failed(check(demo))
    assert found == {
        "checksums": "2 of 3 files differ (queries.jsonl was altered, gone.txt is missing); fetch them again"
    }


def test_a_file_that_can_not_be_read_is_a_finding_not_a_crash(demo: Dataset) -> None:
    rewritten(demo, "corpus.jsonl", '{"_id"', '{_id"')
    assert "corpus.jsonl:1: not JSON" in failed(check(demo))["documents"]


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("itâ€™s", True),
        ("cafÃ©", True),
        ("Â§ 3", True),
        ("Ã la carte", False),
        ("café, Â, â", False),
        ("§ 3 \u2018x\u2019", False),
    ],
)
def test_mojibake_is_a_lead_letter_with_its_continuation(text: str, *, broken: bool) -> None:
    assert (MOJIBAKE.search(text) is not None) is broken
