"""What do seven experts over one base cost beside seven models? Writes benchmarks/results/mixed_adapters.json.

The peer is sentence-transformers as it comes, in float32: a model loaded for one expert in turn, which encodes that
expert's queries; and seven models that stay loaded. Both are spared the adapter's own work. The panel starts every turn
with no vector remembered. All contestants of a size take turns.

Usage: python benchmarks/mixed_adapters.py [--busy] [--rounds N]

On a machine that others keep busy, --busy gives torch one thread and counts the time of the processor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measuring import interleaved, record, summary

EXPERTS = 7
KINDS, PRECISIONS = ("linear", "lora"), ("float64", "float32")
AN_EXPERT = (2, 10, 30)
"""Queries an expert gets."""
MEMORY = """
import json, sys
from pathlib import Path
import torch, sentence_transformers
from periti.encoders import minilm, minilm_path
from periti.encoders.adapters import read_adapter
from periti.encoders.panel import PanelEncoder
def resident():  # Not getrusage: its peak survives exec and would tell the parent's.
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {name: int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}
before, texts = resident(), ["does vitamin D prevent falls in older adults?"] * 64
if sys.argv[1] == "sentence-transformers":
    model = sentence_transformers.SentenceTransformer(str(minilm_path()), device="cpu")
    model.encode(texts, show_progress_bar=False)
else:
    panel = PanelEncoder(minilm(precision=sys.argv[1]))
    adapters = [panel.add(read_adapter(Path(folder))) for folder in sys.argv[2:]]
    panel.encode([f"{i} {text}" for i, text in enumerate(texts)], [adapters[i % len(adapters)] for i in range(64)])
