"""Linear algebra on a thread of its own.

A running JVM may have shortened the main thread's stack to 1 MB, and LAPACK's threaded factorisations take more: the
process would end in a segmentation fault. A fresh thread has the stack it should have.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns, computed on a thread of its own; raises what it raises."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *args, **kwargs).result()
