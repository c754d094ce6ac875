"""Who works on the blocks of a pool: this process, or several. Another executor is another function of this kind.

The work is a picklable call from one block to one result, and results come back in the order of the blocks: all that
a cluster (Ray Data, say) has to offer.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Protocol

from periti.datasets.selection.blocks import Block
from periti.datasets.selection.parts import Part

Work = Callable[[Block], Part]
AHEAD = 3
"""Blocks in flight a process: enough that none waits, few enough that memory stays flat."""


class BlockMap(Protocol):
    """Applies work to blocks."""

    def __call__(self, work: Work, blocks: Iterable[Block]) -> Iterator[Part]:
        """The result of each block, in their order."""
        ...


def here(work: Work, blocks: Iterable[Block]) -> Iterator[Part]:
    """Each block in this process."""
    return map(work, blocks)


def processes(count: int) -> BlockMap:
    """Blocks among so many processes of this machine; with one, in this process."""
    if count <= 1:
        return here

    def among(work: Work, blocks: Iterable[Block]) -> Iterator[Part]:
        # Not forked: libraries with threads of their own (polars, torch) do not survive that.
        context = multiprocessing.get_context("spawn")
        waiting: deque[Future[Part]] = deque()
        with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(work,)) as executor:
            try:
                for block in blocks:
                    waiting.append(executor.submit(_one, block))
                    if len(waiting) >= AHEAD * count:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    return among


_work: list[Work] = []
"""In a worker: what it was given to do, once and not with every block."""


def _begin(work: Work) -> None:
    # Ctrl-C reaches all processes; the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As many processes as cores leave one core for each; before any library counts cores.
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _work[:] = [work]


def _leave_with_parent() -> None:
    """A parent that was killed can not tell its workers to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _one(block: Block) -> Part:
    return _work[0](block)
