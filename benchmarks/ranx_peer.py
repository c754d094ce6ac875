"""A process that fuses with ranx and stays warm: one JSON object a line comes in, one goes out.

Run by `benchmarks/fusion.py` with the Python of an environment that has ranx; not by hand.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ranx import Run, fuse  # type: ignore[import-not-found]  # no dependency

ASKED = {"rrf": (None, "rrf", {"k": 60}), "comb-sum": ("min-max", "sum", {})}


def loaded(path: Path) -> list[Any]:
    """The runs of an .npz file: for each i arrays query_i, doc_i (text) and score_i, best first."""
    runs = []
    with np.load(path) as arrays:
        for i in range(len(arrays.files) // 3):
            lists: dict[str, dict[str, float]] = {}
            columns = (arrays[f"{name}_{i}"].tolist() for name in ("query", "doc", "score"))
            for query, doc, score in zip(*columns, strict=True):
                lists.setdefault(query, {})[doc] = score
            runs.append(Run(lists))
    return runs


def written(fused: Any, path: Path) -> None:
    """The fused run as arrays query, doc, score, best first."""
    rows = [(query, doc, score) for query, own in fused.run.items() for doc, score in own.items()]
    query, doc, score = zip(*rows, strict=True)
    np.savez(path, query=np.array(query), doc=np.array(doc), score=np.array(score))


def main() -> None:
    runs: dict[str, list[Any]] = {}
    print(json.dumps({name: version(name) for name in ("ranx", "numba", "numpy")}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "load" in order:
            runs[order["load"]] = loaded(Path(order["load"]))
            print("{}", flush=True)
            continue
        norm, method, params = ASKED[order["method"]]
        began, cpu = time.perf_counter(), time.process_time()
        fused = fuse(runs[order["of"]], norm=norm, method=method, params=params)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        if "to" in order:
            written(fused, Path(order["to"]))
        print(json.dumps({"seconds": took, "cpu_seconds": cpu}), flush=True)


if __name__ == "__main__":
    main()
