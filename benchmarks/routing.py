"""Is a routed panel better than one model, and what does routing cost? Writes docs/results/panel.md.

The study: experts over all-MiniLM-L6-v2 for five collections and the multi-task model of all their data, three training
seeds, every English collection, every router, oracles (benchmarks/panel.toml). Each part is kept under --home and
--indexes and resumes: indexes (about an hour on two cores), trainings (half an hour), query vectors (ten minutes).

The speed: routing beside query encoding, and adding an expert to a live panel; then mixed_adapters.py, which compares a
panel with one model an expert.

Usage: python -m benchmarks.routing [--home DIR] [--indexes DIR] [--part study|speed|all]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import mixed_adapters
from measuring import ROOT, interleaved, record, summary
from mixed_adapters import made_adapters

PANEL = ROOT / "benchmarks" / "panel.toml"
PAGE = ROOT / "docs" / "results" / "panel.md"
HEADING = """# The panel: routed experts against one model

Printed by `python -m benchmarks.routing --part study` from benchmarks/panel.toml. Experts are linear query-side
adapters over all-MiniLM-L6-v2, trained on the train part of one kind of data each; `multitask` is one adapter
trained on all of it. Routers, policies and thresholds come from held-out queries of train; test queries chose nothing,
except where a line says so itself. Costs are in benchmarks/results/routing.json.
"""
QUERIES = 210


def routing_share(home: Path, texts: list[str]) -> dict[str, Any]:
    """Time of a router's scoring beside that of encoding the queries, for every router."""
    from periti.encoders import minilm
    from periti.encoders.panel import panel_of
    from periti.panels.config import read_panel_config
    from periti.panels.panel import Panel
    from periti.panels.systems import scorers
    from periti.panels.tables import base_vectors
    from periti.panels.vectors import QueryVectors
    from periti.retrievers.routing.table import UtilityTable

    table = UtilityTable.read(home / "router" / "seed-1")
    panel = Panel(read_panel_config(PANEL), {}, QueryVectors(panel_of(minilm()), home / "vectors"))
    vectors = base_vectors(panel.vectors, texts)
    contestants: dict[str, Any] = {"encode": lambda: panel.base.encode_queries(texts)}
    for name, fit in scorers(panel).items():
        contestants[name] = partial(fit(table).scores, vectors, texts)
    seconds = interleaved(contestants, rounds=7)
    encode = min(seconds["encode"])
    shares = {name: round(min(of) / encode, 5) for name, of in seconds.items() if name != "encode"}
    return {"queries": len(texts), "encode": summary(seconds["encode"]), "share_of_encoding": shares}


def adding(folders: list[Path]) -> dict[str, float]:
    """Seconds from an adapter's files to its first answer on a live panel."""
    from periti.encoders import minilm
    from periti.encoders.adapters import read_adapter
    from periti.encoders.panel import PanelEncoder

    panel = PanelEncoder(minilm())
    for folder in folders[:-1]:
        panel.add(read_adapter(folder))
    panel.encode(["warm"], [None])
    began = time.perf_counter()
    digest = panel.add(read_adapter(folders[-1]))
    panel.encode(["first question"], [digest])
    return {"add_and_answer_s": round(time.perf_counter() - began, 4)}


def speed(home: Path) -> dict[str, Any]:
    """All costs."""
    from periti.datasets import load_dataset

    texts = load_dataset("scifact").queries("test").texts[:QUERIES]
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"adding": adding(made_adapters(Path(folder), "lora"))}
    if (home / "router" / "seed-1").is_dir():
        found["routing"] = routing_share(home, texts)
    return found


def study(home: Path, indexes: Path) -> None:
    """Train what is missing, fit, judge, write the page."""
    where = [str(PANEL), "--home", str(home), "--indexes", str(indexes)]
    page = home / "panel.html"
    for command in (
        ["train", "expert", *where],
        ["router", "fit", *where],
        ["router", "evaluate", *where, "--markdown", str(PAGE), "--html", str(page)],
    ):
        subprocess.run([str(Path(sys.executable).with_name("periti")), *command], check=True)
    PAGE.write_text(f"{HEADING}\n{PAGE.read_text(encoding='utf-8')}", encoding="utf-8")
    print(f"{PAGE}\n{page}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "panel")
    parser.add_argument("--indexes", type=Path, default=ROOT / "indexes")
    parser.add_argument("--part", choices=("study", "speed", "all"), default="all")
    arguments = parser.parse_args()
    if arguments.part != "speed":
        study(arguments.home, arguments.indexes)
    if arguments.part != "study":
        found = speed(arguments.home)
        record("routing", found)
        record("mixed_adapters", mixed_adapters.everything())


if __name__ == "__main__":
    main()
