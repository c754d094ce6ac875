"""How fast is fusion beside ranx, and are scores and orders equal?

Five runs of 1,000 documents for 1,000 queries and for one, fused by RRF (k = 60) and CombSUM (min-max), interleaved:
systems see one relevance with noise of their own, over 2,500 candidates a query of a collection of 100,000; "tied"
rounds scores to quarters (ranx then ranks the ties of a list in its own way, so scores of RRF differ). ranx gets its
runs in its own form before the clock starts, and is compiled (warm).

ranx is no dependency of periti: `python -m venv FOLDER && FOLDER/bin/pip install ranx`, then pass FOLDER/bin/python.

Usage: python -m benchmarks.fusion [--ranx FOLDER/bin/python] [--rounds 5] [--queries 1000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from measuring import record, summary

from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import made
from periti.types import Run

SYSTEMS, DEPTH, POOL, COLLECTION = 5, 1_000, 2_500, 100_000
METHODS = ("rrf", "comb-sum")
WARM = 1


def synthetic(queries: int, seed: int, levels: int | None) -> dict[str, Run]:
    """Five runs; with `levels`, scores are rounded to so many a unit."""
    rng = np.random.default_rng(seed)
    pools = [rng.choice(COLLECTION, POOL, replace=False) for _ in range(queries)]
    relevance = [rng.gumbel(size=POOL) for _ in range(queries)]
    runs = {}
    for system in range(SYSTEMS):
        docs, scores = [], []
        for pool, own in zip(pools, relevance, strict=True):
            score = own + rng.gumbel(size=POOL)
            score = np.round(score * levels) / levels if levels else score
            top = np.argsort(-score, kind="stable")[:DEPTH]
            docs.append(pool[top])
            # Without levels no two scores of a list are equal, so that ranx ranks it as it is.
            scores.append(score[top] if levels else score[top] - np.arange(DEPTH) / 4096)
        query = np.repeat(np.arange(queries), DEPTH)
        columns = {"query_id": query, "doc_id": np.concatenate(docs), "score": np.concatenate(scores)}
        text = {"query_id": "q" + pl.col("query_id").cast(pl.String), "doc_id": "d" + pl.col("doc_id").cast(pl.String)}
        runs[f"system{system}"] = Run.of(pl.DataFrame(columns).with_columns(**text), f"system{system}")
    return runs


class Peer:
    """Another program's library in a process that stays warm, e.g. ranx (`benchmarks/ranx_peer.py`)."""

    def __init__(self, python: str, name: str = "ranx_peer.py") -> None:
        script = str(Path(__file__).parent / name)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python, "-W", "ignore", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.versions = self._read()

    def ask(self, **order: Any) -> Any:
        """Send an order and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer's process ended with {self.process.wait()}; its errors are above")
        return json.loads(line)

    def close(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def written(runs: Mapping[str, Run], path: Path) -> None:
    """The runs as `ranx_peer.loaded` reads them."""
    arrays: dict[str, Any] = {}
    for i, run in enumerate(runs.values()):
        arrays[f"query_{i}"] = np.array(run.frame["query_id"].to_list())
        arrays[f"doc_{i}"] = np.array(run.frame["doc_id"].to_list())
        arrays[f"score_{i}"] = run.frame["score"].to_numpy().astype(np.float64)
    np.savez(path, **arrays)


def compared(ours: Run, path: Path) -> dict[str, Any]:
    """Largest difference of scores, and whether ranx's order never puts one of our lower scores first."""
    with np.load(path) as arrays:
        columns = {name: arrays[key] for name, key in (("query_id", "query"), ("doc_id", "doc"), ("theirs", "score"))}
    theirs = pl.DataFrame(columns).with_columns(their_rank=pl.int_range(pl.len()).over("query_id"))
    both = ours.frame.join(theirs, on=["query_id", "doc_id"], how="full", coalesce=True)
    apart = both.filter(pl.col("score").is_null() | pl.col("theirs").is_null()).height
    both = both.drop_nulls().sort("query_id", "their_rank")
    rise = (pl.col("score") - pl.col("score").shift(1).over("query_id")).max()
    return {
        "documents": both.height,
        "documents_of_one_only": apart,
        "largest_difference": both.select((pl.col("score").cast(pl.Float64) - pl.col("theirs")).abs().max()).item(),
        "largest_rise_of_our_score_in_their_order": max(0.0, both.select(rise).item()),
    }


def measured(runs: Mapping[str, Run], method: str, rounds: int, peer: Peer | None, folder: Path) -> dict[str, Any]:
    """Wall and processor time of each, taking turns, and what the results have in common."""
    rule, plan, file = made(method, {}), everybody(runs), folder / "runs.npz"
    wall: dict[str, list[float]] = {"periti": [], "ranx": []}
    cpu: dict[str, list[float]] = {"periti": [], "ranx": []}
    for turn in range(rounds + WARM):
        if peer:
            theirs = peer.ask(of=str(file), method=method)
        began, worked = time.perf_counter(), time.process_time()
        fused = rule.fuse(runs, plan)
        ours = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
        for name, took in (("periti", ours), *([("ranx", theirs)] if peer else [])):
            if turn >= WARM:
                wall[name].append(took["seconds"])
                cpu[name].append(took["cpu_seconds"])
    found: dict[str, Any] = {"periti": {**summary(wall["periti"]), "cpu": summary(cpu["periti"])}}
    if peer:
        peer.ask(of=str(file), method=method, to=str(folder / "fused.npz"))
        found["ranx"] = {**summary(wall["ranx"]), "cpu": summary(cpu["ranx"])}
        found["times_as_fast_p50"] = round(found["ranx"]["p50_ms"] / found["periti"]["p50_ms"], 2)
        found["times_as_fast_best"] = round(found["ranx"]["best_ms"] / found["periti"]["best_ms"], 2)
        found["times_as_fast_cpu_p50"] = round(found["ranx"]["cpu"]["p50_ms"] / found["periti"]["cpu"]["p50_ms"], 2)
        found["equal"] = compared(fused, folder / "fused.npz")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranx", metavar="PYTHON", help="the Python of an environment that has ranx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=1_000)
    arguments = parser.parse_args()
    if not arguments.ranx:
        print("without --ranx the peer is left out; make one by `python -m venv FOLDER && FOLDER/bin/pip install ranx`")
    peer = Peer(arguments.ranx) if arguments.ranx else None
    results: dict[str, Any] = {"peer": peer.versions if peer else None, "runs": SYSTEMS, "depth": DEPTH}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for queries, rounds in ((1, 40 * arguments.rounds), (arguments.queries, arguments.rounds)):
            for kind, levels in (("typical", None), ("tied", 4)):
                runs = synthetic(queries, 1, levels)
                if peer:
                    written(runs, folder / "runs.npz")
                    peer.ask(load=str(folder / "runs.npz"))
                for method in METHODS:
                    label = f"{method}, {queries} queries, {kind}"
                    results[label] = measured(runs, method, rounds, peer, folder)
                    print(label, json.dumps(results[label]), flush=True)
    if peer:
        peer.close()
    record("fusion", results)


if __name__ == "__main__":
    main()
