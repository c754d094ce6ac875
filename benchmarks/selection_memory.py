"""Does memory stay flat while a pool is selected from?

Selects 5 % of synthetic short documents (4 to 12 words) by DSIR, with everything that is on by default: duplicates,
decontamination against the demo collection's test queries, KL reduction. Each size is a command of its own with two
scoring processes; the figures are the peak resident memory of the first process and of the larger of the others.

Usage: python benchmarks/selection_memory.py [--sizes 100000 1000000 3000000] [--method dsir]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import record

WORDS = 5000
BLOCK = 10_000


def write_pool(path: Path, count: int) -> None:
    """Short documents by the thousand; one of a hundred is a copy."""
    rng = np.random.default_rng(1)
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}word{i}" for i in range(WORDS)]
    with path.open("w") as stream:
        for start in range(0, count, BLOCK):
            lengths = rng.integers(4, 13, BLOCK)
            picks = (rng.random(int(lengths.sum())) ** 2 * WORDS).astype(int).tolist()
            at = 0
            for number, length in enumerate(lengths.tolist()[: count - start]):
                text = " ".join(words[pick] for pick in picks[at : at + length])
                at += length
                if number % 100 == 99:
                    text = "the same text again and again"
                stream.write(json.dumps({"id": start + number, "text": text}) + "\n")


def one(pool: Path, method: str) -> None:
    """Select, and print the figures of this process and its children."""
    from periti.cli import main

    target = pool.with_name("target.txt")
    target.write_text("".join(f"aaword{i * 26 % 676} baword{i} caword{i + 2}\n" for i in range(50)))
    began = time.perf_counter()
    arguments = ["--pool", str(pool), "--target", str(target), "--out", str(pool.with_name("chosen.parquet"))]
    status = main(["select", method, *arguments, "--budget", "5%", "--processes", "2", "--against", "demo"])
    seconds = time.perf_counter() - began
    peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"status": status, "peak_bytes": peaks[0], "worker_peak_bytes": peaks[1], "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 3_000_000])
    parser.add_argument("--method", default="dsir")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.method)
        return
    rows = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            pool = Path(scratch) / "pool.jsonl"
            write_pool(pool, size)
            command = [sys.executable, __file__, "--one", str(pool), "--method", arguments.method]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            if found.pop("status"):
                raise SystemExit(done.stderr)
            rows.append({"documents": size, "pool_bytes": pool.stat().st_size, **found})
        print(json.dumps(rows[-1]), flush=True)
    record(
        "selection_memory",
        {
            "method": arguments.method,
            "runs": rows,
            "largest_vs_smallest": {
                name: round(rows[-1][name] / rows[0][name], 4) for name in ("peak_bytes", "worker_peak_bytes")
            },
        },
    )


if __name__ == "__main__":
    main()
