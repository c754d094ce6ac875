"""What an index is, and that a damaged one is refused before anything is searched."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from periti.config import digest
from periti.errors import IndexDamaged, IndexMismatch, IndexMissing, IndexUnusable
from periti.files import sha256_file
from periti.indexers.build import PARTS
from periti.indexers.docstore import Docstore
from periti.indexers.manifest import (
    FILE,
    Manifest,
    any_manifest,
    open_verified,
    read_manifest,
    versions_of,
    write_manifest,
)
from periti.pipeline import open_pipeline
from tests.tiny import DOCUMENTS, Tiny

SEED = 20


@pytest.fixture(scope="module")
def copy(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection that these tests may damage; each puts back what it changed."""
    target = tmp_path_factory.mktemp("damaged") / "collection"
    shutil.copytree(tiny.folder, target)
    return target


def files(collection: Path) -> list[Path]:
    return sorted(path for part in PARTS for path in (collection / part).rglob("*") if path.is_file())


@contextmanager
def spoiled(path: Path, change: Callable[[bytearray], bytes | bytearray]) -> Iterator[None]:
    """The file changed, then as it was."""
    whole = path.read_bytes()
    path.write_bytes(change(bytearray(whole)))
    try:
        yield
    finally:
        path.write_bytes(whole)


def refused(folder: Path, kind: str) -> IndexUnusable:
    with pytest.raises(IndexUnusable) as caught:
        open_verified(folder, kind)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def part_of(path: Path, collection: Path) -> str:
    return path.relative_to(collection).parts[0]


def test_the_whole_collection_opens_before_it_is_damaged(copy: Path) -> None:
    assert len(files(copy)) > 15
    assert [open_verified(copy / part, part).documents for part in PARTS] == [len(DOCUMENTS)] * 3


def test_every_flipped_bit_in_every_file_is_noticed(copy: Path) -> None:
    rng = random.Random(SEED)
    for path in files(copy):
        size = path.stat().st_size
        places = {0, size - 1, *(rng.randrange(size) for _ in range(12))}
        for place in sorted(places):
            bit = 1 << rng.randrange(8)

            def flip(data: bytearray, place: int = place, bit: int = bit) -> bytearray:
                data[place] ^= bit
                return data

            with spoiled(path, flip):
                error = refused(copy / part_of(path, copy), part_of(path, copy))
                assert isinstance(error, IndexDamaged), f"bit {bit} of byte {place} of {path.name}"


def test_every_bit_of_a_manifest_counts(copy: Path) -> None:
    """A manifest is not covered by another one's digest, so each bit of it is tried."""
    path = copy / "dense" / FILE
    size = path.stat().st_size
    for place in range(0, size, 3):

        def flip(data: bytearray, place: int = place) -> bytearray:
            data[place] ^= 1 << (place % 8)
            return data

        with spoiled(path, flip):
            assert isinstance(refused(copy / "dense", "dense"), IndexDamaged), f"byte {place}"


