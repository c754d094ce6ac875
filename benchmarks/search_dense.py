"""What does periti cost on top of bare FAISS, on the same index file?

Random unit vectors of 384 dimensions; periti's index is built and opened as users do, bare FAISS reads the very same
`vectors.faiss`. Compared: FAISS as it comes (its defaults, matrix products off) and FAISS with the block settings that
periti sets. Answers are checked: bare FAISS must return the same documents.

Usage: python benchmarks/search_dense.py [--documents 100000] [--rounds 40] [--k 10]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from measuring import interleaved, record, summary

from periti.config import digest
from periti.indexers import dense
from periti.indexers.approximate import search_effort
from periti.indexers.docstore import DocIds
from periti.indexers.engine import engine
from periti.indexers.manifest import Manifest, write_manifest
from periti.protocols import EncoderIdentity, Vectors


def built(folder: Path, vectors: Vectors, preset: str) -> dense.DenseIndex:
    """A periti index of the vectors."""
    from dataclasses import asdict

    config = dense.DenseConfig(preset=preset)
    index = dense.build_faiss(iter([vectors]), config, dimension=vectors.shape[1], documents=len(vectors))
    folder.mkdir()
    dense.write_dense(index, np.arange(len(vectors)), folder)
    identity = EncoderIdentity("random", "0" * 64, vectors.shape[1], "none", True, 0)
    facts = {"encoder": asdict(identity), "exact": dense.is_exact(index), "largest_norm": 1.0}
    settings = dense.config_facts(config)
    write_manifest(folder, Manifest("dense", "random", len(vectors), settings, digest(settings), facts))
    names = pl.Series("doc_id", [f"d{i:07d}" for i in range(len(vectors))])
    return dense.DenseIndex(folder, DocIds(names, np.arange(len(vectors))), "random")


def compare(index: dense.DenseIndex, queries: Vectors, k: int, rounds: int) -> dict[str, Any]:
    """Timings of periti, tuned FAISS and FAISS as it comes, for one batch of queries."""
    faiss = engine()
    bare = faiss.read_index(str(index.folder / dense.VECTORS))
    parameters = search_effort(bare, index.settings).whole  # the same search effort on both sides

    def default() -> Any:
        before = faiss.cvar.distance_compute_blas_threshold
        faiss.cvar.distance_compute_blas_threshold = 128_000
        try:
            return bare.search(queries, k, params=parameters)
        finally:
            faiss.cvar.distance_compute_blas_threshold = before

    contestants = {
        "periti": lambda: index.search(queries, k),
        "faiss_tuned": lambda: bare.search(queries, k, params=parameters),
        "faiss_default": default,
    }
    same = float(np.mean(index.search(queries, k)[1] == bare.search(queries, k, params=parameters)[1]))
    seconds = interleaved(contestants, rounds)
    timings = {name: summary(values) for name, values in seconds.items()}
    ours = timings["periti"]["p50_ms"]
    return {
        "queries": len(queries),
        "k": k,
        "same_ids": same,
        **timings,
        "throughput_vs_default": round(timings["faiss_default"]["p50_ms"] / ours, 3),
        "throughput_vs_tuned": round(timings["faiss_tuned"]["p50_ms"] / ours, 3),
        "p50_vs_default": round(ours / timings["faiss_default"]["p50_ms"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    # Clustered, as text embeddings are: uniform directions would make every approximate index look hopeless.
    centres = rng.standard_normal((200, 384))
    drawn = centres[rng.integers(0, 200, arguments.documents)] + rng.standard_normal((arguments.documents, 384))
    vectors = dense.normalised(drawn.astype(np.float32))
    asked = centres[rng.integers(0, 200, 64)] + rng.standard_normal((64, 384))
    queries = dense.normalised(asked.astype(np.float32))
    results: dict[str, Any] = {"documents": arguments.documents, "dimension": 384}
    with tempfile.TemporaryDirectory() as scratch:
        for preset in dense.PRESETS:
            index = built(Path(scratch) / preset, vectors, preset)
            results[preset] = {
                "batch_64": compare(index, queries, arguments.k, arguments.rounds),
                "one_query": compare(index, queries[:1], arguments.k, arguments.rounds * 5),
            }
    record("search_dense", results)


if __name__ == "__main__":
    main()
