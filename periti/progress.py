"""How far a long step has come, on a terminal only: done, total, rate and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TextIO, TypeVar

T = TypeVar("T")
SCREEN_SECONDS, LOG_SECONDS = 0.2, 60.0
"""How long a line stands before it is written anew, on a terminal and elsewhere."""


class Progress(Protocol):
    """What a long step reports to."""

    def start(self, label: str, total: int | None) -> None:
        """A step begins; `total` is None where it is not known."""
        ...

    def advance(self, amount: int) -> None:
        """So much more is done."""
        ...

    def finish(self) -> None:
        """The step is done."""
        ...


class Silent:
    """Reports nothing."""

    def start(self, label: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, amount: int) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


class Terminal:
    """One line on a terminal, rewritten at most five times a second; elsewhere a plain line a minute and at the end.

    Args:
        stream: where to write; standard error by default, so that results on standard output stay clean.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._label, self._done = "", 0
        self._total: int | None = None
        self._began = self._shown = 0.0

    def start(self, label: str, total: int | None) -> None:
        """Begin a line for the step."""
        self._label, self._total, self._done = label, total, 0
        self._began = time.monotonic()
        self._shown = 0.0 if self._stream.isatty() else self._began

    def advance(self, amount: int) -> None:
        """Count, and write the line when it is due."""
        self._done += amount
        now, screen = time.monotonic(), self._stream.isatty()
        if now - self._shown >= (SCREEN_SECONDS if screen else LOG_SECONDS):
            self._shown = now
            self._stream.write(f"\r\x1b[K{self._line(now)}" if screen else f"{self._line(now)}\n")
            self._stream.flush()

    def finish(self) -> None:
        """Write the line a last time and end it."""
        start = "\r\x1b[K" if self._stream.isatty() else ""
        self._stream.write(f"{start}{self._line(time.monotonic(), ended=True)}\n")
        self._stream.flush()

    def _line(self, now: float, *, ended: bool = False) -> str:
        elapsed = max(now - self._began, 1e-9)
        rate = self._done / elapsed
        share = f"{self._done:,}" + (f"/{self._total:,}" if self._total else "")
        text = f"{self._label}: {share}, {rate:,.0f}/s"
        if ended:
            return f"{text}, {elapsed:.1f} s"
        if self._total and self._done:
            return f"{text}, {(self._total - self._done) / rate:.0f} s left"
        return text


def tracked(items: Iterable[T], progress: Progress, label: str, total: int | None = None) -> Iterator[T]:
    """The items, reporting each as one step done."""
    progress.start(label, total)
    for item in items:
        yield item
        progress.advance(1)
    progress.finish()


__all__ = ["Progress", "Silent", "Terminal", "tracked"]
