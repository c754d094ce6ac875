"""What every benchmark shares: interleaved timing, the facts of the machine, and where results go."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


def interleaved(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each call: the contestants take turns, so that a busy moment of the machine hits all of them.

    On a machine that others keep busy, give `time.process_time` as the clock, and torch one thread.
    """
    for _ in range(warm):
        for call in contestants.values():
            call()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        for name in names if turn % 2 else reversed(names):
            began = clock()
            contestants[name]()
            seconds[name].append(clock() - began)
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Best, median and 90th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "best_ms": round(ordered[0] * 1000, 3),
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p90_ms": round(ordered[int(0.9 * (len(ordered) - 1))] * 1000, 3),
    }


def machine() -> dict[str, Any]:
    """Processor, cores, versions and commit."""
    packages = ("periti", "numpy", "polars", "torch", "faiss-cpu", "pyserini", "sentence-transformers")
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit.stdout.strip(),
    }


def record(name: str, results: Mapping[str, Any]) -> None:
    """Print the results and keep them beside the script."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **results}, indent=1)
    print(text)
    (RESULTS / f"{name}.json").write_text(text + "\n")
