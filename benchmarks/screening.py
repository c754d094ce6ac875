"""Which citations of a review to read first, and when to stop: writes docs/results/screening.md.

Every method on the ten topics of cohen-screening, read in place from PERITI_DATA, with the indexes of
`periti index build --dataset cohen-screening` (nothing is encoded but ten names of topics). Included is what was
included on the abstract; a second table takes what was included finally. A few CPU minutes.

Usage: python benchmarks/screening.py --index DIRECTORY [--no-write]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import ROOT, machine, record

from periti.datasets.dataset import load_dataset
from periti.pipeline import open_pipeline
from periti.progress import Terminal
from periti.screening import read_topics, report, study
from periti.screening.methods import METHODS, MODEL, Orderer, uses_feedback
from periti.screening.stopping import Target
from periti.screening.study import Stopped, stop

PAGE = ROOT / "docs" / "results" / "screening.md"
NAME = "cohen-screening"
CHOSEN = tuple(method for method in METHODS if not method.startswith(MODEL))
TARGETS = (Target(0.95, 0.05), Target(0.8, 0.05))
LEVELS = {1: "included on the abstract", 2: "included finally"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    dataset = load_dataset(NAME)
    topics = read_topics(open_pipeline(arguments.index), dataset.queries(), dataset.qrels())
    parts: list[str] = []
    figures: dict[str, Any] = {}
    for rel, words in LEVELS.items():
        began = time.perf_counter()
        orderer = Orderer(topics, rel)
        measured = study(orderer, CHOSEN, progress=Terminal())
        stops: dict[str, list[Stopped]] = {}
        for method in filter(uses_feedback, CHOSEN):
            stops[method] = [one for target in TARGETS for one in stop(measured, method, rel=rel, target=target)]
        seconds = time.perf_counter() - began
        parts.append(f"## Relevant: {words}\n\n{report.markdown(measured, orderer, stops)}\n{seconds:.0f} s in all.\n")
        figures[words] = report.figures(measured, orderer, stops)
        print(parts[-1], flush=True)
        if not arguments.no_write:
            PAGE.write_text(page(parts))
            record("screening", figures)


def page(parts: Sequence[str]) -> str:
    """The page of results."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    head = (
        "# Screening prioritisation\n\nPrinted by `python benchmarks/screening.py --index DIRECTORY`; figures in "
        "`benchmarks/results/screening.json`. What the methods are: [docs/screening.md](../screening.md). "
        f"Machine: {facts['processor']}, {facts['cores']} cores; {versions}; commit {facts['commit']}.\n\n"
    )
    return head + "\n".join(parts)


if __name__ == "__main__":
    main()
