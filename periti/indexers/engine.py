"""The FAISS library: the only import of faiss, its process-wide settings, and what is known of it on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from typing import Any

import numpy as np

from periti.errors import MissingDependency

WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12", "faiss-cuda")
"""Distributions that all provide the module `faiss`; two of them in one environment overwrite each other's files."""


@lru_cache(maxsize=1)
def engine() -> Any:
    """The faiss module, imported once and given our limits.

    Raises:
        MissingDependency: no FAISS wheel is installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingDependency(
            "FAISS is needed here; pip install 'periti[cpu]' (or [gpu] for CUDA 12, [cuvs] for CUDA 13)"
        ) from error
    # FAISS 1.15 never uses matrix products for batches below 128,000 queries; from 20 on they are 3 to 7 times faster
    # here. Exact searches tolerate their float noise (`periti.indexers.dense`), other indexes search query by query.
    faiss.cvar.distance_compute_blas_threshold = 20
    faiss.cvar.distance_compute_blas_database_bs = 16_384
    # Files are verified before they are read; these bounds stop an unverified one from claiming absurd sizes.
    faiss.set_deserialization_vector_byte_limit(1 << 40)
    faiss.set_deserialization_loop_limit(1 << 40)
    return faiss


@dataclass(frozen=True)
class EngineFacts:
    """What FAISS is on this machine."""

    version: str
    wheels: tuple[str, ...]
    simd: str
    gpus: int
    queries_per_second: float
    """Exact search of 64 queries among 20,000 vectors of 384 dimensions, over about a second."""


def installed_wheels() -> tuple[str, ...]:
    """Names and versions of the installed distributions that provide faiss."""
    found = {
        f"{name} {distribution.version}"
        for distribution in distributions()
        if (name := (distribution.metadata["Name"] or "").lower().replace("_", "-")) in WHEELS
    }
    return tuple(sorted(found))


def engine_facts(seconds: float = 1.0) -> EngineFacts:
    """Load FAISS and search with it for about a second.

    Raises:
        MissingDependency: no FAISS wheel is installed.
    """
    faiss = engine()
    rng = np.random.default_rng(0)
    index = faiss.IndexFlatIP(384)
    index.add(rng.standard_normal((20_000, 384)).astype(np.float32))
    queries = rng.standard_normal((64, 384)).astype(np.float32)
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds or not done:
        index.search(queries, 10)
        done += len(queries)
    options = [word for word in faiss.get_compile_options().split() if word.startswith(("AVX", "SVE", "NEON"))]
    return EngineFacts(
        version=faiss.__version__,
        wheels=installed_wheels(),
        simd=options[-1] if options else "generic",
        gpus=int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0,
        queries_per_second=done / elapsed,
    )
