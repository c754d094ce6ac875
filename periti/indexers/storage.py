"""Directories that are either whole or absent.

A build writes into a hidden sibling of its target, syncs every file, and moves the directory into place in one rename.
An error, a full disk or Ctrl-C leaves the target as it was; what is left of a killed build starts with a dot and is
never opened.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from periti.errors import InputError, StorageError


@contextmanager
def building(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A fresh directory to write in, moved to `target` when the block ends well and removed when it does not.

    Args:
        target: where the finished directory shall be.
        replace: whether a directory already there may be replaced; it stays in place until the new one is whole.

    Raises:
        InputError: the target exists and `replace` is false.
        StorageError: the disk is full or not writable.
    """
    if target.exists() and not replace:
        raise InputError(f"{target} exists already; choose another place or ask to replace it (--force)")
    scratch = target.parent / f".{target.name}.building-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _sweep(target)
        scratch.mkdir(parents=True)
        yield scratch
        _sync(scratch)
        _move(scratch, target)
    except StorageError:
        raise
    except OSError as error:
        raise _storage_error(error, target) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove what killed builds of the same target left behind; a build that still runs is left alone."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.building-*"):
        pid = left.name.rsplit("-", 2)[-2]
        if pid.isdigit() and not Path("/proc", pid).exists() and Path("/proc").is_dir():
            shutil.rmtree(left, ignore_errors=True)


def _move(scratch: Path, target: Path) -> None:
    """Move into place in one step: whenever the process dies, the target is either the old directory or the new one."""
    if not target.exists():
        scratch.rename(target)
    elif not _exchanged(scratch, target):
        # The file system can not swap two names: the old directory steps aside for a moment.
        aside = target.parent / f".{target.name}.replaced-{secrets.token_hex(4)}"
        target.rename(aside)
        try:
            scratch.rename(target)
        except BaseException:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _sync_directory(target.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two names could be swapped atomically (renameat2 with RENAME_EXCHANGE, Linux)."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _sync(folder: Path) -> None:
    """Force every file below the folder to disk, so that a rename never outruns the data."""
    for directory, _, names in os.walk(folder):
        for name in names:
            with (Path(directory) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_directory(Path(directory))


def _sync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storage_error(error: OSError, target: Path) -> StorageError:
    """The same failure in one sentence of ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(_existing(target)).free
        return StorageError(
            f"the disk is full while building {target} ({free:,} bytes free); nothing was kept, "
            "make room and build again"
        )
    where = f" ({error.filename})" if error.filename else ""
    return StorageError(f"can not build {target}: {error.strerror or error}{where}; nothing was kept")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
