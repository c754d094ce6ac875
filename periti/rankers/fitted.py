"""What is fitted on held-out queries and kept as JSON: never from test, and with digests of what it was fitted on."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from periti.config import digest
from periti.errors import IndexDamaged, IndexMismatch, IndexMissing, InputError, StorageError
from periti.types import Qrels, Queries

FORMAT = 1


@runtime_checkable
class Fitted(Protocol):
    """A component that was fitted for certain experts and must not serve others."""

    def require(self, experts: Mapping[str, Mapping[str, str]]) -> None:
        """Raise IndexMismatch unless it was fitted for these: name -> fingerprint of the expert."""
        ...


@dataclass(frozen=True)
class Source:
    """The held-out queries that something was fitted on.

    Attributes:
        dataset: a collection's name or a file.
        split: train, dev ...; '' where it is not known.
        queries: how many.
        queries_digest: SHA-256 of their ids and, where they are known, texts.
        qrels_digest: SHA-256 of their judgements; '' where none were used.

    Raises:
        InputError: the split is a test split.
    """

    dataset: str
    split: str
    queries: int
    queries_digest: str
    qrels_digest: str = ""

    def __post_init__(self) -> None:
        refuse_test(self.split, self.dataset)


def refuse_test(split: str, dataset: str) -> None:
    """Raise InputError for a test split, as the utility table does."""
    if split.strip().casefold().startswith("test"):
        raise InputError(
            f"{dataset}: {split!r} is a test split, and nothing is fitted or tuned on test; give --split dev or train, "
            "or another collection's"
        )


def queries_digest(queries: Queries) -> str:
    """SHA-256 of ids and texts, whatever their order."""
    return digest(sorted(queries.frame.iter_rows()))


def qrels_digest(qrels: Qrels) -> str:
    """SHA-256 of the judgements."""
    return digest(list(qrels.frame.iter_rows()))


def write_document(path: Path, kind: str, body: Mapping[str, Any]) -> None:
    """Write JSON with its own digest, whole or not at all; raises StorageError."""
    full = {"format": FORMAT, "kind": kind, **body}
    text = json.dumps({**full, "digest": digest(full)}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"can not write {path}: {error.strerror or error}; nothing was changed") from error


def read_document(path: Path, kind: str, remedy: str) -> dict[str, Any]:
    """The body of a file that `write_document` wrote.

    Args:
        path: the file.
        kind: what it must hold.
        remedy: what to do when it can not be used, such as "fit it with `periti calibrate`".

    Raises:
        IndexMissing: there is no such file.
        IndexDamaged: it is not readable or was altered.
        IndexMismatch: it is of another kind or format.
    """
    if not path.is_file():
        raise IndexMissing(f"no {kind} at {path}; {remedy}")
    try:
        body = json.loads(path.read_bytes().decode())
        claimed, found = body.pop("digest"), digest(body)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IndexDamaged(f"{path} is not a readable {kind}; {remedy}") from error
    if claimed != found:
        raise IndexDamaged(f"{path} was altered after it was written; {remedy}")
    if (body.pop("format"), body.get("kind")) != (FORMAT, kind):
        raise IndexMismatch(f"{path} holds a {body.get('kind')} where a {kind} is asked for; {remedy}")
    del body["kind"]
    return dict(body)
