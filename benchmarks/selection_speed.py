"""How fast are DSIR and the distilled classifier of BETR, on one core beside the `data-selection` package?

The same n-grams in the same buckets, the same weights and the same chosen documents (`dsir.PACKAGE`), from reading the
pool's lines to writing the chosen ones, taking turns, one process each. Pools: the toy pile of the package's
repository, repeated (n-grams met before cost us no SHA-256), and the passages of MS MARCO, which repeat nothing but
common n-grams. Then our own n-grams on the same pools, and scoring by a distilled classifier in two processes.

The machine may be busy: processor seconds are given beside wall seconds, and ratios of both.

`data-selection` is no dependency of periti: `python -m venv FOLDER && FOLDER/bin/pip install data-selection`.

Usage: PERITI_DATA=... python -m benchmarks.selection_speed --data-selection FOLDER/bin/python [--rounds 3] [--times 20]
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from dsir_golden import toy_pile, written
from fusion import Peer
from measuring import record

from periti.datasets.selection.distilled import HashedLinear
from periti.datasets.selection.dsir import PACKAGE, DsirSelector
from periti.datasets.selection.features import HashedNgrams
from periti.datasets.selection.selector import Target
from periti.datasets.selection.target import TargetScorer

PASSAGES = "msmarco-dl19-dl20-pool/passages.jsonl.gz"
BLOCK = 256


@dataclass(frozen=True)
class Case:
    """A pool of JSON lines, a target, and what is chosen."""

    pool: Path
    target: Path
    least: int
    size: int


def texts_of(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Lines and texts of a file, in blocks."""
    with path.open(encoding="utf-8") as file:
        lines: list[str] = []
        for line in file:
            lines.append(line)
            if len(lines) == BLOCK:
                yield lines, [json.loads(text)["text"] for text in lines]
                lines = []
    if lines:
        yield lines, [json.loads(text)["text"] for text in lines]


def ours(case: Case, selector: DsirSelector, out: Path) -> np.ndarray:
    """Fit, weigh, choose the best and write them as the package does; the places of what was chosen, ascending."""
    examples = tuple(text for _, texts in texts_of(case.target) for text in texts)
    scorer = selector.fit(lambda: (texts for _, texts in texts_of(case.pool)), [Target("target", examples)], seed=1)
    weights = np.concatenate([scorer.score(texts)[:, 0] for _, texts in texts_of(case.pool)])
    best = np.sort(np.argpartition(-weights, case.size)[: case.size])
    chosen = set(best.tolist())
    with case.pool.open(encoding="utf-8") as file, out.open("w", encoding="utf-8") as to:
        to.writelines(line for i, line in enumerate(file) if i in chosen)
    np.savez(out.with_suffix(".npz"), weights=weights, chosen=best)
    return best


def side_by_side(case: Case, peer: Peer | None, rounds: int, folder: Path) -> dict[str, Any]:
    """Seconds of each, taking turns; whether weights and choice agree."""
    documents = sum(len(lines) for lines, _ in texts_of(case.pool))
    same, own = replace(PACKAGE, min_tokens=case.least), DsirSelector(min_tokens=case.least)
    seconds: dict[str, list[tuple[float, float]]] = {"package": [], "periti": [], "periti, own n-grams": []}
    for _ in range(rounds):
        for name, selector in (("periti", same), ("periti, own n-grams", own)):
            began, worked = time.perf_counter(), time.process_time()
            ours(case, selector, folder / f"{name}.jsonl")
            seconds[name].append((time.perf_counter() - began, time.process_time() - worked))
        if peer:
            answer = peer.ask(
                raw=str(case.pool), targets=[str(case.target)], size=case.size, to=str(folder / "theirs.npz"),
                options={"min_example_length": case.least},
            )  # fmt: skip
            seconds["package"].append((answer["seconds"], answer["cpu_seconds"]))
    found: dict[str, Any] = {"documents": documents, "megabytes": round(case.pool.stat().st_size / 1e6, 2)}
    for name, pairs in seconds.items():
        if pairs:
            wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
            found[name] = {
                "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "documents_per_cpu_s": round(documents / cpu),
                "all_cpu_s": [round(pair[1], 3) for pair in pairs],
            }  # fmt: skip
    if peer:
        with np.load(folder / "periti.npz") as mine, np.load(folder / "theirs.npz") as theirs:
            scored = np.isfinite(mine["weights"])
            apart = np.abs(mine["weights"][scored] - theirs["weights"][scored]).max()
            found["largest_difference_of_weights"] = float(apart)
            found["same_choice"] = bool(np.array_equal(mine["chosen"], theirs["chosen"]))
        for name in ("periti", "periti, own n-grams"):
            for clock in ("wall_s", "cpu_s"):
                found[f"{name}: times as fast, {clock}"] = round(found["package"][clock] / found[name][clock], 1)
    return found


