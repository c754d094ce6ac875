from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from periti.cli.demo import cache_folder, corpus_digest, demo_folder, opened, ready_pipeline
from periti.datasets.dataset import Dataset, load_dataset
from periti.errors import ConfigError, InputError
from periti.indexers.build import BuildConfig, build_collection
from periti.types import Document, Qrels, Queries

PERITI = (sys.executable, "-c", "import sys; from periti.cli import main; sys.exit(main())")


@dataclass(frozen=True)
class Few:
    """The first documents of the demo collection: enough to build, quick to encode."""

    whole: Dataset
    count: int

    def documents(self) -> Iterator[Document]:
        for document, _ in zip(self.whole.documents(), range(self.count), strict=False):
            yield document

    def queries(self, split: str) -> Queries:
        return self.whole.queries(split)

    def qrels(self, split: str) -> Qrels:
        return self.whole.qrels(split)


def first(count: int) -> Dataset:
    """The demo collection as if it had so many documents."""
    whole = load_dataset("demo")
    return replace(whole, source=Few(whole, count), facts=replace(whole.facts, documents=count))


@pytest.fixture
def few() -> Dataset:
    return first(3)


def built(folder: Path) -> int:
    """Which build of the folder this is."""
    return (folder / "periti.toml").stat().st_ino


def test_the_first_start_builds_and_the_second_verifies_and_reuses(
    few: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache" / "demo"
    first = ready_pipeline(few, folder, disposable=True)
    said = capsys.readouterr().err
    assert f"first start: building the demo's indexes in {folder}" in said
    assert "encoding documents: 3/3" in said
    assert (first.name, len(first.corpus), set(first.experts)) == (
        "demo",
        3,
        {"bm25", "base", "legal", "medical", "science"},
    )
    before = built(folder)
    second = ready_pipeline(few, folder, disposable=True)
    assert capsys.readouterr().err == f"periti: the demo's indexes in {folder} are whole\n"
    assert built(folder) == before
    question = Queries.from_pairs([("q", few.queries().texts[0])])
    assert first.search(question).frame.equals(second.search(question).frame)


@pytest.mark.parametrize("disposable", [True, False])
def test_damaged_indexes_are_told_of_and_built_again(
    few: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, disposable: bool
) -> None:
    folder = tmp_path / "demo"
    ready_pipeline(few, folder, disposable=disposable)
    vectors = folder / "dense" / "vectors.faiss"
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(data)
    capsys.readouterr()
    assert len(ready_pipeline(few, folder, disposable=disposable).corpus) == 3
    said = capsys.readouterr().err
    assert "the bytes of vectors.faiss were altered" in said
    assert "building the demo's indexes again" in said


def test_a_cache_without_its_configuration_is_built_again(few: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ready_pipeline(few, folder, disposable=True)
    (folder / "periti.toml").unlink()
    assert len(ready_pipeline(few, folder, disposable=True).corpus) == 3


def test_indexes_of_other_texts_are_built_again(
    few: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    ready_pipeline(few, folder, disposable=False)
    more = first(4)
    assert corpus_digest(more) != corpus_digest(few)
    assert len(ready_pipeline(more, folder, disposable=False).corpus) == 4
    assert f"{folder} was built from other texts" in capsys.readouterr().err


def test_a_folder_of_somebody_elses_is_never_touched(few: Dataset, tmp_path: Path) -> None:
    other = tmp_path / "other"
    build_collection([Document("a", "walking")], other, BuildConfig("other", dense=None))
    before = built(other)
    with pytest.raises(InputError, match="holds the collection 'other', not the demo; choose another --index"):
        ready_pipeline(few, other, disposable=False)
    assert built(other) == before
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="does not hold the demo's indexes; choose another --index"):
        ready_pipeline(few, papers, disposable=False)
    assert (papers / "thesis.txt").read_text() == "precious"


def test_demo_is_a_name_unless_something_has_it(few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("periti.datasets.dataset.load_dataset", lambda name: few)  # noqa: ARG005
    assert opened(Path("demo")).name == "demo"
    assert demo_folder(few).is_dir()

    build_collection([Document("d", "mine")], tmp_path / "demo", BuildConfig(name="mine", dense=None))
    assert opened(Path("demo")).name == "mine"
    with pytest.raises(ConfigError, match="no configuration at other"):
        opened(Path("other"))


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "periti"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for unusable in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_folder() == tmp_path / "home" / ".cache" / "periti"


@pytest.mark.slow
def test_the_demo_builds_serves_and_its_example_works(tmp_path: Path) -> None:
    command = [*PERITI, "demo", "--index", str(tmp_path / "demo"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, example = (process.stdout.readline() for _ in range(3))
        base = re.search(r"http://127\.0\.0\.1:\d+", ready)
        assert base
        words = shlex.split(example)
        assert words[:3] == ["curl", "-s", f"{base[0]}/v1/search"]
        answer = httpx.post(words[2], content=words[-1], headers={"Content-Type": "application/json"}, timeout=60)
        assert answer.status_code == 200
        assert answer.json()["results"][0]["query"] == json.loads(words[-1])["query"]
        assert len(answer.json()["results"][0]["hits"]) == 3
        listed = httpx.get(f"{base[0]}/v1/collections").json()["collections"]
        assert (listed[0]["name"], listed[0]["documents"]) == ("demo", 330)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "encoding documents: 330/330" in errors
        assert errors.endswith("periti: stopped\n")
    finally:
        process.kill()
        process.communicate()
