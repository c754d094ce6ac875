"""Exact duplicates: texts that differ in case, white space and compatible characters only; the first one stays.

Found by 128-bit digests that are divided by their leading bits into files small enough to sort, so that memory does not
grow with the pool.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.bits import Bits

Digests = NDArray[np.uint64]
PART_ROWS = 1 << 15
MOST_PARTS = 512


def same_text(text: str) -> str:
    """What texts have in common that count as one."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split())


def digests(texts: Sequence[str]) -> Digests:
    """128 bits of BLAKE2b of each text, normalised, uint64 (n, 2)."""
    raw = b"".join(hashlib.blake2b(same_text(text).encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(raw, "<u8").reshape(-1, 2)


def repeated(rows: Callable[[], Iterator[tuple[NDArray[np.int64], Digests]]], size: int, folder: Path) -> Bits:
    """The rows whose digest an earlier row has.

    Args:
        rows: numbers (m,) and digests (m, 2) of the rows to compare, in ascending order, in stretches.
        size: of the pool.
        folder: for files while this runs.
    """

    def valued() -> Iterator[tuple[NDArray[np.int64], Digests, NDArray[np.float64]]]:
        for numbers, found in rows():
            yield numbers, found, np.zeros(len(numbers))

    return surpassed(valued, size, folder)


def surpassed(
    rows: Callable[[], Iterator[tuple[NDArray[np.int64], Digests, NDArray[np.float64]]]], size: int, folder: Path
) -> Bits:
    """The rows whose digest a row of a larger value has, or an earlier row of the same value.

    Args:
        rows: numbers (m,), digests (m, 2) and values (m,) of the rows to compare, in ascending order, in stretches.
        size: of the pool.
        folder: for files while this runs.
    """
    marks = Bits(size)
    bits = max(0, min(MOST_PARTS, -(-size // PART_ROWS)) - 1).bit_length()
    files = [folder / f"digests-{number:03}" for number in range(1 << bits)]
    for path in files:
        path.write_bytes(b"")
    for numbers, found, values in rows():
        entries = np.column_stack([found, numbers.astype(np.uint64), values.astype(np.float64).view(np.uint64)])
        part = (found[:, 0] >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(found), np.int64)
        order = np.argsort(part, kind="stable")
        ends = np.searchsorted(part[order], np.arange(len(files) + 1))
        for number in np.unique(part):
            with files[number].open("ab") as stream:
                stream.write(entries[order[ends[number] : ends[number + 1]]].tobytes())
    for path in files:
        entries = np.fromfile(path, np.uint64).reshape(-1, 4)
        values = np.ascontiguousarray(entries[:, 3]).view(np.float64)
        entries = entries[np.lexsort((entries[:, 2], -values, entries[:, 1], entries[:, 0]))]
        again = np.flatnonzero((entries[1:, :2] == entries[:-1, :2]).all(axis=1)) + 1
        marks.mark_rows(entries[again, 2].astype(np.int64))
        path.unlink()
    return marks
