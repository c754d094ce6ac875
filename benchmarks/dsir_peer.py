"""A process that runs the `data-selection` package: one JSON object a line comes in, one goes out.

Run by `benchmarks/selection_speed.py`, and by hand to make golden figures, with the Python of an environment that has
`data-selection`; joblib gets one process, so that one core is measured.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from data_selection import HashedNgramDSIR  # type: ignore[import-not-found]  # no dependency


def weighed(raw: str, targets: list[str], folder: Path, **options: Any) -> tuple[Any, np.ndarray]:
    """The fitted object, and the log importance weights of the raw file, (n,) or (t, n)."""
    dsir = HashedNgramDSIR([raw], targets, cache_dir=str(folder), num_proc=1, **options)
    dsir.fit_importance_estimator()
    dsir.compute_importance_weights()
    return dsir, np.load(folder / "log_importance_weights" / "0.npy")


def chosen(dsir: Any, folder: Path, size: int) -> list[str]:
    """The lines of the `size` best, as the package writes them."""
    out = folder / "out"
    dsir.resample(out_dir=str(out), num_to_sample=size, cache_dir=str(folder / "resampled"), top_k=True)
    return (out / "0.jsonl" if (out / "0.jsonl").exists() else next(out.rglob("0.jsonl"))).read_text().splitlines()


def main() -> None:
    print(json.dumps({name: version(name) for name in ("data-selection", "nltk", "numpy")}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
            folder = Path(name)
            began, worked = time.perf_counter(), time.process_time()
            dsir, weights = weighed(order["raw"], order["targets"], folder, **order.get("options", {}))
            lines = chosen(dsir, folder, order["size"])
            answer = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
            if "to" in order:
                places = {json.loads(text)["id"] for text in lines}
                np.savez(order["to"], weights=weights, chosen=np.array(sorted(places)))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
