"""What an index is: what was indexed, by which configuration, with which digests; checked on every opening.

FAISS files carry no checksum (of 600 single-bit flips FAISS noticed 22 %, and 3 % silently changed answers), so the
size and SHA-256 of every file are in `manifest.json`, which also carries its own digest.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from periti.config import digest
from periti.errors import IndexDamaged, IndexMismatch, IndexMissing
from periti.files import sha256_file

FILE = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The facts of one index directory."""

    kind: str
    """collection, docstore, lexical or dense."""
    corpus_digest: str
    documents: int
    config: Mapping[str, Any]
    config_digest: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is particular to the kind: encoder, metric, analyser, counts of what was cut or left out."""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Path relative to the directory -> {"bytes", "sha256"}."""
    format: int = FORMAT


def versions_of(*packages: str) -> dict[str, str]:
    """Installed versions of packages, and of Python; absent packages are left out."""
    found = {"python": platform.python_version()}
    for package in ("periti", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Describe every file of the folder, write `manifest.json` there, and return what was written."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != FILE)
    files = {p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": sha256_file(p)} for p in paths}
    full = Manifest(**{**_shallow(manifest), "files": files})
    body = asdict(full)
    (folder / FILE).write_text(_text({**body, "digest": digest(body)}), encoding="utf-8")
    return full


def _text(body: Mapping[str, Any]) -> str:
    """The one way to write a manifest, so that a file written any other way was altered."""
    return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_manifest(folder: Path, kind: str) -> Manifest:
    """The manifest of a finished index directory.

    Raises:
        IndexMissing: there is no finished index of that kind.
        IndexDamaged: the manifest is not readable or was altered.
        IndexMismatch: it is of another kind or of a format this version does not read.
    """
    path = folder / FILE
    if not path.is_file():
        raise IndexMissing(f"no finished {kind} index at {folder} (no {FILE}); build it with `periti index build`")
    try:
        text = path.read_bytes().decode()
        body = json.loads(text)
        whole = text == _text(body)
        claimed = body.pop("digest")
        found = digest(body)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IndexDamaged(f"{path} is not a readable manifest; restore it or build the index again") from error
    if claimed != found or not whole:
        raise IndexDamaged(f"{path} was altered after the build; restore it or build the index again")
    if body.get("format") != FORMAT:
        raise IndexMismatch(f"{path} has format {body.get('format')}, this version reads {FORMAT}; build it again")
    manifest = Manifest(**body)
    if manifest.kind != kind:
        raise IndexMismatch(f"{folder} holds a {manifest.kind} index where a {kind} index is asked for")
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check every file's size and SHA-256.

    Raises:
        IndexDamaged: a file is missing, has another length or other bytes; the first one is named.
    """
    for name, facts in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise IndexDamaged(f"index {folder}: {name} is missing; restore it or build the index again")
        size = path.stat().st_size
        if size != facts["bytes"]:
            raise IndexDamaged(
                f"index {folder}: {name} has {size:,} bytes instead of {facts['bytes']:,}; "
                "restore it or build the index again"
            )
        if sha256_file(path) != facts["sha256"]:
            raise IndexDamaged(f"index {folder}: the bytes of {name} were altered; restore it or build the index again")


def open_verified(folder: Path, kind: str) -> Manifest:
    """The manifest of an index whose every file is as it was built; raises as `read_manifest` and `verify_files`."""
    manifest = read_manifest(folder, kind)
    verify_files(folder, manifest)
    return manifest


def _shallow(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}


def any_manifest(folder: Path) -> Manifest:
    """The manifest of an index directory of whatever kind; raises as `read_manifest`."""
    if not (folder / FILE).is_file():
        raise IndexMissing(f"no finished index at {folder} (no {FILE}); build it with `periti index build`")
    try:
        kind = json.loads((folder / FILE).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamaged(
            f"{folder / FILE} is not a readable manifest; restore it or build the index again"
        ) from error
    return read_manifest(folder, kind)