print(json.dumps({"before": before, "after": resident()}))
"""


def made_adapters(folder: Path, kind: str) -> list[Path]:
    """Seven experts with random weights, LoRA of rank 8 or linear: cost does not depend on what was learnt."""
    from periti.encoders import minilm
    from periti.encoders.adapters import LINEAR, Adapter, write_adapter

    base = minilm().identity.weights_sha256
    rng = np.random.default_rng(1)
    paths = []
    for number in range(EXPERTS):
        tensors = {}
        if kind == "linear":
            tensors[LINEAR] = rng.normal(0, 0.01, (384, 384)).astype(np.float32)
        else:
            for layer in range(6):
                for part in ("query", "value"):
                    name = f"base_model.model.encoder.layer.{layer}.attention.self.{part}"
                    tensors[f"{name}.lora_A.weight"] = rng.normal(0, 0.05, (8, 384)).astype(np.float32)
                    tensors[f"{name}.lora_B.weight"] = rng.normal(0, 0.01, (384, 8)).astype(np.float32)
        path = folder / f"{kind}{number}"
        path.mkdir()
        adapter = Adapter.of_tensors(
            tensors, kind=kind, base=base, scale=4.0, name=f"{kind}{number}", base_name="minilm"
        )
        write_adapter(adapter, path)
        paths.append(path)
    return paths


class Contest:
    """The panels, and sentence-transformers beside them."""

    def __init__(self, folders: dict[str, list[Path]], rounds: int, clock: Callable[[], float]) -> None:
        from sentence_transformers import SentenceTransformer

        from periti.encoders import minilm, minilm_path
        from periti.encoders.adapters import read_adapter
        from periti.encoders.panel import PanelEncoder

        self._rounds, self._clock = rounds, clock
        self._load = partial(SentenceTransformer, str(minilm_path()), device="cpu")
        self._models = [self._load() for _ in range(EXPERTS)]
        self.panels = {precision: PanelEncoder(minilm(precision=precision)) for precision in PRECISIONS}
        adapters = {kind: [read_adapter(folder) for folder in paths] for kind, paths in folders.items()}
        self.digests = {kind: [adapter.digest for adapter in found] for kind, found in adapters.items()}
        for panel in self.panels.values():
            for adapter in (*adapters["linear"], *adapters["lora"]):
                panel.add(adapter)

    def mixed(self, precision: str, kind: str, texts: list[str], experts: list[int]) -> Any:
        """One batch, every query by its own expert."""
        panel = self.panels[precision]
        panel.forget()
        return panel.encode(texts, [self.digests[kind][expert] for expert in experts]).vectors

    def alone(self, precision: str, kind: str, texts: list[str], experts: list[int]) -> Any:
        """The same vectors, one query at a time."""
        pairs = zip(texts, experts, strict=True)
        return np.concatenate([self.mixed(precision, kind, [text], [expert]) for text, expert in pairs])

    def in_turn(self, texts: list[str], experts: list[int], *, loaded: bool) -> None:
        """One expert after the other, each a model of its own."""
        for expert in range(EXPERTS):
            model = self._models[expert] if loaded else self._load()
            own = [text for text, asked in zip(texts, experts, strict=True) if asked == expert]
            model.encode(own, show_progress_bar=False)

    def measured(self, texts: list[str], experts: list[int]) -> dict[str, Any]:
        """Queries a second of each contestant, by its best turn, and how the panels compare with loading in turn."""
        panels = {
            f"{kind} {precision}": partial(self.mixed, precision, kind, texts, experts)
            for kind in KINDS
            for precision in PRECISIONS
        }
        peers = {
            "loading in turn": partial(self.in_turn, texts, experts, loaded=False),
            "seven loaded": partial(self.in_turn, texts, experts, loaded=True),
        }
        seconds = interleaved({**panels, **peers}, self._rounds, warm=1, clock=self._clock)
        best, middle = ({n: of(s) for n, s in seconds.items()} for of in (min, statistics.median))
        print(len(texts), len(set(texts)), best, file=sys.stderr, flush=True)
        return {
            "queries": len(texts),
            "distinct_texts": len(set(texts)),
            "queries_per_second": {name: round(len(texts) / took, 1) for name, took in best.items()},
            "times_loading_in_turn": {name: round(best["loading in turn"] / best[name], 2) for name in panels},
            "times_loading_in_turn_by_median": {
                name: round(middle["loading in turn"] / middle[name], 2) for name in panels
            },
            "times_seven_loaded": {name: round(best["seven loaded"] / best[name], 2) for name in panels},
        }


def sizes(contest: Contest, texts: list[str]) -> dict[str, Any]:
    """Batches in which each query goes to one expert, and batches in which each goes to all seven."""
    one = [
        contest.measured(texts[: size * EXPERTS], [i % EXPERTS for i in range(size * EXPERTS)]) for size in AN_EXPERT
    ]
    every = [
        contest.measured(
            [text for text in texts[:size] for _ in range(EXPERTS)], [i % EXPERTS for i in range(size * EXPERTS)]
        )
        for size in AN_EXPERT
    ]
    return {"one_expert_a_query": one, "all_experts_a_query": every}


def equal(contest: Contest, texts: list[str]) -> dict[str, bool]:
    """Whether a mixed batch gives the bits that each query has alone."""
    experts = [i % EXPERTS for i in range(len(texts))]
    return {
        f"{kind} {precision}": bool(
            np.array_equal(
                contest.mixed(precision, kind, texts, experts), contest.alone(precision, kind, texts, experts)
            )
        )
        for kind in KINDS
        for precision in PRECISIONS
    }


def latency(texts: list[str], clock: Callable[[], float]) -> dict[str, Any]:
    """Milliseconds of one query through the base: padded in float64 (as before), without padding, and the peer."""
    from sentence_transformers import SentenceTransformer

    from periti.encoders import minilm, minilm_path
    from periti.encoders.passes import Padded

    encoders = {precision: minilm(precision=precision) for precision in PRECISIONS}
    padded = minilm()
    padded.__dict__["queries"] = Padded(padded.queries.model)
    peer = SentenceTransformer(str(minilm_path()), device="cpu")
    turns = iter(range(10**9))

    def one(encode: Any) -> None:
        encode([texts[next(turns) // (len(encoders) + 2) % len(texts)]])

    contestants = {name: partial(one, encoder.encode_queries) for name, encoder in encoders.items()}
    contestants["padded float64"] = partial(one, padded.encode_queries)
    contestants["sentence-transformers"] = partial(one, partial(peer.encode, show_progress_bar=False))
    return {name: summary(seconds) for name, seconds in interleaved(contestants, rounds=40, clock=clock).items()}


def memory(folders: dict[str, list[Path]]) -> dict[str, Any]:
    """Memory of a process with seven experts, beside one with one sentence-transformers model; bytes."""

    def measured(*arguments: str) -> dict[str, int]:
        command = [sys.executable, "-c", MEMORY, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(ended.stdout.strip().splitlines()[-1])
        return {
            "resident": found["after"]["VmRSS"],
            "peak": found["after"]["VmHWM"],
            "resident_over_imports": found["after"]["VmRSS"] - found["before"]["VmRSS"],
        }

    found = {"sentence-transformers": measured("sentence-transformers")}
    for kind, paths in folders.items():
        for precision in PRECISIONS:
            found[f"{kind} {precision}"] = measured(precision, *map(str, paths))
    one = found["sentence-transformers"]
    ratios = {name: {part: round(of[part] / one[part], 3) for part in one} for name, of in found.items()}
    return {"bytes": found, "times_one_model": ratios}


def everything(rounds: int = 7, *, busy: bool = False) -> dict[str, Any]:
    """All of it."""
    import torch

    from periti.datasets import load_dataset

    if busy:
        torch.set_num_threads(1)
    clock = time.process_time if busy else time.perf_counter
    texts = list(load_dataset("scifact").queries("test").texts[: EXPERTS * max(AN_EXPERT)])
    with tempfile.TemporaryDirectory() as folder:
        folders = {kind: made_adapters(Path(folder), kind) for kind in KINDS}
        contest = Contest(folders, rounds, clock)
        return {
            "experts": EXPERTS,
            "threads": torch.get_num_threads(),
            "clock": "processor" if busy else "wall",
            "mixed_equals_one_by_one": equal(contest, texts[:70]),
            "precision_in_force": {name: panel.base.precision for name, panel in contest.panels.items()},
            "one_query": latency(texts, clock),
            "memory": memory(folders),
            **sizes(contest, texts),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    record("mixed_adapters", everything(arguments.rounds, busy=arguments.busy))


if __name__ == "__main__":
    main()
