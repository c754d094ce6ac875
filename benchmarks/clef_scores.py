"""AP of the 48 systems of CLEF-2017 TAR that answer all 30 topics, from the track's own result files."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import polars as pl

from periti.evaluation.significance import Scores

DATA = Path(os.environ.get("PERITI_DATA", Path(__file__).parents[2] / "shared" / "data"))


def clef_2017() -> Scores:
    """The table that ranking-and-evaluation's counts were made from."""
    found: dict[str, dict[str, float]] = {}
    with tarfile.open(DATA / "clef-tar" / "2017-participant-results.tar.gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is None or "-abstract/" not in member.name:
                continue
            cells = [line.rstrip("\n").split("\t") for line in io.TextIOWrapper(stream, encoding="utf-8")]
            name = member.name.rpartition("/")[2].removesuffix(".results")
            found[name] = {row[0]: float(row[2]) for row in cells if row[1:2] == ["ap"] and row[0] != "ALL"}
    topics = sorted(set.intersection(*(set(own) for own in found.values() if len(own) == 30)))
    systems = {name: [own[t] for t in topics] for name, own in found.items() if set(topics) <= set(own)}
    return Scores.of(pl.DataFrame({"query_id": topics, **systems}), "AP", collection="CLEF-2017 TAR")
