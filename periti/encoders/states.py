"""What a late-join cross-encoder knows of texts it has read alone: kept in memory, and in a folder where one is named.

Precomputed states are what makes such a ranker fast at query time (PreTTR, MacAvaney et al., SIGIR 2020): of a document
that is kept only the joined layers remain to be computed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from periti.encoders.adapters import read_arrays, write_arrays
from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

STATES_BYTES = 256 << 20
"""States of texts that are remembered: about 650 documents of 128 tokens."""
Ids = tuple[int, ...]


class Read(NamedTuple):
    """A text read alone: its states after the layers that read apart, and after all layers, (n, d) each."""

    states: Tensor
    finished: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return int(self.states.nbytes) + int(self.finished.nbytes)


class States:
    """The states of the texts that were asked for last, within a budget of bytes, and of all texts in a folder.

    Args:
        compute: reads texts.
        budget: bytes that are kept in memory.
        folder: where states are kept, one file a text; nowhere by default.
    """

    def __init__(self, compute: Callable[[Sequence[Ids]], list[Read]], budget: int, folder: Path | None = None) -> None:
        self._compute, self.budget, self.folder = compute, budget, folder
        self._known: OrderedDict[Ids, Read] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, texts: Sequence[Ids]) -> dict[Ids, Read]:
        """The states of texts, computed where they are not remembered."""
        wanted = list(dict.fromkeys(texts))
        with self._lock:
            found = {ids: self._known[ids] for ids in wanted if ids in self._known}
            for ids in found:
                self._known.move_to_end(ids)
        missing = [ids for ids in wanted if ids not in found]
        if missing:
            fresh = self._fresh(missing)
            found |= fresh
            self._keep(fresh)
        return found

    def _fresh(self, texts: Sequence[Ids]) -> dict[Ids, Read]:
        """States that are not in memory: from the folder, or computed and written there."""
        if self.folder is None:
            return dict(zip(texts, self._compute(texts), strict=True))
        paths = {ids: self.folder / f"{_name(ids)}.safetensors" for ids in texts}
        found = {ids: read for ids, path in paths.items() if (read := _read(path)) is not None}
        missing = [ids for ids in texts if ids not in found]
        computed = dict(zip(missing, self._compute(missing), strict=True)) if missing else {}
        self.folder.mkdir(parents=True, exist_ok=True)
        for ids, read in computed.items():
            _write(paths[ids], read)
        return found | computed

    def _keep(self, fresh: dict[Ids, Read]) -> None:
        with self._lock:
            for ids, states in fresh.items():
                if ids not in self._known:
                    self._known[ids] = states
                    self._bytes += states.nbytes
            while self._bytes > self.budget and self._known:
                _, oldest = self._known.popitem(last=False)
                self._bytes -= oldest.nbytes


def _name(ids: Ids) -> str:
    return hashlib.sha256(np.array(ids, np.int64).tobytes()).hexdigest()


def _write(path: Path, read: Read) -> None:
    """Whole or not at all, whoever else writes the same."""
    fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    write_arrays(fresh, {"states": read.states.numpy(), "finished": read.finished.numpy()}, {})
    fresh.replace(path)


def _read(path: Path) -> Read | None:
    """What was written there; None where nothing was, or what is there is damaged and has to be made again."""
    import torch

    if not path.is_file():
        return None
    try:
        arrays, _ = read_arrays(path)
        return Read(torch.from_numpy(arrays["states"]), torch.from_numpy(arrays["finished"]))
    except (EncoderError, KeyError):
        return None
