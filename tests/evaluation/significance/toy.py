"""The toy of eight topics and three systems, and tables made from arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.evaluation.significance import Scores

A = [0.42, 0.31, 0.55, 0.20, 0.61, 0.38, 0.47, 0.29]
B = [0.35, 0.33, 0.41, 0.18, 0.50, 0.36, 0.30, 0.31]
C = [0.30, 0.25, 0.45, 0.10, 0.52, 0.30, 0.33, 0.22]


def table(measure: str = "AP", /, **systems: list[float] | NDArray[np.float64]) -> Scores:
    """Scores of systems given by keyword, topics q000, q001, ..."""
    topics = [f"q{number:03}" for number in range(len(next(iter(systems.values()))))]
    return Scores.of(pl.DataFrame({"query_id": topics, **systems}), measure)


def toy() -> Scores:
    return table(A=A, B=B, C=C)


def clef(folder: Path) -> Scores:
    """AP of the 48 systems of CLEF-2017 TAR that answer all 30 topics, from the track's own result files."""
    import io
    import tarfile

    found: dict[str, dict[str, float]] = {}
    with tarfile.open(folder / "clef-tar" / "2017-participant-results.tar.gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None or "-abstract/" not in member.name or not member.name.endswith(".results"):
                continue
            cells = [line.rstrip("\n").split("\t") for line in io.TextIOWrapper(stream, encoding="utf-8")]
            name = member.name.rpartition("/")[2].removesuffix(".results")
            found[name] = {row[0]: float(row[2]) for row in cells if row[1:2] == ["ap"] and row[0] != "ALL"}
    topics = sorted(set.intersection(*(set(own) for own in found.values() if len(own) == 30)))
    systems = {name: [own[t] for t in topics] for name, own in found.items() if set(topics) <= set(own)}
    return Scores.of(pl.DataFrame({"query_id": topics, **systems}), "AP", collection="CLEF-2017 TAR")