def test_every_truncation_of_every_file_is_noticed(copy: Path) -> None:
    rng = random.Random(SEED)
    for path in files(copy):
        size = path.stat().st_size
        for kept in sorted({0, 1, size // 2, size - 1, *(rng.randrange(size) for _ in range(4))}):

            def cut(data: bytearray, kept: int = kept) -> bytearray:
                return data[:kept]

            with spoiled(path, cut):
                part = part_of(path, copy)
                assert isinstance(refused(copy / part, part), IndexDamaged), f"{kept} bytes of {path.name}"


def test_bytes_added_to_a_file_are_noticed(copy: Path) -> None:
    for path in files(copy):
        with spoiled(path, lambda data: data + b"\n"):
            assert isinstance(refused(copy / part_of(path, copy), part_of(path, copy)), IndexDamaged), path.name


def test_a_missing_file_is_named(copy: Path) -> None:
    for path in files(copy):
        if path.name == FILE:
            continue
        part = part_of(path, copy)
        aside = path.rename(path.with_suffix(".aside"))
        try:
            error = refused(copy / part, part)
        finally:
            aside.rename(path)
        assert isinstance(error, IndexDamaged)
        assert f"{path.relative_to(copy / part).as_posix()} is missing" in str(error)


def test_a_damaged_part_refuses_the_whole_pipeline(copy: Path) -> None:
    for name in ("docstore/records.jsonl", "lexical/rows.npy", "dense/vectors.faiss"):

        def flip(data: bytearray) -> bytearray:
            data[len(data) // 2] ^= 4
            return data

        sentence = f"the bytes of {Path(name).name} were altered"
        with spoiled(copy / name, flip), pytest.raises(IndexDamaged, match=sentence):
            open_pipeline(copy)


def test_an_absent_index_is_missing_and_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match=r"no finished docstore index at .*build it with"):
        Docstore.open(tmp_path / "nothing")


def test_an_index_of_another_kind_is_a_mismatch(tiny: Tiny) -> None:
    with pytest.raises(IndexMismatch, match="holds a lexical index where a dense index is asked for"):
        open_verified(tiny.folder / "lexical", "dense")


def sealed(folder: Path, **changes: object) -> None:
    """A manifest that a builder with these facts would have written."""
    write_manifest(folder, Manifest("docstore", "c", 1, {}, "d"))
    body = {**json.loads((folder / FILE).read_text()), **changes}
    del body["digest"]
    text = json.dumps({**body, "digest": digest(body)}, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def test_a_manifest_of_another_format_is_a_mismatch(tmp_path: Path) -> None:
    sealed(tmp_path, format=2, something_new=1)

    with pytest.raises(IndexMismatch, match="has format 2, this version reads 1; build it again"):
        read_manifest(tmp_path, "docstore")


def test_an_altered_manifest_is_damaged_even_if_it_is_valid_json(tmp_path: Path) -> None:
    sealed(tmp_path)
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"documents": 1', '"documents": 2'))

    with pytest.raises(IndexDamaged, match="was altered after the build"):
        read_manifest(tmp_path, "docstore")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"x"', "{}", '{"digest": 1}'])
def test_a_manifest_that_is_not_one_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)

    with pytest.raises(IndexDamaged):
        read_manifest(tmp_path, "docstore")
    with pytest.raises(IndexUnusable):
        any_manifest(tmp_path)


def test_a_manifest_lists_every_file_with_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.bin").write_bytes(b"abc")

    manifest = write_manifest(tmp_path, Manifest("docstore", "c", 1, {}, "d"))

    # printf abc | sha256sum
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifest.files == {"inner/a.bin": {"bytes": 3, "sha256": abc}}
    assert read_manifest(tmp_path, "docstore") == manifest


def test_any_manifest_reads_whatever_kind_is_there(tiny: Tiny) -> None:
    assert [any_manifest(tiny.folder / part).kind for part in PARTS] == list(PARTS)


def test_the_manifests_of_a_collection_say_what_the_index_is(tiny: Tiny) -> None:
    docstore, lexical, dense = (read_manifest(tiny.folder / part, part) for part in PARTS)

    assert docstore.corpus_digest == lexical.corpus_digest == dense.corpus_digest
    assert docstore.facts == {"empty_documents": 1}
    assert lexical.config == {"analyser": "en"}
    assert lexical.facts == {"indexed": len(DOCUMENTS) - 1, "empty_documents": 1}
    assert dense.facts["factory"] == "Flat"
    assert dense.facts["exact"] is True
    assert dense.facts["encoder"]["dimension"] == 384
    assert dense.facts["encoder"]["pooling"] == "mean"
    assert dense.facts["texts"] == len(DOCUMENTS) - 1
    assert dense.facts["truncated_texts"] == 0
    assert dense.config_digest == digest(dense.config)
    assert {"python", "torch"} <= set(dense.versions)


def test_versions_leave_out_what_is_not_installed() -> None:
    found = versions_of("numpy", "no-such-package")

    assert "numpy" in found
    assert "no-such-package" not in found


def test_the_digest_of_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(3 << 20))

    # head -c 3145728 /dev/zero | sha256sum
    assert sha256_file(tmp_path / "zeros") == "bbd05cf6097ac9b1f89ea29d2542c1b7b67ee46848393895f5a9e43fa1f621e5"
