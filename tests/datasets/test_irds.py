"""Any id of ir_datasets: a small local collection registered through its own classes, and what is said without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import ir_datasets
import pytest
from ir_datasets.datasets.base import Dataset as IrDataset
from ir_datasets.formats import TrecQrels, TsvDocs, TsvQueries
from ir_datasets.util.download import LocalDownload

from periti.datasets import load_dataset
from periti.datasets.checks import check
from periti.datasets.references import open_documents, open_queries
from periti.errors import DatasetError, MissingDependency, UnknownName

NAME = "periti-test/tiny"


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "docs.tsv").write_text("d1\tcats purr\nd2\tdogs bark\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text("q1\twhat purrs\n", encoding="utf-8")
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq1 0 d2 0\n", encoding="utf-8")
    ir_datasets.registry.register(
        NAME,
        IrDataset(
            TsvDocs(LocalDownload(tmp_path / "docs.tsv"), lang="en"),
            TsvQueries(LocalDownload(tmp_path / "queries.tsv"), lang="en"),
            TrecQrels(LocalDownload(tmp_path / "qrels"), {0: "no", 1: "yes"}),
        ),
    )
    ir_datasets.registry.register(f"{NAME}/docs", IrDataset(TsvDocs(LocalDownload(tmp_path / "docs.tsv"))))
    yield tmp_path
    for name in (NAME, f"{NAME}/docs"):
        del ir_datasets.registry._registered[name]


def test_an_id_of_ir_datasets_is_a_dataset(registered: Path) -> None:  # noqa: ARG001
    dataset = load_dataset(f"irds:{NAME}")
    assert [(one.doc_id, one.text, one.title) for one in dataset.documents()] == [
        ("d1", "cats purr", ""),
        ("d2", "dogs bark", ""),
    ]
    assert dataset.queries().frame.rows() == [("q1", "what purrs")]
    assert dataset.qrels().frame.rows() == [("q1", "d1", 1), ("q1", "d2", 0)]
    assert (dataset.facts.language, dict(dataset.facts.grades)) == ("en", {0: "no", 1: "yes"})
    assert check(dataset).ok


def test_references_know_the_ids_of_ir_datasets(registered: Path) -> None:  # noqa: ARG001
    assert open_queries(f"irds:{NAME}").ids == ["q1"]
    assert [one.doc_id for one in open_documents(f"irds:{NAME}")] == ["d1", "d2"]


def test_what_an_id_does_not_have_is_said(registered: Path) -> None:  # noqa: ARG001
    dataset = load_dataset(f"irds:{NAME}/docs")
    with pytest.raises(DatasetError, match="has no queries"):
        dataset.queries()
    with pytest.raises(DatasetError, match="has no judgements"):
        dataset.qrels()


def test_files_that_can_not_be_fetched_are_said(registered: Path) -> None:
    (registered / "docs.tsv").unlink()
    with pytest.raises(DatasetError, match="ir_datasets can not read it"):
        list(load_dataset(f"irds:{NAME}").documents())


def test_an_unknown_id_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no dataset 'vaswan'; did you mean 'vaswani'\?"):
        load_dataset("irds:vaswan")


def test_without_ir_datasets_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingDependency, match=r"pip install 'periti\[irds\]'"):
        load_dataset("irds:vaswani")
