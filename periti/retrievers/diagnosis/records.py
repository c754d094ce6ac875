"""JSON files of the diagnosis: written whole or not at all, read with errors that name the file."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from periti.errors import FormatError, StorageError

_FORMAT = "format"


def write_record(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON under a format tag; the file that was there stays whole until the new one is.

    Raises:
        StorageError: the file can not be written.
        ValueError: a number in it is not finite.
    """
    text = json.dumps({_FORMAT: kind, **content}, ensure_ascii=False, allow_nan=False, indent=1)
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise StorageError(
            f"{path} can not be written: {error.strerror or error}; free space or mend rights"
        ) from error


def read_record(path: Path, kind: str) -> dict[str, Any]:
    """The content written by `write_record` under the same format tag.

    Raises:
        FormatError: the file is absent, is no JSON object, or has another format tag.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(f"{path} does not exist; write it first or name another file") from error
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} can not be read as JSON: {error}; write it again") from error
    found = content.pop(_FORMAT, None) if isinstance(content, dict) else None
    if not isinstance(content, dict) or found != kind:
        raise FormatError(f"{path} is of format {found!r}, expected {kind!r}; name a file that periti wrote as such")
    return content
