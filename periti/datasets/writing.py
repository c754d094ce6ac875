"""Files written whole or not at all: a temporary neighbour first, then one rename."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from periti.errors import InputError, StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary stream that becomes the file only when the block ends well; packed if the name ends in `.gz`.

    Raises:
        StorageError: writing failed; what was there before is untouched.
    """
    handle, name = _temporary_file(path)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw:
            if path.suffix == ".gz":
                # No name and no time in the header: the same content gives the same bytes.
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]  # GzipFile is not declared as IO[bytes]
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Whether `whole_file` could begin there, asked before the work whose result it shall hold.

    Raises:
        StorageError: the folder is not there or may not be written to.
    """
    handle, name = _temporary_file(path)
    os.close(handle)
    Path(name).unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` only when the block ends well.

    Raises:
        InputError: something is at `path` already.
        StorageError: writing failed; nothing is left behind.
    """
    if path.exists():
        raise InputError(f"{path} exists already; choose another folder or remove it first")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
    except StorageError:
        # A file inside already said which write failed.
        raise
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary_file(path: Path) -> tuple[int, str]:
    if not path.parent.is_dir():
        raise StorageError(f"{path}: can not be written, since {path.parent} is not a folder; make it first")
    try:
        return tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: writing failed ({error.strerror or error}); free space or write elsewhere")


def _umask() -> int:
    # Reading the mask means setting it; there is no other portable way.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
