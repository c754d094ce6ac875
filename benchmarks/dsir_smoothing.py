"""How precise is DSIR with few examples, by smoothing and length? Made-up topics of which everything is known.

The generator of `tests/datasets/selection/topics.py`: 12 topics over 4,000 words, 8,000 documents of log-normal length,
5 % relevant, 5 % chosen; pairs of words in 10,000 buckets. Precision, and the mean length of what is chosen (the pool's
is about 100 words), over the seeds.

Usage: python -m benchmarks.dsir_smoothing [--seeds 4]
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measuring import record

from periti.datasets.selection.dsir import DsirSelector
from periti.datasets.selection.selector import Target
from tests.datasets.selection.topics import topical  # type: ignore[import-untyped]  # found as installed

SETTINGS = (("none", "sum"), ("none", "mean"), ("jm:0.5", "sum"), ("jm:0.5", "chunk"), ("jm:auto", "chunk"))
EXAMPLES = (1, 5, 20, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    seeds = parser.parse_args().seeds
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(1, seeds + 1):
        made = topical(seed)
        for size in EXAMPLES:
            for smoothing, length in SETTINGS:
                selector = DsirSelector(smoothing=smoothing, length=length)
                target = Target("topic", made.examples[:size])
                scores = selector.fit(partial(iter, [made.texts]), [target], seed=0).score(made.texts)[:, 0]
                found.setdefault(f"{size} examples, {smoothing}, {length}", []).append(made.precision(scores))
    rows: dict[str, Any] = {}
    for label, pairs in found.items():
        precision, words = np.mean(pairs, axis=0)
        rows[label] = {"precision": round(float(precision), 3), "words": round(float(words), 1)}
        print(f"{label:34s} precision {precision:.2f}   {words:5.1f} words")
    record("dsir_smoothing", {"seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()
