"""Which citations of a review to read first, and when to stop: writes docs/results/screening.md.

Every method on the ten topics of cohen-screening, read in place from PERITI_DATA, with the indexes of
`periti index build --dataset cohen-screening` (nothing is encoded but ten names of topics). Included is what was
included on the abstract; a second table takes what was included finally. A few CPU minutes.

With --model the cross-encoder's logit is one more signal beside the others, and only that is measured: writes
docs/results/screening-cross-encoder.md. Reading some seven thousand abstracts takes minutes; --logits keeps them.
With --strengths another grid of penalties is put beside the one in use: writes docs/results/screening-strengths.md.

Usage: python benchmarks/screening.py --index DIRECTORY [--no-write]
       python benchmarks/screening.py --index DIRECTORY --model RANKER [--max-length 128] [--logits FOLDER]
       python benchmarks/screening.py --index DIRECTORY --strengths 0.0003 0.001 0.003 0.01 0.03 0.1 0.3
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ROOT, machine, record

from periti.datasets.dataset import load_dataset
from periti.pipeline import open_pipeline
from periti.progress import Terminal
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.rankers.reranking import PairScorer, Scored
from periti.screening import Topic, read_topics, report, study
from periti.screening.criteria import STRENGTHS, Criteria
from periti.screening.methods import METHODS, Orderer, uses_feedback, uses_model
from periti.screening.stopping import Target
from periti.screening.study import Stopped, against, stop
from periti.types import Document

PAGES = ROOT / "docs" / "results"
NAME = "cohen-screening"
CHOSEN = tuple(method for method in METHODS if not uses_model(method))
SIGNALS = ("bm25", "dense", "criteria", "criteria+active", *filter(uses_model, METHODS))
TARGETS = (Target(0.95, 0.05), Target(0.8, 0.05))
LEVELS = {1: "included on the abstract", 2: "included finally"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--model", help="a cross-encoder")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of a pair that it reads")
    parser.add_argument("--logits", type=Path, help="where its logits are kept")
    parser.add_argument("--strengths", type=float, nargs="+", help="another grid for criteria")
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    dataset = load_dataset(NAME)
    topics = read_topics(open_pipeline(arguments.index), dataset.queries(), dataset.qrels())
    if arguments.model:
        reader = Kept(arguments.model, arguments.max_length, arguments.logits)
        write = Writer(
            "screening-cross-encoder", f"--model RANKER --max-length {arguments.max_length}", arguments.no_write
        )
        with_model(topics, reader, write)
    elif arguments.strengths:
        grid = " ".join(f"{strength:g}" for strength in arguments.strengths)
        write = Writer("screening-strengths", f"--strengths {grid}", arguments.no_write)
        with_strengths(topics, tuple(arguments.strengths), write)
    else:
        every_method(topics, Writer("screening", "", arguments.no_write))


class Writer:
    """Prints parts and keeps the page and its figures up to date after each."""

    def __init__(self, name: str, options: str, silent: bool) -> None:
        self.name, self.silent, self.parts = name, silent, [self._head(name, options)]
        self.figures: dict[str, Any] = {}

    def __call__(self, part: str, figures: Mapping[str, Any]) -> None:
        """One more part."""
        self.parts.append(part)
        self.figures |= figures
        print(part, flush=True)
        if not self.silent:
            (PAGES / f"{self.name}.md").write_text("\n".join(self.parts))
            record(self.name, self.figures)

    @staticmethod
    def _head(name: str, options: str) -> str:
        facts = machine()
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        command = f"python benchmarks/screening.py --index DIRECTORY {options}".strip()
        return (
            f"# Screening prioritisation\n\nPrinted by `{command}`; figures in `benchmarks/results/{name}.json`. What "
            f"the methods are: [docs/screening.md](../screening.md). Machine: {facts['processor']}, {facts['cores']} "
            f"cores; {versions}; commit {facts['commit']}.\n"
        )


def every_method(topics: Sequence[Topic], write: Writer) -> None:
    """The main tables."""
    for rel, words in LEVELS.items():
        began = time.perf_counter()
        orderer = Orderer(topics, rel)
        measured = study(orderer, CHOSEN, progress=Terminal())
        stops: dict[str, list[Stopped]] = {}
        for method in filter(uses_feedback, CHOSEN):
            stops[method] = [one for target in TARGETS for one in stop(measured, method, rel=rel, target=target)]
        seconds = time.perf_counter() - began
        part = f"## Relevant: {words}\n\n{report.markdown(measured, orderer, stops)}\n{seconds:.0f} s in all.\n"
        write(part, {words: report.figures(measured, orderer, stops)})


def with_model(topics: Sequence[Topic], reader: PairScorer, write: Writer) -> None:
    """Methods with the cross-encoder, and those that they are built on."""
    for rel, words in LEVELS.items():
        orderer = Orderer(topics, rel, reader)
        measured = against(study(orderer, SIGNALS, progress=Terminal()), ("dense", "criteria", "criteria+active"))
        read = f"The cross-encoder: {json.dumps(dict(reader.identity))}.\n\n" if rel == min(LEVELS) else ""
        write(f"{read}## Relevant: {words}\n\n{report.summary(measured)}",
              {words: report.figures(measured, orderer, {}), "reader": dict(reader.identity)})  # fmt: skip


def with_strengths(topics: Sequence[Topic], grid: tuple[float, ...], write: Writer) -> None:
    """The grid in use beside another: what is reached on the other topics of each, what is chosen, what it gives."""
    for rel, words in LEVELS.items():
        lines = [f"## Relevant: {words}\n", "Mean AP on the other topics, each held out in turn:\n",
                 f"| topic | {' | '.join(f'C {strength:g}' for strength in grid)} | chosen |",
                 f"|---|{'---:|' * (len(grid) + 1)}"]  # fmt: skip
        figures: dict[str, Any] = {}
        for name, strengths in (("in use", STRENGTHS), ("wider", grid)):
            orderer = Orderer(topics, rel)
            orderer.criteria = Criteria(topics, rel, strengths)
            measured = against(study(orderer, ("criteria", "criteria+active"), progress=Terminal()), ())
            if strengths == grid:
                for topic in topics:
                    reached = orderer.criteria.reached(topic)
                    row = " | ".join(f"{value:.4f}" for value in reached.values())
                    lines.append(f"| {topic.name} | {row} | {orderer.criteria.chosen[topic.name]:g} |")
            lines.append(f"\nGrid {name}: {', '.join(f'{strength:g}' for strength in strengths)}\n")
            lines.append(report.summary(measured))
            figures[name] = report.figures(measured, orderer, {})
        write("\n".join(lines), {words: figures})


class Kept:
    """A cross-encoder whose logits are kept by what was read, so that a second run reads nothing."""

    def __init__(self, model: str, max_length: int, folder: Path | None) -> None:
        self.scorer = CrossEncoderRanker.open(CrossEncoderRanker.Options(model, max_length=max_length)).scorer
        self.folder = folder

    @property
    def identity(self) -> Mapping[str, Any]:
        """Of the scorer; where its folder is, is nobody's business."""
        return {**self.scorer.identity, "model": Path(str(self.scorer.identity["model"])).name}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Logits, read or remembered."""
        if self.folder is None:
            return self.scorer.score(queries, documents)
        texts = [[query, document.default_text()] for query, document in zip(queries, documents, strict=True)]
        key = hashlib.sha256(json.dumps([dict(self.scorer.identity), texts], default=str).encode()).hexdigest()
        path = self.folder / f"{key[:24]}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            np.save(path, self.scorer.score(queries, documents).logits, allow_pickle=False)
        return Scored(np.load(path, allow_pickle=False))


if __name__ == "__main__":
    main()
