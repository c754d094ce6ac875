"""Searches off the event loop: a few at once, some waiting, and a refusal beyond that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")
WAITING = 128
"""Searches that may wait; a refusal now is better than an answer after the caller has gone."""


class Workers:
    """A bounded pool of threads. The threads stay, since each one has to introduce itself to the JVM.

    Args:
        threads: searches at once; by default the number of cores, at least 2.
        waiting: searches that may wait for a thread.
    """

    def __init__(self, threads: int | None = None, waiting: int = WAITING) -> None:
        self._limit = (count := threads or max(2, os.cpu_count() or 2)) + waiting
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="search")
        self._admitted = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns; refuses with 503 when too many wait already."""
        if self._admitted >= self._limit:
            raise HTTPException(503, f"{self._admitted} searches are waiting already; try again in a second",
                                {"Retry-After": "1"})  # fmt: skip
        self._admitted += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._admitted -= 1

    def close(self) -> None:
        """Drop what waits; what runs is left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
