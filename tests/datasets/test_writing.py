"""Files and folders appear whole or not at all, also when the disk is full or the user interrupts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from periti.datasets.writing import check_writable, whole_file, whole_folder
from periti.errors import InputError, StorageError

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from periti.datasets.jsonl import write_documents
from periti.datasets.writing import whole_folder
from periti.errors import StorageError
from periti.types import Document
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with whole_folder(Path(sys.argv[1])) as folder:
        write_documents((Document(str(number), "x" * 100) for number in range(1000)), folder / "corpus.jsonl")
except StorageError as error:
    print(error)
"""


def test_a_file_that_can_not_grow_leaves_nothing_and_one_sentence(tmp_path: Path) -> None:
    """The system's limit on a file's size stands in for a full disk: the write itself fails."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("corpus.jsonl: writing failed (File too large); free space or write elsewhere\n")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with whole_file(path) as stream:
            stream.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"old")]


def test_an_interrupted_folder_is_not_there(tmp_path: Path) -> None:
    def interrupted() -> None:
        with whole_folder(tmp_path / "folder") as folder:
            (folder / "part").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="exists already"), whole_folder(tmp_path / "folder"):
        pass


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="writing failed"), whole_folder(tmp_path / "file" / "folder"):
        pass


def test_a_place_can_be_tried_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("old", b"old")]
    for place in (tmp_path / "absent" / "new", tmp_path / "old" / "new"):
        with pytest.raises(StorageError, match=r"new: can not be written, since .* is not a folder; make it first"):
            check_writable(place)
