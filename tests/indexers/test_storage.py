"""Directories that are whole or absent: whatever ends a build, nothing half-written is ever opened."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from periti.errors import IndexMissing, InputError, StorageError
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseConfig
from periti.indexers.docstore import Docstore
from periti.indexers.encoding import EncoderSource
from periti.indexers.storage import building
from periti.pipeline import open_pipeline
from periti.types import Document, Queries
from tests.tiny import DOCUMENTS

REPOSITORY = Path(__file__).parents[2]
OLD = [Document("old-1", "an old text about kettles"), Document("old-2", "another old text")]
KETTLES = Queries.from_pairs([("q", "kettles")])


def built_before(target: Path) -> None:
    build_collection(OLD, target, BuildConfig(name="old", dense=None))


def is_the_old_one(target: Path) -> bool:
    """The old collection opens, every digest holds, and it answers."""
    return open_pipeline(target).search(KETTLES).doc_ids("q") == ["old-1"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# in this process


def test_what_is_written_appears_at_once_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with building(target) as folder:
        (folder / "a").write_text("x")
        assert not target.exists()
        assert folder.name.startswith(".")

    assert names(target) == ["a"]
    assert names(target.parent) == ["target"]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_whatever_is_raised_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    def build() -> None:
        with building(tmp_path / "target") as folder:
            (folder / "a").write_text("x")
            raise failure

    with pytest.raises(type(failure)):
        build()

    assert names(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("x")

    def build() -> None:
        with building(target, replace=True) as folder:
            (folder / "new").write_text("y")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()

    assert names(tmp_path) == ["target"]
    assert names(target) == ["old"]


def test_a_replacement_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("x")

    with building(target, replace=True) as folder:
        (folder / "new").write_text("y")

    assert names(tmp_path) == ["target"]
    assert names(target) == ["new"]


def test_a_target_that_exists_is_not_overwritten_unasked(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"exists already; choose another place or ask to replace it"),
        building(tmp_path),
    ):
        pytest.fail("the block must not run")


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full")]
)
def test_a_full_disk_is_one_sentence(tmp_path: Path, number: int, sentence: str) -> None:
    full = pytest.raises(StorageError, match=rf"{sentence} while building .* make room and build again")
    with full, building(tmp_path / "target"):
        raise OSError(number, "no room")

    assert names(tmp_path) == []


def test_another_failure_to_write_names_its_reason_and_file(tmp_path: Path) -> None:
    reason = r"can not build .*target: No such file or directory \(.*gone\); nothing was kept"
    with pytest.raises(StorageError, match=reason), building(tmp_path / "target") as folder:
        (folder / "gone").read_text()


def test_a_short_write_without_a_number_is_a_storage_error_too(tmp_path: Path) -> None:
    """NumPy raises such an error when the disk fills up."""
    with pytest.raises(StorageError, match="50 requested and 0 written"), building(tmp_path / "target"):
        raise OSError("50 requested and 0 written")


def test_a_folder_that_periti_did_not_build_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")

    with pytest.raises(InputError, match="is not a collection that periti built; it will not be replaced"):
        build_collection(OLD, tmp_path / "thesis", BuildConfig(name="x", dense=None), replace=True)
    assert names(tmp_path / "thesis") == ["chapter"]


def test_a_file_in_the_way_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")

    with pytest.raises(InputError):
        build_collection(OLD, tmp_path / "notes", BuildConfig(name="x", dense=None), replace=True)
    assert (tmp_path / "notes").read_text() == "mine"


def test_documents_that_fail_in_the_middle_leave_the_old_collection(tmp_path: Path) -> None:
    target = tmp_path / "c"
    built_before(target)

    def failing() -> Iterator[Document]:
        yield from DOCUMENTS[:5]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_collection(failing(), target, BuildConfig(name="new", dense=None), replace=True)
    assert names(tmp_path) == ["c"]
    assert is_the_old_one(target)


# in another process


def paused(target: Path, step: str, model: str) -> subprocess.Popen[str]:
    """A build in another process, asleep in the middle of the step."""
    command = [sys.executable, "-m", "tests.indexers.paused_build", str(target), step, model]
    build = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert build.stdout
    if build.stdout.readline() != "ready\n":
        pytest.fail(f"the build ended before the step: {build.communicate(timeout=60)[1]}")
    return build


@pytest.mark.parametrize("step", ["reading documents", "indexing words", "encoding documents"])
def test_ctrl_c_in_the_middle_of_a_build_leaves_nothing(tmp_path: Path, bert: Path, step: str) -> None:
    build = paused(tmp_path / "c", step, str(bert) if step == "encoding documents" else "-")
    assert [name[:12] for name in names(tmp_path)] == [".c.building-"]

    build.send_signal(signal.SIGINT)
    _, complaint = build.communicate(timeout=60)

    assert build.returncode == 130, complaint
    assert names(tmp_path) == []


def test_ctrl_c_in_the_middle_of_a_rebuild_leaves_the_old_collection(tmp_path: Path) -> None:
    built_before(tmp_path / "c")
    build = paused(tmp_path / "c", "indexing words", "-")

    build.send_signal(signal.SIGINT)
    build.communicate(timeout=60)

    assert build.returncode == 130
    assert names(tmp_path) == ["c"]
    assert is_the_old_one(tmp_path / "c")


@pytest.mark.parametrize("step", ["reading documents", "indexing words"])
def test_a_killed_build_is_never_opened_and_does_not_stand_in_the_way(tmp_path: Path, step: str) -> None:
    build = paused(tmp_path / "c", step, "-")

    build.kill()
    build.communicate(timeout=60)

    left = names(tmp_path)
    assert [name[:12] for name in left] == [".c.building-"], "a dot hides what is left"
    with pytest.raises(IndexMissing):
        Docstore.open(tmp_path / "c" / "docstore")
    built_before(tmp_path / "c")
    assert is_the_old_one(tmp_path / "c")


def test_a_killed_rebuild_leaves_the_old_collection(tmp_path: Path) -> None:
    built_before(tmp_path / "c")
    build = paused(tmp_path / "c", "indexing words", "-")

    build.kill()
    build.communicate(timeout=60)

    assert is_the_old_one(tmp_path / "c")


# a disk that fills up

CHATTER = [Document(f"d{i}", " ".join(f"word{i}x{j}" for j in range(40))) for i in range(150)]


def free_bytes(folder: Path) -> int:
    return os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def vanishing(disk: Path, config: BuildConfig, places: Callable[[int], Iterable[int]]) -> list[str]:
    """What builds say for which the disk has less room than needed, by numbers of bytes; each must leave no trace."""
    built_before(disk / "c")
    free = free_bytes(disk)
    build_collection(CHATTER, disk / "new", config)
    needed = free - free_bytes(disk)
    shutil.rmtree(disk / "new")
    sentences = []
    for room in places(needed):
        (disk / "filler").write_bytes(bytes(free - room))
        with pytest.raises(StorageError) as caught:
            build_collection(CHATTER, disk / "new", config)
        sentences.append(str(caught.value))
        assert "nothing was kept" in sentences[-1]
        assert "\n" not in sentences[-1]
        assert names(disk) == ["c", "filler"], "nothing half-written is left"
        assert is_the_old_one(disk / "c")
    return sentences


def test_a_disk_that_fills_up_while_words_are_indexed_leaves_the_old_collection(disk: Path) -> None:
    config = BuildConfig(name="new", dense=None)

    # Up to 80 %: Lucene writes one or two segments, so the last bytes vary.
    sentences = vanishing(disk, config, lambda needed: [needed * share // 10 for share in range(9)])

    assert any(sentence.startswith("the disk is full while building") for sentence in sentences)
    assert any(sentence.startswith("Lucene could not finish its index") for sentence in sentences)


def test_a_disk_that_fills_up_while_vectors_are_written_leaves_the_old_collection(disk: Path, bert: Path) -> None:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})
    config = BuildConfig(name="new", lexical=None, dense=DenseConfig(), encoder=source)

    sentences = vanishing(disk, config, lambda needed: range(needed - 8 * 4096, needed, 4096))

    assert any(sentence.startswith("the disk is full while building") for sentence in sentences)
    assert any(sentence.startswith("the vectors can not be written") for sentence in sentences)


def test_a_limit_on_file_size_is_a_storage_error(tmp_path: Path) -> None:
    """Where no file system can be mounted, this still makes writing fail in the middle of a file."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from periti.errors import StorageError\n"
        "from periti.indexers.build import BuildConfig, build_collection\n"
        "from tests.indexers.test_storage import CHATTER\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: build_collection(CHATTER, Path(sys.argv[1]), BuildConfig(name='x', dense=None))\n"
        "except StorageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "c")], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert "can not build" in done.stdout
    assert "File too large" in done.stdout
    assert names(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_replacing_swaps_the_two_directories_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with building(tmp_path / "c") as folder:
        (folder / "a").write_text("old")

    def never(self: Path, target: Path) -> Path:
        raise AssertionError(f"{self} was renamed to {target}, which leaves a moment without the target")

    monkeypatch.setattr(Path, "rename", never)
    with building(tmp_path / "c", replace=True) as folder:
        (folder / "a").write_text("new")

    assert (tmp_path / "c" / "a").read_text() == "new"
    assert names(tmp_path) == ["c"]


def test_what_a_killed_build_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f".c.building-{dead.pid}-00000000").mkdir()
    (tmp_path / f".c.building-{os.getpid()}-00000000").mkdir()

    with building(tmp_path / "c"):
        pass

    assert names(tmp_path) == [f".c.building-{os.getpid()}-00000000", "c"], "one that still runs is left alone"
