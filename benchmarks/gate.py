"""What does a gate cost? Milliseconds a query of the gate alone and of the gated fusion, beside calibrated fusion.

Usage: python -m benchmarks.gate [--sources 3] [--depth 100] [--queries 200]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from measuring import interleaved, record, summary

from periti.rankers.calibration.calibration import fit
from periti.rankers.calibration.fused import CalibratedFusion, CalibratedOptions
from periti.rankers.fitted import Source
from periti.rankers.fusion.offline import everybody
from periti.rankers.gate.files import TrainedGate
from periti.rankers.gate.fusion import GatedFusion
from periti.rankers.gate.model import Gate
from periti.rankers.gate.slates import FEATURES, Slates, features_of
from periti.types import Queries, Run


def made_runs(sources: int, queries: int, depth: int) -> dict[str, Run]:
    """Runs that share about half of their documents."""
    rng = np.random.default_rng(1)
    runs = {}
    for source in range(sources):
        frame = pl.DataFrame(
            {
                "query_id": np.repeat([f"q{i}" for i in range(queries)], depth),
                "doc_id": np.concatenate([rng.permutation(2 * depth)[:depth] for _ in range(queries)]).astype(str),
                "score": rng.normal(size=queries * depth),
            }
        )
        runs[f"source-{source}"] = Run.of(frame, f"source-{source}")
    return runs


def drawn_gate(sources: int, hidden: int = 16) -> Gate:
    """A gate of the trained shape; its numbers do not matter for its speed."""
    rng, inputs = np.random.default_rng(2), 3 * sources + len(FEATURES)
    shapes = ((inputs, hidden), (hidden,), (hidden,), (hidden, sources), (sources,))
    return Gate(np.zeros(len(FEATURES)), np.ones(len(FEATURES)), *(rng.normal(size=shape) for shape in shapes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=3)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    runs = made_runs(arguments.sources, arguments.queries, arguments.depth)
    queries = Queries.from_pairs((f"q{i}", "does vitamin D prevent falls?") for i in range(arguments.queries))
    calibration = fit("quantile", runs, {name: {} for name in runs}, Source("made", "dev", len(queries), ""))
    gate, plan = drawn_gate(arguments.sources), everybody(runs)
    slates = Slates.of(runs, plan, calibration)
    features = features_of(slates.query_ids, queries)
    gated = GatedFusion(TrainedGate(gate, calibration, {}))
    plain = CalibratedFusion(calibration, CalibratedOptions())
    seconds = interleaved(
        {
            "gate alone": lambda: gate.weights(slates, features),
            "gated fusion": lambda: gated.fuse_queries(queries, runs, plan),
            "calibrated fusion": lambda: plain.fuse(runs, plan),
        },
        rounds=9,
        clock=time.process_time,  # the machine is shared
    )
    each = {name: summary([second / len(queries) for second in own]) for name, own in seconds.items()}
    record("gate", {**vars(arguments), "a_query": each})


if __name__ == "__main__":
    main()
