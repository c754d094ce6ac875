"""The ranker that leaves a run as it is: the default, and the control of every experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from periti.protocols import Corpus
from periti.types import Queries, Run


class IdentityRanker:
    """The run, unchanged."""

    @dataclass(frozen=True)
    class Options:
        """None."""

    @classmethod
    def open(cls, options: Options) -> Self:  # noqa: ARG003  (the seam's signature)
        """The ranker."""
        return cls()

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:  # noqa: ARG002  (the seam's signature)
        """The run itself."""
        return run
