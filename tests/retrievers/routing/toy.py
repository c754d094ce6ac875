"""Utility tables small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.protocols import Encoded, EncoderIdentity, Vectors
from periti.retrievers.experts import Expert
from periti.retrievers.routing.table import UtilityTable
from periti.types import Coverage, Queries


def at(*degrees: float) -> Vectors:
    """Unit vectors of the plane at these angles, float32 (n, 2)."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def table(
    utilities: Sequence[Sequence[float]] | NDArray[np.float64],
    degrees: Sequence[float] | None = None,
    datasets: str = "",
    experts: str = "ab",
    homes: Mapping[str, str] | None = None,
    **more: Any,
) -> UtilityTable:
    """A table of the plane; datasets and experts are named by one letter each."""
    n = len(utilities)
    return UtilityTable(
        tuple(more.pop("query_ids", [f"q{i}" for i in range(n)])),
        tuple(more.pop("texts", [f"text {i}" for i in range(n)])),
        at(*(degrees or range(n))),
        tuple(datasets or "A" * n),
        tuple(experts),
        np.array(utilities, np.float64),
        homes=homes if homes is not None else {},
        **more,
    )


def scattered(n: int = 60, d: int = 8, e: int = 3, seed: int = 0) -> UtilityTable:
    """A table of chance: three datasets, the first three experts at home on them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d))
    names = tuple(f"e{i}" for i in range(e))
    return UtilityTable(
        tuple(f"q{i}" for i in range(n)),
        tuple(f"word{i % 3} word{i % 7}" for i in range(n)),
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32),
        tuple("ABC"[i % 3] for i in range(n)),
        names,
        rng.integers(0, 5, (n, e)) / 4,
        homes=dict(zip("ABC", names, strict=False)),
    )


class GivenEncoder:
    """An encoder of the plane: a text is the angle of its vector in degrees."""

    identity = EncoderIdentity("angles", "0" * 64, 2, "none", normalised=True, max_length=9)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        return Encoded(at(*(float(text) for text in texts)), Coverage(texts=len(texts)))

    encode_documents = encode_queries

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        return Coverage(texts=len(texts))


class Encoding:
    """A retriever that has an encoder and answers nothing."""

    def __init__(self) -> None:
        self.encoder = GivenEncoder()

    def retrieve(self, queries: Queries, depth: int) -> Any:
        raise NotImplementedError


def panel(names: str = "ab", **cards: str) -> list[Expert]:
    return [Expert(name, retriever=Encoding(), description=cards.get(name, "")) for name in names]
