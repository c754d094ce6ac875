"""Is a routed panel better than one model, and what does routing cost? Writes docs/results/panel.md.

The study: experts over all-MiniLM-L6-v2 for five collections and the multi-task model of all their data, three training
seeds, every English collection, every router, oracles (benchmarks/panel.toml). Each part is kept under --home and
--indexes and resumes: indexes (about an hour on two cores), trainings (half an hour), query vectors (ten minutes).

The speed: mixed-adapter batches beside loading one model an expert in turn, routing beside query encoding, memory of a
panel beside one model, and adding an expert to a live panel; interleaved where two are compared.

Usage: python -m benchmarks.routing [--home DIR] [--indexes DIR] [--part study|speed|all]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measuring import ROOT, interleaved, record, summary

PANEL = ROOT / "benchmarks" / "panel.toml"
PAGE = ROOT / "docs" / "results" / "panel.md"
HEADING = """# The panel: routed experts against one model

Printed by `python -m benchmarks.routing --part study` from benchmarks/panel.toml. Experts are linear query-side
adapters over all-MiniLM-L6-v2, trained on the train part of one kind of data each; `multitask` is one adapter
trained on all of it. Routers, policies and thresholds come from held-out queries of train; test queries chose nothing,
except where a line says so itself. Costs are in benchmarks/results/routing.json.
"""
EXPERTS, QUERIES = 7, 210
SIZES = (14, 56, 210)
"""Queries of a batch: two, eight and thirty an expert."""
MEMORY = """
import json, sys
from periti.encoders import minilm
from periti.encoders.panel import PanelEncoder
from periti.encoders.adapters import read_adapter
from pathlib import Path
panel = PanelEncoder(minilm())
adapters = [panel.add(read_adapter(Path(folder))) for folder in sys.argv[1:]]
texts = ["does vitamin D prevent falls in older adults?"] * 64
panel.encode(texts, [adapters[i % len(adapters)] if adapters else None for i in range(64)])
# Not getrusage: its peak survives exec and would tell the parent's.
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps(int(status["VmRSS"].split()[0]) * 1024))
"""


def made_adapters(folder: Path) -> list[Path]:
    """Seven LoRA experts of rank 8 with random weights: cost does not depend on what was learnt."""
    from periti.encoders import minilm
    from periti.encoders.adapters import Adapter, write_adapter

    base = minilm()
    rng = np.random.default_rng(1)
    paths = []
    for number in range(EXPERTS):
        tensors = {}
        for layer in range(6):
            for part in ("query", "value"):
                name = f"base_model.model.encoder.layer.{layer}.attention.self.{part}"
                tensors[f"{name}.lora_A.weight"] = rng.normal(0, 0.05, (8, 384)).astype(np.float32)
                tensors[f"{name}.lora_B.weight"] = rng.normal(0, 0.01, (384, 8)).astype(np.float32)
        adapter = Adapter.of_tensors(
            tensors, kind="lora", base=base.identity.weights_sha256, scale=4.0, name=f"e{number}", base_name="minilm"
        )
        path = folder / f"e{number}"
        path.mkdir()
        write_adapter(adapter, path)
        paths.append(path)
    return paths


def batches(folders: list[Path], texts: list[str]) -> dict[str, Any]:
    """Queries a second of a mixed batch, of one batch an expert, and of loading one model an expert in turn.

    The last is measured twice: sentence-transformers as it comes, in float32 (the panel computes queries in float64, so
    that they do not depend on the batch, which costs it several times the time), and periti's own encoder.
    """
    from periti.encoders import minilm, minilm_path
    from periti.encoders.adapters import read_adapter
    from periti.encoders.panel import PanelEncoder

    adapters = [read_adapter(folder) for folder in folders]
    panel = PanelEncoder(minilm())
    digests = [panel.add(adapter) for adapter in adapters]
    wanted: list[str | None] = [digests[i % len(digests)] for i in range(len(texts))]

    def mixed() -> Any:
        return panel.encode(texts, wanted).vectors

    def by_expert() -> Any:
        found = np.empty((len(texts), 384), np.float32)
        for digest in digests:
            places = [i for i, one in enumerate(wanted) if one == digest]
            found[places] = panel.encode([texts[i] for i in places], [digest] * len(places)).vectors
        return found

    def loading() -> Any:
        """What a service without shared bases does: sentence-transformers, a model loaded when its turn comes."""
        from sentence_transformers import SentenceTransformer

        for number in range(len(digests)):
            model = SentenceTransformer(str(minilm_path()), device="cpu")
            model.encode([text for i, text in enumerate(texts) if i % len(digests) == number], show_progress_bar=False)

    def loading_periti() -> Any:
        """The same with periti's encoder: float64, like the panel."""
        for number in range(len(digests)):
            own = minilm()
            own.encode_queries([text for i, text in enumerate(texts) if i % len(digests) == number])

    equal = bool(np.array_equal(mixed(), by_expert()))
    contestants = {"mixed": mixed, "by_expert": by_expert, "loading": loading, "loading_periti": loading_periti}
    seconds = interleaved(contestants, rounds=3, warm=1)
    rates = {name: len(texts) / min(of) for name, of in seconds.items()}
    return {
        "experts": len(folders),
        "queries": len(texts),
        "mixed_equals_by_expert": equal,
        "queries_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "mixed_vs_loading": round(rates["mixed"] / rates["loading"], 2),
        "mixed_vs_loading_periti": round(rates["mixed"] / rates["loading_periti"], 2),
        "mixed_vs_by_expert": round(rates["mixed"] / rates["by_expert"], 2),
    }


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


def memory(folders: list[Path]) -> dict[str, Any]:
    """Peak memory of a process with all experts resident, beside one with the base alone."""

    def peak(arguments: list[str]) -> int:
        ended = subprocess.run([sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True)
        return int(json.loads(ended.stdout.strip().splitlines()[-1]))

    base, panel = peak([]), peak([str(folder) for folder in folders])
    return {"one_model_bytes": base, "panel_bytes": panel, "ratio": round(panel / base, 3)}


def speed(home: Path) -> dict[str, Any]:
    """All costs."""
    from periti.datasets import load_dataset

    texts = load_dataset("scifact").queries("test").texts[:QUERIES]
    with tempfile.TemporaryDirectory() as folder:
        folders = made_adapters(Path(folder))
        sizes = [batches(folders, texts[:size]) for size in SIZES]
        found = {"batches": sizes, "adding": adding(folders), "memory": memory(folders)}
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


if __name__ == "__main__":
    main()
