"""Small pools and a selector that is easy to foresee, for the tests of jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from periti.datasets.selection.budget import Budget
from periti.datasets.selection.job import Job
from periti.datasets.selection.pool import Columns, open_pool
from periti.datasets.selection.sampler import Sampling
from periti.datasets.selection.selector import QUALITY, Blocks, Reason, Scores, Target


@dataclass(frozen=True)
class NumberScorer:
    """The number that a text ends with, times the factor of each column; texts with "never" score -inf."""

    names: tuple[str, ...]
    factors: tuple[float, ...]

    def score(self, texts: Sequence[str]) -> Scores:
        numbers = [-np.inf if "never" in text else float(text.rpartition(" ")[2] or 0) for text in texts]
        scores: Scores = np.array(numbers, np.float64)[:, None] * np.array(self.factors)
        return scores

    def explain(self, text: str, limit: int = 10) -> tuple[Reason, ...]:
        return (Reason("its last word", float(self.score([text])[0, 0])),)[:limit]


@dataclass(frozen=True)
class NumberSelector:
    """Prefers large numbers, or for a target named "small" small ones."""

    names: tuple[str, ...] = ()
    family: ClassVar[str] = QUALITY
    needs_target: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False
    cost_per_doc: ClassVar[float] = 1.0

    def fit(self, pool: Blocks, targets: Sequence[Target], *, seed: int) -> NumberScorer:  # noqa: ARG002
        names = self.names or tuple(target.name for target in targets) or ("number",)
        return NumberScorer(names, tuple(-1.0 if name == "small" else 1.0 for name in names))


def records(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Texts that end with 0, 7, 14, ... modulo 101, in two domains."""
    return [
        {"id": f"d{i}", "text": f"document {i} has the number {7 * i % 101}", "domain": "ab"[i % 2]}
        for i in range(start, start + count)
    ]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def job(path: Path, budget: str = "10%", **options: Any) -> Job:
    """A job over a file with the selector of numbers; options of the pool, the sampling and the job."""
    pool = {name: options.pop(name) for name in ("block", "skip_bad") if name in options}
    columns = options.pop("columns", Columns())
    sampling = {name: options.pop(name) for name in ("temperature", "seed", "quota") if name in options}
    options.setdefault("selector", NumberSelector())
    return Job(open_pool(path, columns, **pool), sampling=Sampling(Budget.parse(budget), **sampling), **options)
