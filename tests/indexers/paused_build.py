"""A build that stops in the middle of a step and waits to be killed: `python -m tests.indexers.paused_build`.

Arguments: the target, the label of the step to stop in, and the folder of an encoder or "-" for no dense index.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseConfig
from periti.indexers.encoding import EncoderSource
from tests.tiny import DOCUMENTS


class Pausing:
    """Says "ready" and sleeps at the fifth advance of one step."""

    def __init__(self, label: str) -> None:
        self._label, self._count = label, 0
        self._current = ""

    def start(self, label: str, total: int | None) -> None:  # noqa: ARG002
        self._current = label

    def advance(self, amount: int) -> None:
        self._count += amount if self._current == self._label else 0
        if self._count >= 5:
            print("ready", flush=True)
            time.sleep(120)

    def finish(self) -> None:
        pass


def main(target: str, label: str, model: str) -> int:
    config = BuildConfig(
        name="new",
        dense=None if model == "-" else DenseConfig(),
        encoder=EncoderSource("sentence-transformers", {"model": model}),
    )
    try:
        build_collection(DOCUMENTS, Path(target), config, replace=True, progress=Pausing(label))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
