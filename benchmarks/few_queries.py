"""How is an expert of ten training queries trained? Five-fold cross-validation on train; test is never looked at.

AILA has ten training queries for each of its two collections, too few to spare any for dev, and its spans (passages of
judgments that ask for their judgment) say little of real queries. So sources and steps of its expert in
benchmarks/panel.toml are chosen here: each fold leaves two queries out, trains on the other eight (and the spans), and
is judged on the two every 50 steps. Writes benchmarks/results/few_queries.json; some minutes a setting.

Usage: python -m benchmarks.few_queries --indexes DIR --home DIR [--seed 1] [--folds 5]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from measuring import ROOT, record

PANEL = ROOT / "benchmarks" / "panel.toml"
SPANS, REAL = "aila-spans", ("aila-cases", "aila-statutes")
EVERY = 50
SETTINGS: list[dict[str, Any]] = [
    {"spans": spans, "learning_rate": rate} for spans in (False, True) for rate in (3e-4, 1e-3)
]


def part(material: Any, ids: list[str]) -> Any:
    """The slice to fit, cut to some of its queries."""
    from periti.panels.material import FIT, Slice
    from periti.types import Qrels, Queries

    whole = material.slices[FIT]
    kept = pl.col("query_id").is_in(ids)
    return Slice(Queries(whole.queries.frame.filter(kept)), Qrels.of(whole.qrels.frame.filter(kept)))


def curve(panel: Any, setting: dict[str, Any], fit: list[str], held: list[str], seed: int) -> list[list[float]]:
    """nDCG@10 on the held-out queries of both collections, every 50 steps."""
    from periti.panels.vectors import mean_of
    from periti.training.pairs import TrainingSet, draw
    from periti.training.query_side import QuerySide
    from periti.training.settings import TrainingOptions

    options = TrainingOptions(
        method="linear",
        learning_rate=setting["learning_rate"],
        steps=400,
        batch=48 if setting["spans"] else 16,
        mix=0.0,
        positives="all",
        max_length=256,
    )
    sets = [panel.materials[SPANS].training_set()] if setting["spans"] else []
    for name in REAL:
        material, own = panel.materials[name], part(panel.materials[name], fit)
        sets.append(TrainingSet.of(name, own.queries, own.qrels, material.rows, material.vectors))
    student = QuerySide(panel.base, options, seed)
    hard: list[list[Any]] = [[] for _ in sets]
    judged = [(panel.materials[name], part(panel.materials[name], held)) for name in REAL]
    found = []
    for step in range(options.steps + 1):
        if step:
            student.step(draw(sets, hard, options, seed, step), step)
        if step % EVERY == 0:
            found.append([mean_of(m, p, student.encode(p.queries.texts), "nDCG@10") for m, p in judged])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "panel")
    parser.add_argument("--indexes", type=Path, default=ROOT / "indexes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    from periti.panels.config import read_panel_config
    from periti.panels.material import FIT
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    config = replace(read_panel_config(PANEL), home=arguments.home, indexes=arguments.indexes)
    panel = open_panel(config, Terminal(), [SPANS, *REAL])
    ids = sorted(panel.materials[REAL[0]].slices[FIT].queries.ids)
    folds = [ids[start :: arguments.folds] for start in range(arguments.folds)]
    rows = []
    for setting in SETTINGS:
        curves = [curve(panel, setting, [i for i in ids if i not in f], f, arguments.seed) for f in folds]
        mean = np.mean(curves, axis=0)
        rows.append({**setting, **{name: mean[:, at].round(4).tolist() for at, name in enumerate(REAL)}})
        rows[-1]["mean"] = mean.mean(axis=1).round(4).tolist()
        print(json.dumps(rows[-1]), flush=True)
    record("few_queries", {"steps": list(range(0, 401, EVERY)), "folds": folds, "settings": rows})


if __name__ == "__main__":
    main()
