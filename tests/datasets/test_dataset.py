"""Datasets by name: where their files are looked for, splits, and what is said when something is missing."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import periti.datasets
from periti.datasets import CATALOG, load_dataset, names
from periti.datasets.beir import BeirFolder
from periti.datasets.catalog import SplitFacts, as_json
from periti.datasets.dataset import Dataset, data_folder
from periti.errors import DatasetError, UnknownName


def test_the_catalog_names_every_collection() -> None:
    assert names() == list(CATALOG)
    assert set(names()) == {
        "aila-2019-cases", "aila-2019-statutes", "cacm", "cohen-screening", "cranfield", "demo", "lecard-facts",
        "med-medline", "medquad-liveqa", "msmarco-dl19-dl20-pool", "nfcorpus-traindev", "noveleval", "obliqa-dev",
        "scifact", "stard-relevant-statutes", "vaswani-npl",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_an_entry_of_the_catalog_agrees_with_itself(name: str) -> None:
    facts = CATALOG[name]
    assert facts.default_split in facts.splits
    assert facts.language in {"en", "zh"}
    assert facts.min_rel in facts.grades
    assert min(facts.grades) == 0
    assert facts.measures
    assert all(split.variant_of is None or split.variant_of in facts.splits for split in facts.splits.values())
    assert as_json(facts)["splits"].keys() == facts.splits.keys()


def test_public_names_are_found_and_others_are_not() -> None:
    assert set(periti.datasets.__all__) <= set(dir(periti.datasets))
    assert all(hasattr(periti.datasets, name) for name in periti.datasets.__all__)
    assert not hasattr(periti.datasets, "nothing")


def test_importing_datasets_loads_no_heavy_library() -> None:
    code = (
        "import sys, periti.datasets, periti.datasets.references, periti.datasets.checks; "
        "print([m for m in ('torch', 'faiss', 'jnius', 'ir_datasets', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no dataset named 'scifct'; did you mean 'scifact'\?"):
        load_dataset("scifct")


def test_an_unknown_split_lists_the_nearest(shared_data: Path) -> None:
    with pytest.raises(UnknownName, match=r"'scifact' has no split 'tarin'; did you mean 'train'\?"):
        load_dataset("scifact", data=shared_data).queries("tarin")


def test_the_data_folder_is_the_argument_then_the_variable_then_the_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, variable, neighbour = tmp_path / "here", tmp_path / "variable", tmp_path / "shared" / "data"
    for folder in (here, variable, neighbour):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("PERITI_DATA", raising=False)
    assert data_folder().resolve() == neighbour
    monkeypatch.setenv("PERITI_DATA", str(variable))
    assert data_folder() == variable
    assert data_folder(here) == here


def test_without_a_data_folder_the_sentence_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERITI_DATA", raising=False)
    with pytest.raises(DatasetError, match="set PERITI_DATA to the folder"):
        load_dataset("scifact")
    monkeypatch.setenv("PERITI_DATA", str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match="absent does not exist"):
        load_dataset("scifact")
    with pytest.raises(DatasetError, match=r"no folder .*scifact"):
        load_dataset("scifact", data=tmp_path)


def test_files_of_another_layout_are_named_not_crashed_on(tmp_path: Path) -> None:
    folder = tmp_path / "stard-relevant-statutes"
    folder.mkdir()
    (folder / "statutes.jsonl.gz").write_bytes(gzip.compress(b'{"id": "1", "words": "x"}\n'))
    dataset = load_dataset("stard-relevant-statutes", data=tmp_path)
    with pytest.raises(DatasetError, match="not laid out as expected \\(KeyError: 'text'\\)"):
        list(dataset.documents())


def test_counts_that_are_not_the_catalogs_are_told_when_read(tmp_path: Path) -> None:
    original = load_dataset("demo")
    assert original.folder is not None
    shutil.copytree(original.folder, tmp_path / "demo")
    demo = Dataset(original.facts, BeirFolder(tmp_path / "demo"), tmp_path / "demo")
    for name in ("corpus.jsonl", "qrels/dev.tsv"):
        path = tmp_path / "demo" / name
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")

    documents = demo.documents()
    assert len([next(documents) for _ in range(329)]) == 329
    with pytest.raises(DatasetError, match=r"'demo': 329 documents, the catalog states 330; run periti datasets check"):
        next(documents)
    with pytest.raises(DatasetError, match="'demo': 233 judgements in split 'dev', the catalog states 234"):
        demo.qrels("dev")
    assert len(demo.queries("test")) == 48
    fewer = replace(original.facts, splits={"test": SplitFacts(queries=47)})
    with pytest.raises(DatasetError, match="'demo': 48 queries in split 'test', the catalog states 47"):
        replace(demo, facts=fewer).queries("test")


def test_the_demo_ships_with_the_package_and_each_call_starts_anew() -> None:
    dataset = load_dataset("demo")
    assert dataset.splits == ("train", "dev", "test")
    assert [one.doc_id for one in dataset.documents()] == [one.doc_id for one in dataset.documents()]
    assert dataset.qrels().name == "demo:test"
    ids = [one for split in dataset.splits for one in dataset.queries(split).ids]
    assert len(ids) == len(set(ids)) == 108
