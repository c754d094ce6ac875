"""Does memory stay flat while a corpus is encoded?

Encodes synthetic short documents of 4 to 8 words, each size in a process of its own, and reads that process's peak
resident memory when the encoding ends (before any FAISS index is made: an index in memory is as large as it is).

Usage: python benchmarks/encode_memory.py [--sizes 10000 200000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import record

WORDS = ("court", "patient", "energy", "contract", "dose", "cell", "lease", "fever", "orbit", "trial", "gene", "duty")


def documents(count: int) -> Iterator[object]:
    """Short documents, made as they are asked for."""
    from periti.types import Document

    rng = np.random.default_rng(1)
    for number in range(count):
        words = rng.choice(WORDS, rng.integers(4, 9))
        yield Document(f"d{number}", " ".join(words))


def one(count: int) -> None:
    """Encode and print the figures of this process."""
    from periti.encoders import minilm
    from periti.indexers.encoding import encode_corpus
    from periti.progress import Silent

    encoder = minilm()
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        encode_corpus(documents(count), encoder, Path(scratch) / "v", cosine=True, progress=Silent())  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"documents": count, "peak_bytes": peak, "documents_per_second": round(count / seconds, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one)
        return
    rows = []
    for size in arguments.sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    record(
        "encode_memory", {"runs": rows, "largest_vs_smallest": round(rows[-1]["peak_bytes"] / rows[0]["peak_bytes"], 4)}
    )


if __name__ == "__main__":
    main()