def random_scorer(buckets: int = 1 << 18) -> TargetScorer:
    """A classifier of the size that `target` distils; how fast it is does not depend on its weights."""
    weights = np.random.default_rng(1).normal(size=buckets).astype(np.float32)
    return TargetScorer((Target("x", ("x",)),), (HashedLinear(HashedNgrams(2, buckets), weights, 0.0),), _nothing)


def _nothing(texts: Sequence[str]) -> np.ndarray:
    return np.zeros((len(texts), 1), np.float32)


def scored(order: tuple[TargetScorer, str]) -> tuple[float, float, float]:
    """Megabytes of UTF-8 that a process scores, and wall and processor seconds; the texts are read before."""
    scorer, path = order
    blocks = [texts for _, texts in texts_of(Path(path))]
    scorer.score(blocks[0])
    began, worked = time.perf_counter(), time.process_time()
    for texts in blocks:
        scorer.score(texts)
    took = time.perf_counter() - began, time.process_time() - worked
    return sum(len(text.encode("utf-8", "replace")) for texts in blocks for text in texts) / 1e6, *took


def distilled(pool: Path, rounds: int) -> dict[str, Any]:
    """Megabytes a second of two processes, each with all of the pool."""
    rates = []
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        for _ in range(rounds):
            pair = processes.map(scored, [(random_scorer(), str(pool))] * 2, chunksize=1)
            rates.append((sum(mb for mb, _, _ in pair) / max(wall for _, wall, _ in pair),
                          sum(mb / cpu for mb, _, cpu in pair)))  # fmt: skip
    wall, cpu = (statistics.median(column) for column in zip(*rates, strict=True))
    return {
        "processes": 2, "mb_per_s_wall": round(wall, 1), "mb_per_s_of_two_whole_cores": round(cpu, 1),
        "all": [[round(value, 1) for value in pair] for pair in rates],
    }  # fmt: skip


def pools(folder: Path, times: int) -> dict[str, Case]:
    """The toy pile repeated, and MS MARCO's passages; the target is the toy pile's abstracts of PubMed."""
    rows = toy_pile()
    target = folder / "target.jsonl"
    written([row for row in rows if row["metadata"]["pile_set_name"] == "PubMed Abstracts"], target)
    repeated, passages = folder / "toy.jsonl", folder / "passages.jsonl"
    written(rows * times, repeated)
    with gzip.open(Path(os.environ["PERITI_DATA"]) / PASSAGES, "rt", encoding="utf-8") as file:
        texts = [{"contents": json.loads(line)["text"]} for line in file]
    written(texts, passages)
    return {
        f"toy pile x {times}": Case(repeated, target, 100, 50 * times),
        "MS MARCO passages": Case(passages, target, 1, len(texts) // 20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-selection", metavar="PYTHON", help="the Python of an environment that has it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=20, help="the toy pile is repeated")
    arguments = parser.parse_args()
    peer = Peer(arguments.data_selection, "dsir_peer.py") if arguments.data_selection else None
    results: dict[str, Any] = {"peer": peer.versions if peer else None}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, case in pools(folder, arguments.times).items():
            results[label] = side_by_side(case, peer, arguments.rounds, folder)
            results[f"distilled classifier, {label}"] = distilled(case.pool, arguments.rounds)
            print(label, json.dumps(results[label]), flush=True)
    if peer:
        peer.close()
    record("selection_speed", results)


if __name__ == "__main__":
    main()
