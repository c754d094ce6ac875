"""What is known of a pool's rows, in numbered files under a work folder: a job that is killed goes on from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.bits import STRETCH
from periti.datasets.selection.blocks import Bad
from periti.datasets.writing import whole_file
from periti.errors import StorageError


def row_type(columns: int) -> np.dtype[np.void]:
    """One row: tokens, group (a number within its part), why it was taken out (0: it was not), digest, scores."""
    return np.dtype(
        [("tokens", "<u4"), ("group", "<u4"), ("out", "<u2"), ("digest", "<u8", (2,)), ("scores", "<f8", (columns,))]
    )


@dataclass(frozen=True)
class Part:
    """The rows of one block.

    Attributes:
        rows: of `row_type`, in the block's order.
        groups: names of the groups that the rows' numbers mean.
        bad: what could not be read.
    """

    rows: NDArray[np.void]
    groups: tuple[str, ...] = ("",)
    bad: tuple[Bad, ...] = ()


@dataclass(frozen=True)
class WorkFolder:
    """A folder beside the output that lasts from the first block until the output is there."""

    path: Path

    @classmethod
    def beside(cls, out: Path, fingerprint: Mapping[str, Any]) -> WorkFolder:
        """The folder for an output: with what an earlier run left, if it had the same fingerprint, else empty.

        Raises:
            StorageError: it can not be made.
        """
        folder = cls(out.parent / f".{out.name}.work")
        text = json.dumps(fingerprint, sort_keys=True, indent=1)
        file = folder.path / "fingerprint.json"
        try:
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                folder.remove()
                folder.path.mkdir()
                with whole_file(file) as stream:
                    stream.write(text.encode())
        except OSError as error:
            raise StorageError(f"{folder.path}: can not be written ({error.strerror}); write elsewhere") from error
        return folder

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def finished(self) -> int:
        """How many parts are there, from the first without a gap."""
        numbers = {int(path.stem.removeprefix("part-")) for path in self.path.glob("part-*.npy")}
        return next(number for number in range(len(numbers) + 1) if number not in numbers)

    def write(self, number: int, part: Part) -> None:
        """Keep a part; it is there whole or not at all.

        Raises:
            StorageError: writing failed.
        """
        with whole_file(self._file(number, "json")) as stream:
            stream.write(json.dumps({"groups": part.groups, "bad": [asdict(bad) for bad in part.bad]}).encode())
        # The rows last: they are what says that the part is finished.
        with whole_file(self._file(number, "npy")) as stream:
            np.save(stream, part.rows, allow_pickle=False)

    def read(self, number: int) -> Part:
        """A part that is there."""
        facts = json.loads(self._file(number, "json").read_text(encoding="utf-8"))
        rows = np.load(self._file(number, "npy"), allow_pickle=False)
        return Part(rows, tuple(facts["groups"]), tuple(Bad(**bad) for bad in facts["bad"]))

    def sizes(self, parts: int) -> list[int]:
        """How many rows each part has."""
        return [len(np.load(self._file(number, "npy"), mmap_mode="r")) for number in range(parts)]

    def stretches(self, parts: int, groups: Mapping[str, int]) -> Iterator[tuple[int, NDArray[np.void]]]:
        """First row and rows of every stretch of STRETCH rows, whatever the sizes of the parts.

        Args:
            parts: how many there are.
            groups: number of each group in the whole pool, which the rows then have.
        """
        held: list[NDArray[np.void]] = []
        first = size = 0
        for number in range(parts):
            part = self.read(number)
            rows = part.rows
            if len(rows):
                rows["group"] = np.array([groups[name] for name in part.groups], "<u4")[rows["group"]]
            held.append(rows)
            size += len(rows)
            while size >= STRETCH:
                whole = np.concatenate(held)
                yield first, whole[:STRETCH]
                held, first, size = [whole[STRETCH:]], first + STRETCH, size - STRETCH
        if size:
            yield first, np.concatenate(held)

    def _file(self, number: int, ending: str) -> Path:
        return self.path / f"part-{number:06}.{ending}"
